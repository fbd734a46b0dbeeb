#include "store/judge_log.h"

#include <algorithm>

namespace pointsman::store {

std::vector<policy::Payload> FactsOf(const policy::State& state) {
  std::vector<policy::Payload> facts;
  for (const policy::Model& model : state.pool.models()) {
    facts.emplace_back(policy::ModelAdded{model.id, model.name, model.price, model.context_tokens});
  }
  for (const SubjectHash subject : state.excluded) facts.emplace_back(policy::SubjectExcluded{subject});
  return facts;
}

Result<policy::Judgement> JudgeLog(const Store& store, const policy::TargetPolicy& target,
                                   const JudgeLogOptions& options) {
  constexpr std::uint64_t kAskEvery = 4096;
  const StoreStatistics log = store.Statistics();
  const std::uint64_t last = log.last_seq.value;
  std::uint64_t after = options.after.value;
  if (options.events_max > 0 && last > options.events_max) after = std::max(after, last - options.events_max);
  if (after > 0) after = std::max(after, log.dropped_up_to.value);
  std::uint64_t seen = 0;
  const auto read = [&](const std::function<Status(const policy::Event&)>& take) {
    const auto visit = [&](const policy::Event& event) -> Status {
      if (++seen % kAskEvery == 0 && options.cancelled && options.cancelled()) {
        return MakeError(Code::kUnavailable, "cancelled", "the daemon is stopping; ask again when it is up");
      }
      return take(event);
    };
    // All that is left of the log, or a part of it that is whole.
    if (after == 0) return store.ForEach(LogSeq{last + 1}, visit);
    return after >= last ? Status() : store.ReadLog(LogSeq{after + 1}, last - after, visit);
  };
  policy::OffPolicyJudge judge(target);
  for (const policy::Payload& fact : options.known) judge.Learn({.seq = {}, .payload = fact});
  const Status learnt = read([&judge](const policy::Event& event) {
    judge.Learn(event);
    return Status();
  });
  if (!learnt.ok()) return learnt.error();
  const Status added = read([&judge](const policy::Event& event) { return judge.Add(event); });
  if (!added.ok()) return added.error();
  return judge.Judge();
}

}  // namespace pointsman::store
