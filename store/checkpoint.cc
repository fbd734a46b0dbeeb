#include "store/checkpoint.h"

#include <xxhash.h>

#include "store/store.h"

namespace pointsman::store {

std::uint64_t RowHash(std::string_view key, std::string_view value) {
  return XXH3_64bits_withSeed(value.data(), value.size(), XXH3_64bits(key.data(), key.size()));
}

std::uint64_t StateHash(const policy::State& state) {
  std::uint64_t hash = 0;
  policy::ForEachStateRow(state,
                          [&hash](std::string_view key, std::string_view value) { hash ^= RowHash(key, value); });
  return hash;
}

Result<CheckpointPlan> PlanCheckpoint(const policy::State& state, const std::optional<CheckpointMark>& last,
                                      const std::function<Result<std::string>(std::string_view key)>& stored) {
  CheckpointPlan plan;
  if (!last) {
    policy::ForEachStateRow(state, [&plan](std::string_view key, std::string_view value) {
      plan.mark.state_hash ^= RowHash(key, value);
      ++plan.mark.rows;
      plan.changes.emplace_back(key, value);
    });
  } else {
    plan.mark = *last;
    for (const std::string& key : state.dirty_rows) {
      auto before = stored(key);
      if (!before.ok()) return before.error();
      std::string after = policy::StateRow(state, key);
      if (*before == after) continue;
      if (!before->empty()) {
        plan.mark.state_hash ^= RowHash(key, *before);
        --plan.mark.rows;
      }
      if (!after.empty()) {
        plan.mark.state_hash ^= RowHash(key, after);
        ++plan.mark.rows;
      }
      plan.changes.emplace_back(key, std::move(after));
    }
  }
  plan.mark.seq = state.last_seq;
  return plan;
}

Status StateLoader::Add(std::string_view key, std::string_view value) {
  hash_ ^= RowHash(key, value);
  ++rows_;
  return policy::LoadStateRow(state_, key, value);
}

Result<policy::State> StateLoader::Finish(const CheckpointMark& mark) {
  if (rows_ != mark.rows || hash_ != mark.state_hash) {
    return MakeError(Code::kDataLoss, "state_hash_mismatch",
                     "the checkpoint's " + std::to_string(rows_) +
                         " state rows do not fit its hash; restore the store from a backup");
  }
  // Held against the codec as well: what was read must be written the same again.
  if (StateHash(state_) != mark.state_hash || state_.last_seq != mark.seq) {
    return MakeError(
        Code::kDataLoss, "state_not_canonical",
        "the checkpoint's state rows do not come back as they were written; restore the store from a backup");
  }
  state_.dirty_rows.clear();
  return std::move(state_);
}

}  // namespace pointsman::store
