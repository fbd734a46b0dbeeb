// Checkpoints: the rows of a state, and their hash kept as rows change.
//
// Hash of one row: xxh3-64 of the value, seeded with the xxh3-64 of the key. Hash
// of a state: XOR over its rows, so replacing a row costs two hashes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/belief/state.h"

namespace pointsman::store {

struct CheckpointMark {
  LogSeq seq;
  std::uint64_t state_hash = 0;
  std::uint64_t rows = 0;
};

struct CheckpointPlan {
  std::vector<std::pair<std::string, std::string>> changes;  // key and bytes; empty bytes: removed
  CheckpointMark mark;
};

std::uint64_t RowHash(std::string_view key, std::string_view value);

// What must be written to get from the checkpoint `last` to `state`: its dirty
// rows, or, with no checkpoint yet, all rows. `stored` gives the bytes that lie
// under a key now, empty for none. Errors: those of `stored`.
Result<CheckpointPlan> PlanCheckpoint(const policy::State& state, const std::optional<CheckpointMark>& last,
                                      const std::function<Result<std::string>(std::string_view key)>& stored);

// Puts a state together row by row and holds it against its mark.
class StateLoader {
 public:
  // Errors: DATA_LOSS.
  Status Add(std::string_view key, std::string_view value);
  // Errors: DATA_LOSS when rows and mark disagree.
  Result<policy::State> Finish(const CheckpointMark& mark);

 private:
  policy::State state_;
  std::uint64_t hash_ = 0;
  std::uint64_t rows_ = 0;
};

}  // namespace pointsman::store
