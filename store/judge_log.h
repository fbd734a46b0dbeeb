// Off-policy judgement of the log: policy/judgement/off_policy.h over a store.
//
// Pure but for reading the store, twice, from any thread. Holds some 60 bytes for each
// decision, label and rating that it reads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "policy/judgement/off_policy.h"
#include "store/store.h"

namespace pointsman::store {

struct JudgeLogOptions {
  LogSeq after;                               // events up to here are left out
  std::uint64_t events_max = 0;               // only the last so many; 0: all
  std::vector<policy::Payload> known{};       // what events that are left out said: FactsOf
  std::function<bool()> cancelled = nullptr;  // asked now and then; empty: never
};

// Models and exclusions of a state, as the events that made them.
std::vector<policy::Payload> FactsOf(const policy::State& state);

// Errors: of OffPolicyJudge and of reading; UNAVAILABLE cancelled.
Result<policy::Judgement> JudgeLog(const Store& store, const policy::TargetPolicy& target,
                                   const JudgeLogOptions& options);

}  // namespace pointsman::store
