#include "eval/learner_arm.h"

#include <cmath>
#include <utility>

#include "base/contract.h"
#include "eval/in_process_learner.h"
#include "policy/belief/noise.h"
#include "policy/choice/decide.h"
#include "policy/judgement/gold_planner.h"

namespace pointsman::eval {

namespace {

constexpr std::uint8_t kGoldChannel = 0;
constexpr std::uint8_t kRatingChannel = 1;

}  // namespace

struct LearnerArm::Impl {
  Impl(const LearnerArmOptions& given, std::vector<std::size_t> columns_in, std::unique_ptr<InProcessLearner> made)
      : options(given), columns(std::move(columns_in)), learner(std::move(made)) {}

  std::size_t ColumnOf(ModelId id) const { return columns[id.value - 1]; }

  // Alarms raised since the last look belong to the item at hand.
  void NoteAlarms() {
    const policy::State& state = learner->state();
    if (state.counters.alarms <= seen_alarms) return;
    seen_alarms = state.counters.alarms;
    const policy::Alarm& raised = state.alarms.back();
    alarms.push_back({.model = ColumnOf(raised.model), .uses = raised.uses, .number = item});
  }

  Status Feed(std::uint8_t channel, double value) {
    policy::FeedbackReport report;
    report.decision = row.context.decision;
    report.channel = channel;
    report.value = value;
    auto given = learner->Give(report, row);
    if (!given.ok()) return given.error();
    ENSURE(given.value() == Code::kOk, "a first report is never a duplicate");
    NoteAlarms();
    return {};
  }

  Status FeedOutcome(const ArmFeedback& feedback) {
    if (!std::isfinite(feedback.tokens_out)) return {};
    policy::OutcomeReport report;
    report.decision = row.context.decision;
    report.tokens_in = std::isfinite(feedback.tokens_in) ? static_cast<std::uint32_t>(feedback.tokens_in) : 0;
    report.tokens_out = static_cast<std::uint32_t>(feedback.tokens_out);
    if (std::isfinite(feedback.cost_usd)) report.cost_usd = feedback.cost_usd;
    auto given = learner->GiveOutcome(report, row);
    if (!given.ok()) return given.error();
    ENSURE(given.value() == Code::kOk, "a first outcome is never a duplicate");
    NoteAlarms();
    return {};
  }

  LearnerArmOptions options;
  std::vector<std::size_t> columns;  // by number of the model, from 1; who joins comes last
  std::unique_ptr<InProcessLearner> learner;
  policy::GoldPlanner planner;
  policy::DecisionRow row;  // of the last decision
  std::uint64_t item = 0;   // number of the last item
  std::uint64_t seen_alarms = 0;
  std::vector<Alarm> alarms;
};

LearnerArm::LearnerArm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LearnerArm::~LearnerArm() = default;

Result<std::unique_ptr<LearnerArm>> LearnerArm::Create(const LearnerArmOptions& options) {
  std::vector<std::size_t> columns;
  std::vector<std::string> models;
  std::vector<policy::Price> prices;
  for (std::size_t m = 0; m < options.models.size(); ++m) {
    if (options.joiner && options.joiner->model == m) continue;
    columns.push_back(m);
    models.push_back(options.models[m]);
    if (m < options.prices.size()) prices.push_back(options.prices[m]);
  }
  if (options.joiner) columns.push_back(options.joiner->model);
  auto learner = InProcessLearner::Create({.options = options.options,
                                           .weights = options.weights,
                                           .models = std::move(models),
                                           .prices = std::move(prices),
                                           .bundle = options.bundle,
                                           .seed = options.seed,
                                           .keep_log = options.refit_every > 0});
  if (!learner.ok()) return learner.error();
  return std::unique_ptr<LearnerArm>(
      new LearnerArm(std::make_unique<Impl>(options, std::move(columns), std::move(learner).value())));
}

std::shared_ptr<const policy::Snapshot> LearnerArm::snapshot() const { return impl_->learner->snapshot(); }

Result<ArmChoice> LearnerArm::Route(const StreamItem& item) {
  Impl& self = *impl_;
  InProcessLearner& learner = *self.learner;
  learner.Advance(self.options.micros_per_decision);
  self.item = item.number;
  if (Status published = learner.Publish(); !published.ok()) return published.error();
  self.NoteAlarms();
  policy::Query query;
  query.embedding = item.embedding;
  query.weights = self.options.weights;
  query.id = learner.NextId();
  auto decision = policy::Decide(*learner.snapshot(), query);
  if (!decision.ok()) return decision.error();
  if (self.options.planned_gold) {
    policy::PlanGold(self.planner, self.options.options.gold_rate, query.weights.quality,
                     policy::GoldVariance(learner.state().noise), learner.random().Unit(), *decision);
  }
  const policy::Candidate& chosen = decision->ranked[decision->chosen];
  ArmChoice choice;
  choice.model = self.ColumnOf(chosen.model);
  choice.best = self.ColumnOf(decision->ranked[0].model);
  choice.predicted = chosen.quality;
  choice.propensity = decision->propensity;
  choice.audit = decision->audit;
  choice.gold_wanted = self.options.learn && decision->gold_wanted;
  choice.number = item.number;
  if (!self.options.learn) return choice;
  auto row = learner.Log(policy::ToEvent(*learner.snapshot(), query, *decision, learner.now_us()));
  if (!row.ok()) return row.error();
  self.row = std::move(row).value();
  self.NoteAlarms();
  return choice;
}

std::vector<Alarm> LearnerArm::alarms() const { return impl_->alarms; }

Status LearnerArm::Report(const ArmChoice& choice, const ArmFeedback& feedback) {
  Impl& self = *impl_;
  if (!self.options.learn) return {};
  REQUIRE(self.ColumnOf(self.row.context.model) == choice.model, "feedback belongs to the last decision");
  if (Status s = self.FeedOutcome(feedback); !s.ok()) return s;
  if (feedback.rating.has_value() && self.options.ratings) {
    if (Status s = self.Feed(kRatingChannel, *feedback.rating); !s.ok()) return s;
  }
  if (feedback.gold.has_value()) {
    if (Status s = self.Feed(kGoldChannel, *feedback.gold); !s.ok()) return s;
  }
  return self.options.refit_every > 0 ? self.learner->RefitBias(self.options.refit, self.options.refit_every)
                                      : Status{};
}

Status LearnerArm::ModelJoins(std::size_t model) {
  const LearnerArmOptions& options = impl_->options;
  REQUIRE(options.joiner && options.joiner->model == model, "the model that was held back");
  if (!options.joiner->welcome) return {};
  const policy::Price price = model < options.prices.size() ? options.prices[model] : policy::Price{};
  const std::string& name = options.models[model];
  if (Status joined = impl_->learner->Join(name, price, options.joiner->facts); !joined.ok()) return joined;
  return options.joiner->probes.empty() ? Status{} : impl_->learner->Probe(name, options.joiner->probes);
}

Status LearnerArm::PriceChanged(std::size_t model, double factor) { return impl_->learner->ChangePrice(model, factor); }

}  // namespace pointsman::eval
