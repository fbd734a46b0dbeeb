#include "policy/learning/learner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "policy/belief/noise.h"
#include "policy/belief/state_codec.h"
#include "policy/choice/pacing.h"
#include "policy/learning/change_detector.h"
#include "policy/learning/event_check.h"
#include "policy/learning/newcomer_fold.h"
#include "policy/learning/outcome_fold.h"
#include "policy/learning/preference_fold.h"
#include "policy/learning/row_fold.h"
#include "policy/learning/row_translation.h"
#include "policy/learning/source_watch.h"

namespace pointsman::policy {

namespace {

// A declared epoch multiplies the variance by 4: a quarter of the weight.
constexpr std::uint8_t kEpochHalvings = 2;

const RowChanged* AsRow(const Payload& payload) {
  if (const auto* rating = std::get_if<RatingGiven>(&payload)) return rating;
  if (const auto* gold = std::get_if<GoldGiven>(&payload)) return gold;
  return std::get_if<Retracted>(&payload);
}

bool HasChannel(const Channels& channels, std::uint8_t channel) {
  return std::any_of(channels.begin(), channels.end(), [=](const ChannelValue& v) { return v.channel == channel; });
}

class FoldingLearner final : public Learner {
 public:
  FoldingLearner(const BundleCatalogue& bundles, const History& history, State state,
                 std::shared_ptr<const Bundle> bundle)
      : bundles_(bundles),
        history_(history),
        state_(std::move(state)),
        bundle_(std::move(bundle)),
        translator_(std::make_unique<RowTranslator>(bundles_, state_.bundle, bundle_)) {}

  Status Learn(const Event& event) override {
    REQUIRE(event.seq.value == state_.last_seq.value + 1, "a gap in the log");
    if (event.at_us < state_.now_us && state_.last_seq.value > 0) return BadEvent("its stamp lies before the last one");
    if (event.at_us > kTimeMaxUs || event.at_us < -kTimeMaxUs) return BadEvent("its stamp is out of range");
    const std::optional<LastChange> change = OperatorsChange(event);
    Status status = std::visit([&](const auto& payload) { return Apply(event, payload); }, event.payload);
    if (!status.ok()) return status;
    FoldSubjects(state_.subjects, event, &state_.dirty_rows);
    if (change) {
      state_.last_change = *change;
      Mark(kLastChangeRow);
    }
    state_.last_seq = event.seq;
    state_.now_us = event.at_us;
    state_.dirty_rows.insert_once(state_.dirty, [] { return std::string(kMetaRow); });
    return {};
  }

  const State& state() const override { return state_; }
  State& mutable_state() override { return state_; }
  std::shared_ptr<const Bundle> bundle() const override { return bundle_; }

 private:
  void Mark(std::string row) { state_.dirty_rows.insert(std::move(row)); }
  void MarkCounters() {
    state_.dirty_rows.insert_once(state_.counters.dirty, [] { return std::string(kCountersRow); });
  }

  // Each checks first and changes the state only when nothing can fail any more.
  Status Apply(const Event& event, const DecisionMade& made);
  Status Apply(const Event& event, const OutcomeReported& outcome);
  Status Apply(const Event& event, const RatingGiven& rating) { return ApplyRow(event, rating, false); }
  Status Apply(const Event& event, const GoldGiven& gold) { return ApplyRow(event, gold, false); }
  Status Apply(const Event& event, const Retracted& retracted) { return ApplyRow(event, retracted, true); }
  Status Apply(const Event& event, const PreferenceGiven& preference);
  Status Apply(const Event& event, const DecisionExpired& expired);
  Status Apply(const Event&, const Tick&) { return {}; }
  Status Apply(const Event& event, const ModelAdded& added);
  Status Apply(const Event& event, const ModelStateChanged& changed);
  Status Apply(const Event& event, const PriceChanged& changed);
  Status Apply(const Event& event, const EpochDeclared& declared);
  Status Apply(const Event& event, const OptionsChanged& changed);
  Status Apply(const Event& event, const GenerationActivated& activated);
  Status Apply(const Event& event, const BiasSurfaceInstalled& surface);
  Status Apply(const Event& event, const SubjectExcluded& excluded);
  Status Apply(const Event& event, const SubjectIncluded& included);
  Status Apply(const Event& event, const LearningSwitched& switched);
  Status Apply(const Event& event, const CellReset& reset);
  Status Apply(const Event& event, const AdminNote& note);
  Status Apply(const Event& event, const Refitted& refitted);
  Status Apply(const Event& event, const RolloutChanged& changed);
  Status Apply(const Event& event, const ModelProbed& probed);

  std::optional<LastChange> OperatorsChange(const Event& event) const;
  Status ApplyRow(const Event& event, const RowChanged& change, bool retracted);
  static Result<bool> FoldPair(State& state, const PreferenceGiven& preference, RowTranslator& translator);
  void CountRow(const RowChanged& change, bool retracted);
  void ScoreAudit(const RowChanged& change);
  // What a fold of all earlier feedback into fresh cells is done with.
  struct RefoldPlan {
    const Options& options;
    const BundleHash& bundle;
    RowTranslator& translator;
    std::map<std::uint8_t, BiasSurfaceInstalled> surfaces{};
    bool detect = false;  // look for changes again, instead of taking the discounts as they stand
  };
  Result<State> Refold(LogSeq before, RefoldPlan plan) const;
  Status RefoldEvent(State& folded, const RefoldPlan& plan, const Event& event, BundleHash& in_force) const;
  void MarkEvidence();
  void Install(State&& folded);
  void DropPacers(const Options& next);

  const BundleCatalogue& bundles_;
  const History& history_;
  State state_;
  std::shared_ptr<const Bundle> bundle_;
  std::unique_ptr<RowTranslator> translator_;
};

// What is in force before an administrative change by an operator; none for others.
std::optional<LastChange> FoldingLearner::OperatorsChange(const Event& event) const {
  const std::uint8_t type = EventType(event.payload);
  const bool administrative = (type >= 9 && type <= 18) || type >= 25;
  if (event.origin != Origin::kOperator || !administrative) return std::nullopt;
  LastChange change;
  change.seq = event.seq;
  change.type = type;
  change.frozen = state_.frozen;
  change.rollout = state_.rollout.rollout;
  std::visit(
      [&change](const auto& payload) {
        if constexpr (requires { payload.id; }) change.model = payload.id;
      },
      event.payload);
  if (const Model* model = state_.pool.Find(change.model)) {
    change.price = model->price;
    change.state = model->state;
  }
  return change;
}

Status FoldingLearner::Apply(const Event&, const DecisionMade& made) {
  if (auto s = CheckContext(state_, made.context); !s.ok()) return s;
  ++state_.counters.decisions;
  if (made.context.audit) ++state_.counters.audits;
  ++MarkedTally(state_, made.context.model).decisions;
  CountTrial(state_, made);
  MarkCounters();
  if (made.incumbent.value != 0) {
    ++(made.followed ? state_.rollout.followed : state_.rollout.routed);
    Mark(kRolloutRow);
  }
  const std::string_view pacer = PacerName(state_.options, made.tenant);
  if (const auto at = state_.pacers.find(std::string(pacer)); at != state_.pacers.end()) {
    Refill(at->second, BudgetOf(state_.options, made.tenant));
    Mark(PacerRow(pacer));
  }
  return {};
}

// Outcomes are measurements, not opinions: they count while learning is frozen.
Status FoldingLearner::Apply(const Event& event, const OutcomeReported& outcome) {
  if (auto s = CheckModel(state_, outcome.model); !s.ok()) return s;
  FoldOutcome(state_, outcome, event.at_us);
  return {};
}

void FoldingLearner::CountRow(const RowChanged& change, bool retracted) {
  MarkCounters();
  if (retracted) {
    ++state_.counters.retractions;
    return;
  }
  ++state_.counters.feedback[change.channel];
  ModelTally& tally = MarkedTally(state_, change.context.model);
  ++(change.channel == 0 ? tally.gold : tally.ratings);
  if (change.value != 0 && change.value != 1 && !state_.noise.graded[change.channel]) {
    state_.noise.graded[change.channel] = true;
    state_.republish_all = true;
    Mark(kNoiseRow);
  }
}

// The live calibration figure: a random-audit label against the prediction that
// was logged with the decision, before the label is learnt.
void FoldingLearner::ScoreAudit(const RowChanged& change) {
  if (!change.context.audit || HasChannel(change.before, 0) || !HasChannel(change.after, 0)) return;
  const double error = change.value - change.context.predicted_quality;
  ++state_.counters.audited_gold;
  state_.counters.audited_squared_error += error * error;
  const double z_squared = error * error / (change.context.predicted_variance + GoldVariance(state_.noise));
  state_.counters.audited_z_squared += z_squared;
  GuardCalibration(state_, z_squared);
}

Status FoldingLearner::ApplyRow(const Event& event, const RowChanged& change, bool retracted) {
  if (auto s = CheckRow(state_, change, event.seq); !s.ok()) return s;
  auto row = translator_->Translate(change.context, state_.pool);
  if (!row.ok()) return row.error();
  const bool excluded = state_.excluded.contains(change.subject);
  if (!excluded && !retracted && change.channel == 0) ScoreAudit(change);
  CountRow(change, retracted);
  if (!excluded && !retracted && !state_.frozen) WatchSources(state_, change, event.seq);
  const bool watched = state_.options.change_detection && !TrialAt(state_, change.context.model, event.seq);
  if (watched && !excluded && !retracted && !state_.frozen) {
    WatchForChange(state_, change, row.value(), event.seq, event.at_us);
  }
  if (!FoldRow(state_, change, row.value(), event.seq)) ++state_.counters.not_folded;
  return {};
}

Result<bool> FoldingLearner::FoldPair(State& state, const PreferenceGiven& preference, RowTranslator& translator) {
  if (auto s = CheckPreference(state, preference); !s.ok()) return s.error();
  if (preference.winner.model == preference.loser.model) return true;  // says nothing of either
  auto winner = translator.Translate(preference.winner, state.pool);
  if (!winner.ok()) return winner.error();
  auto loser = translator.Translate(preference.loser, state.pool);
  if (!loser.ok()) return loser.error();
  return FoldPreference(state, preference, winner.value(), loser.value());
}

Status FoldingLearner::Apply(const Event&, const PreferenceGiven& preference) {
  const auto folded = FoldPair(state_, preference, *translator_);
  if (!folded.ok()) return folded.error();
  ++state_.counters.preferences;
  MarkCounters();
  if (!folded.value()) ++state_.counters.not_folded;
  const ModelId winner = preference.winner.model;
  const ModelId loser = preference.loser.model;
  if (winner == loser || state_.excluded.contains(preference.subject)) return {};
  // For people, frozen or not.
  const PairKey key{std::min(winner, loser), std::max(winner, loser), preference.channel};
  const auto wins = [&](double outcome) { return key.model == winner ? outcome : 1 - outcome; };
  PairTally& tally = state_.pairs[key];
  if (preference.replaced_outcome.has_value() && tally.count > 0) {
    tally.wins -= wins(*preference.replaced_outcome);
  } else {
    ++tally.count;
  }
  tally.wins += wins(preference.outcome);
  Mark(PairRow(key));
  return {};
}

Status FoldingLearner::Apply(const Event&, const DecisionExpired& expired) {
  state_.counters.expired += expired.count;
  MarkCounters();
  return {};
}

Status FoldingLearner::Apply(const Event&, const ModelAdded& added) {
  if (added.id != state_.pool.NextId()) return BadEvent("models are numbered in the order of their events");
  return FoldModelAdded(state_, added);
}

Status FoldingLearner::Apply(const Event& event, const ModelStateChanged& changed) {
  return FoldModelState(state_, changed, event.origin, event.seq);
}

Status FoldingLearner::Apply(const Event& event, const ModelProbed& probed) {
  if (auto s = CheckProbes(state_, probed); !s.ok()) return s;
  return FoldProbes(state_, probed, *translator_, event.seq, &state_.newcomers);
}

Status FoldingLearner::Apply(const Event&, const PriceChanged& changed) {
  if (auto s = state_.pool.SetPrice(changed.id, changed.price); !s.ok()) return s;
  Mark(ModelRow(changed.id));
  return {};
}

Status FoldingLearner::Apply(const Event& event, const EpochDeclared& declared) {
  if (auto s = CheckModel(state_, declared.id); !s.ok()) return s;
  DiscountModel(state_, declared.id, {event.seq, event.at_us, kEpochHalvings});
  return {};
}

// One earlier event, as far as it bears on the evidence.
Status FoldingLearner::RefoldEvent(State& folded, const RefoldPlan& plan, const Event& event,
                                   BundleHash& in_force) const {
  if (const RowChanged* change = AsRow(event.payload)) {
    if (auto s = CheckRow(folded, *change, event.seq); !s.ok()) return s;
    auto row = plan.translator.Translate(change->context, folded.pool);
    if (!row.ok()) return row.error();
    const bool said = !std::holds_alternative<Retracted>(event.payload) && !folded.excluded.contains(change->subject);
    const bool watched = plan.options.change_detection && !TrialAt(folded, change->context.model, event.seq);
    if (plan.detect && said && !folded.frozen && watched) {
      WatchForChange(folded, *change, row.value(), event.seq, event.at_us);
    }
    FoldRow(folded, *change, row.value(), event.seq);
  } else if (const auto* probed = std::get_if<ModelProbed>(&event.payload)) {
    return FoldProbes(folded, *probed, plan.translator, event.seq);
  } else if (const auto* preference = std::get_if<PreferenceGiven>(&event.payload)) {
    if (auto pair = FoldPair(folded, *preference, plan.translator); !pair.ok()) return pair.error();
  } else if (const auto* switched = std::get_if<LearningSwitched>(&event.payload)) {
    folded.frozen = switched->frozen;
  } else if (const auto* excluded = std::get_if<SubjectExcluded>(&event.payload)) {
    folded.excluded.insert(excluded->subject);
  } else if (const auto* included = std::get_if<SubjectIncluded>(&event.payload)) {
    folded.excluded.erase(included->subject);
  } else if (const auto* activated = std::get_if<GenerationActivated>(&event.payload)) {
    in_force = activated->bundle;
    for (auto& [model, watch] : folded.watches) BeginGeneration(watch);
  } else if (const auto* reset = std::get_if<CellReset>(&event.payload)) {
    // A reset names a cluster of the bundle that was live then; it has no
    // meaning in another one.
    if (in_force == plan.bundle) ResetCell(folded, {reset->model, reset->cluster}, event.seq);
  } else if (const auto* declared = std::get_if<EpochDeclared>(&event.payload)) {
    if (plan.detect) DiscountModel(folded, declared->id, {event.seq, event.at_us, kEpochHalvings});
  }
  return {};
}

Result<State> FoldingLearner::Refold(LogSeq before, RefoldPlan plan) const {
  State folded;
  folded.options = plan.options;
  folded.pool = state_.pool;
  folded.newcomers = state_.newcomers;
  folded.surfaces = std::move(plan.surfaces);
  folded.noise.graded = state_.noise.graded;
  folded.counters.residual_rows = state_.counters.residual_rows;
  folded.counters.residual_squares = state_.counters.residual_squares;
  // A discount halves what the sums hold at its place in the log; so it is given there again.
  std::vector<std::pair<ModelId, Discount>> due;
  for (const auto& [model, discounts] : state_.discounts) {
    if (plan.detect) break;
    for (const Discount& discount : discounts) due.emplace_back(model, discount);
  }
  std::sort(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.second.seq < b.second.seq; });
  auto next = due.begin();
  const auto discount_until = [&](LogSeq seq) {
    for (; next != due.end() && next->second.seq <= seq; ++next) DiscountModel(folded, next->first, next->second);
  };
  BundleHash in_force;
  const Status status = history_.ForEachLasting(before, [&](const Event& event) -> Status {
    discount_until(event.seq);
    return RefoldEvent(folded, plan, event, in_force);
  });
  if (!status.ok()) return status.error();
  discount_until(before);
  return folded;
}

void FoldingLearner::MarkEvidence() {
  for (const auto& [key, cell] : state_.cells) Mark(CellRow(key));
  for (const auto& [decision, row] : state_.irregular) Mark(IrregularRowKey(decision));
  for (const auto& [key, moments] : state_.preferences) Mark(PreferenceRow(key));
  for (const auto& [id, held] : state_.irregular_preferences) Mark(IrregularPreferenceRow(id));
}

void FoldingLearner::Install(State&& folded) {
  MarkEvidence();
  state_.cells = std::move(folded.cells);
  state_.irregular = std::move(folded.irregular);
  state_.preferences = std::move(folded.preferences);
  state_.irregular_preferences = std::move(folded.irregular_preferences);
  MarkEvidence();
  state_.unpublished.clear();
  state_.republish_all = true;
}

// A pacer whose budget changes begins anew when the learner has found its price.
void FoldingLearner::DropPacers(const Options& next) {
  for (auto at = state_.pacers.begin(); at != state_.pacers.end();) {
    const std::string& name = at->first;
    const bool kept = PacerName(next, name) == name && BudgetOf(next, name) == BudgetOf(state_.options, name);
    if (!kept) Mark(PacerRow(name));
    at = kept ? std::next(at) : state_.pacers.erase(at);
  }
}

Status FoldingLearner::Apply(const Event& event, const OptionsChanged& changed) {
  if (auto s = ValidateOptionsChange(state_.options, changed.options); !s.ok()) return s;
  const Options& before = state_.options;
  const bool other_times = before.rating_half_life_days != changed.options.rating_half_life_days ||
                           before.gold_half_life_days != changed.options.gold_half_life_days;
  // Stored sums are in units of the half-lives: other ones mean folding again.
  if (other_times && !state_.cells.empty()) {
    auto folded = Refold(
        event.seq,
        {.options = changed.options, .bundle = state_.bundle, .translator = *translator_, .surfaces = state_.surfaces});
    if (!folded.ok()) return folded.error();
    Install(std::move(folded.value()));
  }
  DropPacers(changed.options);
  state_.options = changed.options;
  state_.republish_all = true;
  Mark(kOptionsRow);
  return {};
}

Status FoldingLearner::Apply(const Event& event, const GenerationActivated& activated) {
  if (activated.generation <= state_.generation) return BadEvent("generations only rise");
  std::shared_ptr<const Bundle> live = ColdBundle();
  if (!activated.bundle.IsZero()) {
    auto found = bundles_.Find(activated.bundle);
    if (!found.ok()) return found.error();
    live = found.value();
    if (auto s = ValidateBundle(*live); !s.ok()) return s;
  }
  auto translator = std::make_unique<RowTranslator>(bundles_, activated.bundle, live);
  auto folded = Refold(event.seq, {.options = state_.options, .bundle = activated.bundle, .translator = *translator});
  if (!folded.ok()) return folded.error();
  Install(std::move(folded.value()));
  bundle_ = std::move(live);
  EndTrialsOf(state_, *bundle_, event.seq);
  translator_ = std::move(translator);
  state_.generation = activated.generation;
  state_.bundle = activated.bundle;
  // The new bundle describes the models as they are now.
  for (auto& [model, watch] : state_.watches) {
    BeginGeneration(watch);
    Mark(WatchRow(model));
  }
  // Their clusters go with the bundle; the versions stay.
  for (auto& [channel, surface] : state_.surfaces) {
    surface.clusters.clear();
    surface.models.clear();
    Mark(SurfaceRow(channel));
  }
  // Chosen for the widths of the bundle that goes.
  state_.model_width = 0;
  state_.trust_width = 0;
  state_.width_refitted_at = 0;
  state_.generations.push_back({activated.generation, activated.bundle, event.seq, event.at_us, activated.reason});
  Mark(GenerationRow(activated.generation));
  return {};
}

// What the source seems to be off by is read anew, in every row; so are the changes that
// were seen in its values: a detector that took the bias for a change takes that back.
Status FoldingLearner::Apply(const Event& event, const BiasSurfaceInstalled& surface) {
  if (auto s = CheckSurface(state_, surface, bundle_->cluster_count(), event.seq); !s.ok()) return s;
  RefoldPlan plan{.options = state_.options,
                  .bundle = state_.bundle,
                  .translator = *translator_,
                  .surfaces = state_.surfaces,
                  .detect = true};
  plan.surfaces[surface.channel] = surface;
  auto folded = Refold(event.seq, plan);
  if (!folded.ok()) return folded.error();
  for (auto* watched : {&state_, &folded.value()}) {
    for (const auto& [model, watch] : watched->watches) Mark(WatchRow(model));
    for (const auto& [model, discounts] : watched->discounts) Mark(DiscountsRow(model));
  }
  Mark(kAlarmsRow);
  state_.watches = std::move(folded->watches);
  state_.discounts = std::move(folded->discounts);
  state_.alarms = std::move(folded->alarms);
  Install(std::move(folded.value()));
  state_.surfaces[surface.channel] = surface;
  Mark(SurfaceRow(surface.channel));
  return {};
}

Status FoldingLearner::Apply(const Event&, const SubjectExcluded& excluded) {
  if (excluded.subject.value == 0) return BadEvent("subject 0 is the decision itself and cannot be excluded");
  state_.excluded.insert(excluded.subject);
  Mark(ExcludedRow(excluded.subject));
  return {};
}

// Rows on which it spoke in between stay as the cells hold them (state.irregular).
Status FoldingLearner::Apply(const Event&, const SubjectIncluded& included) {
  if (state_.excluded.erase(included.subject) > 0) Mark(ExcludedRow(included.subject));
  return {};
}

Status FoldingLearner::Apply(const Event&, const LearningSwitched& switched) {
  state_.frozen = switched.frozen;
  return {};
}

Status FoldingLearner::Apply(const Event& event, const CellReset& reset) {
  if (auto s = CheckModel(state_, reset.model); !s.ok()) return s;
  if (reset.cluster.value > bundle_->cluster_count()) return BadEvent("the live bundle has no such cluster");
  ResetCell(state_, {reset.model, reset.cluster}, event.seq);
  return {};
}

Status FoldingLearner::Apply(const Event&, const AdminNote& note) {
  if (note.text.size() > kNoteBytesMax) return BadEvent("a note has at most 1024 bytes");
  return {};
}

Status FoldingLearner::Apply(const Event&, const Refitted& refitted) {
  if (auto s = CheckRefitted(state_, refitted); !s.ok()) return s;
  if (!refitted.noise.empty()) state_.noise.covariance = refitted.noise;
  for (std::size_t s = 0; s < refitted.response.size(); ++s) state_.noise.response[s] = refitted.response[s];
  if (!refitted.noise.empty()) state_.response_refitted_at = state_.counters.feedback[0];
  if (refitted.model_width > 0) {
    state_.model_width = refitted.model_width;
    state_.width_refitted_at = 0;
    for (const std::uint64_t channel : state_.counters.feedback) state_.width_refitted_at += channel;
  }
  if (refitted.trust_width > 0) state_.trust_width = refitted.trust_width;
  for (const PacerStart& start : refitted.pacers) {
    const double budget = BudgetOf(state_.options, start.tenant);
    if (budget > 0) state_.pacers[start.tenant] = NewPacer(budget, start.lambda);
    Mark(PacerRow(start.tenant));
  }
  state_.republish_all = true;
  Mark(kNoiseRow);
  return {};
}

Status FoldingLearner::Apply(const Event& event, const RolloutChanged& changed) {
  if (auto s = ValidateRollout(changed.rollout); !s.ok()) return BadEvent(s.error().message);
  if (changed.reason.size() > kNoteBytesMax) return BadEvent("a reason has at most 1024 bytes");
  state_.rollout = RolloutRecord();
  state_.rollout.rollout = changed.rollout;
  state_.rollout.since = event.seq;
  state_.rollout.since_us = event.at_us;
  state_.rollout.set_by = event.origin;
  state_.rollout.gold_before = state_.counters.feedback[0];
  state_.rollout.reason = changed.reason;
  Mark(kRolloutRow);
  return {};
}

}  // namespace

Result<std::unique_ptr<Learner>> Learner::Create(const BundleCatalogue& bundles, const History& history, State state) {
  std::shared_ptr<const Bundle> live = ColdBundle();
  if (!state.bundle.IsZero()) {
    auto found = bundles.Find(state.bundle);
    if (!found.ok()) return found.error();
    live = found.value();
    if (auto s = ValidateBundle(*live); !s.ok()) return s.error();
  }
  state.republish_all = true;
  return std::unique_ptr<Learner>(
      std::make_unique<FoldingLearner>(bundles, history, std::move(state), std::move(live)));
}

}  // namespace pointsman::policy
