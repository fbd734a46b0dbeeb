// Checks of events before they are folded: what the daemon should have refused.
//
// Pure; the state is read only. Errors: INVALID_ARGUMENT with reason bad_event.
#pragma once

#include "base/result.h"
#include "policy/belief/state.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

Status CheckContext(const State& state, const DecisionContext& context);
// `seq` is the event's own.
Status CheckRow(const State& state, const RowChanged& change, LogSeq seq);
Status CheckPreference(const State& state, const PreferenceGiven& preference);
// `clusters`: of the live bundle, the background not counted.
Status CheckSurface(const State& state, const BiasSurfaceInstalled& surface, std::size_t clusters, LogSeq seq);
Status CheckRefitted(const State& state, const Refitted& refitted);
Status CheckModel(const State& state, ModelId model);
Error BadEvent(const std::string& what);

}  // namespace pointsman::policy
