#include "daemon/job_gate.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "base/fault_point.h"
#include "daemon/job_gate_gold.h"
#include "policy/belief/posterior.h"
#include "policy/learning/learner.h"
#include "policy/learning/row_translation.h"

namespace pointsman::daemon {
namespace {

constexpr double kErrors = 2;  // standard errors that a verdict needs
// In squared error. A new generation starts with its bundle's widths, which costs a
// little until they are learnt; many labels make that significant.
constexpr double kDifferenceThatMatters = 0.0025;
constexpr std::uint8_t kGoldChannel = 0;

policy::Channels WithoutGold(const policy::Channels& channels) {
  policy::Channels kept;
  for (const policy::ChannelValue& value : channels) {
    if (value.channel != kGoldChannel) kept.push_back(value);
  }
  return kept;
}

policy::RowChanged* RowOf(policy::Payload& payload) {
  if (auto* rating = std::get_if<policy::RatingGiven>(&payload)) return rating;
  if (auto* gold = std::get_if<policy::GoldGiven>(&payload)) return gold;
  return std::get_if<policy::Retracted>(&payload);
}

// The event as it would be if nobody had given the gold that is kept back.
policy::Event Blinded(policy::Event event) {
  policy::RowChanged* row = RowOf(event.payload);
  if (row == nullptr || !HeldBack(row->context.decision)) return event;
  if (row->channel == kGoldChannel) {
    event.payload = policy::AdminNote{};
    return event;
  }
  row->before = WithoutGold(row->before);
  row->after = WithoutGold(row->after);
  return event;
}

// The log up to an event, blinded.
class BlindHistory final : public policy::History {
 public:
  explicit BlindHistory(const store::Store& store) : store_(store) {}
  Status ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override {
    if (before.value <= 1) return {};
    return store_.ReadLog(LogSeq{1}, before.value - 1,
                          [&](const policy::Event& event) -> Status { return visit(Blinded(event)); });
  }

 private:
  const store::Store& store_;
};

struct Prediction {
  double quality = 0;
  double prior = 0;
};

// What the learner's live bundle predicts for every kept label; nothing for a model
// that is gone.
Result<std::vector<std::optional<Prediction>>> PredictKept(policy::Learner& learner, const store::Store& store,
                                                           const KeptGold& kept) {
  policy::State& state = learner.mutable_state();
  policy::Publisher publisher;
  state.republish_all = true;
  const auto snapshot = publisher.Publish(state, learner.bundle());
  policy::RowTranslator translator(store, state.bundle, learner.bundle());
  std::map<std::uint32_t, const policy::ModelView*> views;
  for (const policy::ModelView& view : snapshot->models) views[view.model.id.value] = &view;
  std::vector<std::optional<Prediction>> predictions;
  for (const auto& [decision, one] : kept.labels()) {
    const auto view = views.find(one.context.model.value);
    if (view == views.end()) {
      predictions.emplace_back();
      continue;
    }
    const auto row = translator.Translate(one.context, state.pool);
    if (!row.ok()) return row.error();
    const policy::Estimate estimate =
        policy::ReadPosterior(*snapshot, *view->second, row->clusters, row->prior, row->prior_centred);
    predictions.push_back(Prediction{estimate.mean, row->prior});
  }
  return predictions;
}

// Mean and its standard error.
std::pair<double, double> MeanOf(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  double squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / count) * (value - sum / count);
  return {sum / count, std::sqrt(squares / std::max(count - 1, 1.0) / count)};
}

// Least squares of y on x; an error of 0 says that x does not vary.
void FitSlope(const std::vector<double>& x, const std::vector<double>& y, GateVerdict* verdict) {
  const double mean_x = MeanOf(x).first;
  const double mean_y = MeanOf(y).first;
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  if (!(xx > 1e-9)) return;
  verdict->slope = xy / xx;
  const double rest = std::max(yy - verdict->slope * xy, 0.0);
  verdict->slope_error = std::sqrt(rest / std::max(static_cast<double>(x.size()) - 2, 1.0) / xx);
}

GateVerdict Compare(const KeptGold& kept, const std::vector<std::optional<Prediction>>& live,
                    const std::vector<std::optional<Prediction>>& next) {
  std::vector<double> live_errors;
  std::vector<double> next_errors;
  std::vector<double> differences;
  std::vector<double> priors;
  std::vector<double> golds;
  std::size_t i = 0;
  for (const auto& [decision, one] : kept.labels()) {
    const auto& a = live[i];
    const auto& b = next[i++];
    if (!a || !b) continue;
    live_errors.push_back((one.gold - a->quality) * (one.gold - a->quality));
    next_errors.push_back((one.gold - b->quality) * (one.gold - b->quality));
    differences.push_back(next_errors.back() - live_errors.back());
    priors.push_back(b->prior);
    golds.push_back(one.gold);
  }
  GateVerdict verdict;
  verdict.gold = golds.size();
  verdict.verdict = "insufficient";
  if (golds.empty()) return verdict;
  verdict.live_rmse = std::sqrt(MeanOf(live_errors).first);
  verdict.candidate_rmse = std::sqrt(MeanOf(next_errors).first);
  std::tie(verdict.difference, verdict.difference_error) = MeanOf(differences);
  FitSlope(priors, golds, &verdict);
  if (verdict.gold < kGateGoldMin) return verdict;
  const bool contradicted = verdict.slope_error > 0 && verdict.slope + kErrors * verdict.slope_error < 0;
  const bool worse =
      verdict.difference > kErrors * verdict.difference_error && verdict.difference > kDifferenceThatMatters;
  verdict.verdict = contradicted ? "contradicted" : worse ? "worse" : "pass";
  return verdict;
}

}  // namespace

std::string GateVerdict::Text() const {
  if (gold < kGateGoldMin) {
    const RatingVerdict& r = by_ratings;
    return fmt::format(
        "gate {}: {} gold labels kept back, fewer than {}; {} ratings; their slope within source and model {:+.3f} +- "
        "{:.3f} on the live prior, {:+.3f} +- {:.3f} on the new one",
        verdict, gold, kGateGoldMin, r.ratings, r.live.slope, r.live.error, r.candidate.slope, r.candidate.error);
  }
  return fmt::format(
      "gate {}: {} gold labels kept back; rmse {:.4f} live, {:.4f} new; difference of squared errors {:+.4f} +- "
      "{:.4f}; "
      "slope of gold on the new prior {:+.3f} +- {:.3f}",
      verdict, gold, live_rmse, candidate_rmse, difference, difference_error, slope, slope_error);
}

namespace {

Result<GateVerdict> JudgeWithoutGold(const store::Store& store, const policy::State& state, const BundleHash& candidate,
                                     std::uint64_t gold) {
  const auto judged = JudgeByRatings(store, state, candidate);
  if (!judged.ok()) return judged.error();
  GateVerdict verdict;
  verdict.gold = gold;
  verdict.by_ratings = *judged;
  verdict.verdict = judged->contradicted ? "contradicted_by_ratings" : "insufficient";
  return verdict;
}

}  // namespace

Result<GateVerdict> JudgeBundle(const store::Store& store, const BundleHash& candidate) {
  const store::StoreStatistics statistics = store.Statistics();
  if (statistics.base_seq.value > 0) {  // the early rows are folded into one: they cannot be blinded
    const auto state = store.LoadState();
    if (!state.ok()) return state.error();
    return JudgeWithoutGold(store, state.value(), candidate, 0);
  }
  const BlindHistory history(store);
  auto learner = policy::Learner::Create(store, history, policy::State{});
  if (!learner.ok()) return learner.error();
  const LogSeq last = statistics.synced_seq;
  KeptGold kept;
  std::int64_t at_us = 0;
  const Status folded = store.ReadLog(LogSeq{1}, last.value, [&](const policy::Event& event) -> Status {
    FAULT_POINT("daemon.gate.folding");
    kept.See(event);
    at_us = event.at_us;
    (*learner)->mutable_state().dirty_rows.clear();  // no checkpoint will ask for them
    return (*learner)->Learn(Blinded(event));
  });
  if (!folded.ok()) return folded.error();
  const std::size_t labels = kept.labels().size();
  if (labels < kGateGoldMin) return JudgeWithoutGold(store, (*learner)->state(), candidate, labels);
  const auto live = PredictKept(**learner, store, kept);
  if (!live.ok()) return live.error();
  policy::Event activation;
  activation.seq = LogSeq{(*learner)->state().last_seq.value + 1};
  activation.at_us = at_us;
  activation.origin = policy::Origin::kOperator;
  activation.payload =
      policy::GenerationActivated{Generation{(*learner)->state().generation.value + 1}, candidate, "gate"};
  if (const Status moved = (*learner)->Learn(activation); !moved.ok()) return moved.error();
  const auto next = PredictKept(**learner, store, kept);
  if (!next.ok()) return next.error();
  return Compare(kept, live.value(), next.value());
}

}  // namespace pointsman::daemon
