#include "policy/learning/newcomer_fold.h"

#include <algorithm>
#include <string>
#include <vector>

#include "policy/belief/state_codec.h"
#include "policy/learning/event_check.h"
#include "policy/learning/row_fold.h"

namespace pointsman::policy {

namespace {

void MarkNewcomer(State& state, ModelId model, Newcomer& newcomer) {
  state.dirty_rows.insert_once(newcomer.dirty, [model] { return NewcomerRow(model); });
}

const LoggedCandidate* FindCandidate(const DecisionMade& made, ModelId model) {
  for (const LoggedCandidate& candidate : made.candidates) {
    if (candidate.model == model) return &candidate;
  }
  return nullptr;
}

// Drawn by a trial: not greedy, no audit, and nobody else's choice.
bool IsTrialDraw(const DecisionMade& made) {
  if (made.context.audit || made.observed || made.forced || made.followed || made.candidates.empty()) return false;
  return made.candidates[0].model != made.context.model;
}

}  // namespace

Status FoldModelAdded(State& state, const ModelAdded& added) {
  if (added.like.size() > kLikeMax || !(added.level_width >= 0 && added.level_width <= 10)) {
    return BadEvent("a trial's prior is out of range");
  }
  const auto id = state.pool.Add(added.name, added.price, added.context_tokens, added.like,
                                 added.on_trial ? ModelState::kNew : ModelState::kActive);
  if (!id.ok()) return id.error();
  state.dirty_rows.insert(ModelRow(added.id));
  if (!added.on_trial) return {};
  Newcomer& newcomer = state.newcomers[added.id];
  newcomer.level_width = added.level_width;
  newcomer.generation = state.generation;
  newcomer.joined_at = state.counters.decisions;
  MarkNewcomer(state, added.id, newcomer);
  return {};
}

Status FoldModelState(State& state, const ModelStateChanged& changed, Origin origin, LogSeq seq) {
  const auto at = state.newcomers.find(changed.id);
  const Model* model = state.pool.Find(changed.id);
  if (origin == Origin::kLearner && model != nullptr && !OnTrial(model->state)) return {};
  if (OnTrial(changed.state) && at == state.newcomers.end()) return BadEvent("the model never was on trial");
  if (auto s = state.pool.SetState(changed.id, changed.state); !s.ok()) return s;
  state.dirty_rows.insert(ModelRow(changed.id));
  if (at == state.newcomers.end()) return {};
  Newcomer& newcomer = at->second;
  if (OnTrial(changed.state)) {
    newcomer.ended = LogSeq{};
  } else if (newcomer.ended.value == 0) {
    newcomer.ended = seq;
  }
  MarkNewcomer(state, changed.id, newcomer);
  return {};
}

void CountTrial(State& state, const DecisionMade& made) {
  if (state.newcomers.empty()) return;
  const ModelId model = made.context.model;
  const auto at = state.newcomers.find(model);
  if (at == state.newcomers.end() || at->second.ended.value != 0) return;
  Newcomer& newcomer = at->second;
  if (made.gold_wanted) ++newcomer.gold_asked;
  const LoggedCandidate* drawn = FindCandidate(made, model);
  if (drawn != nullptr && IsTrialDraw(made)) {
    const LoggedCandidate& best = made.candidates[0];
    ++newcomer.plays;
    newcomer.spent += std::max(0.0, static_cast<double>(best.utility) - static_cast<double>(drawn->utility));
    newcomer.spent_usd += std::max(0.0, static_cast<double>(drawn->cost_usd) - static_cast<double>(best.cost_usd));
  }
  MarkNewcomer(state, model, newcomer);
}

Status CheckProbes(const State& state, const ModelProbed& probed) {
  if (auto s = CheckModel(state, probed.id); !s.ok()) return s;
  if (probed.rows.empty() || probed.rows.size() > kProbeRowsMax) return BadEvent("1 to 400 probes are taken at once");
  for (const ProbeRow& row : probed.rows) {
    if (row.context.model != probed.id) return BadEvent("a probe names another model");
    if (auto s = CheckContext(state, row.context); !s.ok()) return s;
    if (row.context.gold_probability != 0 || row.context.audit) return BadEvent("a probe is no random audit");
    if (!(row.value >= 0 && row.value <= 1)) return BadEvent("a probe's score must lie in [0,1]");
  }
  return {};
}

Status FoldProbes(State& state, const ModelProbed& probed, RowTranslator& translator, LogSeq seq, Newcomers* counted) {
  std::vector<LiveRow> rows;
  for (const ProbeRow& row : probed.rows) {
    auto live = translator.Translate(row.context, state.pool);
    if (!live.ok()) return live.error();
    rows.push_back(live.value());
  }
  if (state.frozen) {
    state.counters.not_folded += rows.size();
    state.dirty_rows.insert_once(state.counters.dirty, [] { return std::string(kCountersRow); });
    return {};
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    RowChanged change;
    change.context = probed.rows[i].context;
    change.after.push_back({.channel = 0, .value = probed.rows[i].value, .offset = 0});
    change.value = probed.rows[i].value;
    FoldRow(state, change, rows[i], seq);
  }
  if (counted == nullptr) return {};
  if (const auto at = counted->find(probed.id); at != counted->end()) {
    at->second.probes += rows.size();
    MarkNewcomer(state, probed.id, at->second);
  }
  return {};
}

bool TrialAt(const State& state, ModelId model, LogSeq seq) {
  if (state.newcomers.empty()) return false;
  const auto at = state.newcomers.find(model);
  return at != state.newcomers.end() && (at->second.ended.value == 0 || seq <= at->second.ended);
}

void EndTrialsOf(State& state, const Bundle& live, LogSeq seq) {
  for (auto& [id, newcomer] : state.newcomers) {
    const Model* model = state.pool.Find(id);
    if (newcomer.ended.value != 0 || model == nullptr || live.Column(model->name) < 0) continue;
    const Status active = state.pool.SetState(id, ModelState::kActive);
    ENSURE(active.ok(), "a model on trial can become active");
    newcomer.ended = seq;
    MarkNewcomer(state, id, newcomer);
    state.dirty_rows.insert(ModelRow(id));
  }
}

}  // namespace pointsman::policy
