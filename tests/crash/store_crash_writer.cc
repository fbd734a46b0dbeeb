// A writer that is there to be killed: commits to a store and tells on stdout
// what was acknowledged, one 24-byte record each, only after Commit returned.
//
//   store_crash_writer DIRECTORY FIRST_DECISION SEED [QUOTA_BYTES]
//
// Exit code when it was not killed: 5 the store refused to go on; 6 it went on after
// a failure; 7 it acknowledged after a call failed (POINTSMAN_SHIM_HIT exists).
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "store/store.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

struct Writer {
  Store& store;
  std::unique_ptr<policy::Learner> learner;
  std::uint64_t next_decision;
  SplitMix64 random;
  bool acknowledged_after_failure = false;

  bool Commit(const std::vector<Request>& requests, const std::vector<std::uint64_t>& numbers) {
    std::vector<Result<Receipt>> outcomes;
    // Half of the batches are synced; those alone would be acknowledged as such,
    // but a killed process loses none of them.
    const bool sync = random.Below(2) == 0;
    const Status committed =
        store.Commit(requests, kNoonUs + static_cast<std::int64_t>(next_decision), sync, &outcomes);
    if (!committed.ok()) {
      std::fprintf(stderr, "commit: %s\n", committed.error().message.c_str());
      return false;
    }
    if (CallHasFailed()) acknowledged_after_failure = true;
    for (std::size_t i = 0; i < outcomes.size() && i < numbers.size(); ++i) {
      if (!outcomes[i].ok()) {
        std::fprintf(stderr, "refused: %s\n", outcomes[i].error().message.c_str());
        return false;
      }
      const std::array<std::uint64_t, 3> record = {outcomes[i]->seq.value, numbers[i], static_cast<std::uint64_t>(i)};
      if (::write(STDOUT_FILENO, record.data(), sizeof record) != sizeof record) return false;
    }
    return true;
  }

  // The shim (tests/support/fail_shim.c) has let a call fail.
  static bool CallHasFailed() {
    const char* hit = std::getenv("POINTSMAN_SHIM_HIT");
    return hit != nullptr && ::access(hit, F_OK) == 0;
  }

  // What a failed store says to one more try.
  int End() {
    const std::vector<Request> requests = {AskTick()};
    std::vector<Result<Receipt>> outcomes;
    if (acknowledged_after_failure) return 7;
    return store.Commit(requests, kNoonUs, /*sync=*/true, &outcomes).ok() ? 6 : 5;
  }

  bool Checkpoint() {
    const Status folded = store.ReadLog(LogSeq{learner->state().last_seq.value + 1}, 0,
                                        [&](const policy::Event& event) { return learner->Learn(event); });
    const Status written = folded.ok() ? store.WriteCheckpoint(learner->mutable_state()) : folded;
    if (!written.ok()) std::fprintf(stderr, "checkpoint: %s\n", written.error().message.c_str());
    return written.ok();
  }

  bool Step() {
    std::vector<Request> requests;
    std::vector<std::uint64_t> numbers;
    const std::uint64_t batch = 1 + random.Below(4);
    for (std::uint64_t i = 0; i < batch; ++i) {
      const std::uint64_t number = next_decision++;
      requests.push_back(Ask(DecisionOf(number, kNoonUs + static_cast<std::int64_t>(number) + 400)));
      requests.push_back(Ask(RatingOf(number, random.Below(2) == 0 ? 0.0 : 1.0)));
      numbers.insert(numbers.end(), {number, number});
    }
    if (random.Below(8) == 0) requests.push_back(AskTick());
    if (!Commit(requests, numbers)) return false;
    return !acknowledged_after_failure && (random.Below(6) != 0 || Checkpoint());
  }
};

int Run(const std::string& directory, std::uint64_t first, std::uint64_t seed, std::uint64_t quota) {
  StoreOptions options;
  options.directory = directory;
  options.free_space_min_bytes = 16U << 20;
  options.write_buffer_bytes = 256U << 10;  // flushes and compactions come soon
  options.expire_batch = 16;
  options.log_bytes_max = quota;
  auto store = OpenRocksStore(options);
  if (!store.ok()) {
    std::fprintf(stderr, "open: %s\n", store.error().message.c_str());
    return 2;
  }
  auto state = (*store)->LoadState();
  if (!state.ok()) return 3;
  auto learner = policy::Learner::Create(**store, **store, std::move(*state));
  if (!learner.ok()) return 3;
  Writer writer{**store, std::move(*learner), first, SplitMix64(seed), false};
  if ((*store)->LastSeq().value == 0 && !writer.Commit(WorldRequests(), {})) return 4;
  while (writer.Step()) {
  }
  return writer.End();
}

}  // namespace
}  // namespace pointsman::store

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 1;
  const auto number = [&](int i) { return i < argc ? std::strtoull(argv[i], nullptr, 10) : 0; };
  return pointsman::store::Run(argv[1], number(2), number(3), number(4));
}
