#include "eval/learner_arm.h"

#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/refit_log.h"
#include "policy/belief/noise.h"
#include "policy/belief/posterior.h"
#include "policy/choice/decide.h"
#include "policy/judgement/gold_planner.h"
#include "policy/learning/attribution.h"
#include "policy/learning/learner.h"
#include "policy/learning/refit.h"

namespace pointsman::eval {

namespace {

constexpr std::int64_t kNeverMicros = INT64_MAX / 2;
constexpr std::uint8_t kGoldChannel = 0;
constexpr std::uint8_t kRatingChannel = 1;

// One bundle, or none.
class OneBundle final : public policy::BundleCatalogue {
 public:
  explicit OneBundle(std::shared_ptr<const policy::Bundle> bundle) : bundle_(std::move(bundle)) {}
  Result<std::shared_ptr<const policy::Bundle>> Find(const BundleHash& hash) const override {
    if (bundle_ != nullptr && bundle_->hash == hash) return bundle_;
    return MakeError(Code::kNotFound, "unknown_bundle", "this run has one bundle");
  }

 private:
  std::shared_ptr<const policy::Bundle> bundle_;
};

// The log, as far as an arm needs it again: the only activation is the first thing that
// happens, so only an arm that re-fits keeps it.
class KeptHistory final : public policy::History {
 public:
  Status ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override {
    for (const policy::Event& event : events) {
      if (event.seq >= before) break;
      if (Status s = visit(event); !s.ok()) return s;
    }
    return {};
  }
  std::vector<policy::Event> events;
};

std::shared_ptr<const policy::Bundle> WithHash(const std::shared_ptr<const policy::Bundle>& bundle) {
  if (bundle == nullptr || !bundle->hash.IsZero()) return bundle;
  auto named = std::make_shared<policy::Bundle>(*bundle);
  named->hash.bytes[0] = 1;  // any name will do in a world with one bundle
  return named;
}

}  // namespace

struct LearnerArm::Impl {
  Impl(const LearnerArmOptions& given, std::shared_ptr<const policy::Bundle> named)
      : options(given), bundle(std::move(named)), bundles(bundle), random(given.seed) {}

  Status Append(policy::Payload payload, policy::Origin origin) {
    policy::Event event;
    event.seq = LogSeq{learner->state().last_seq.value + 1};
    event.at_us = now_us;
    event.origin = origin;
    event.payload = std::move(payload);
    changed = true;
    const std::uint64_t before = learner->state().counters.alarms;
    if (Status s = learner->Learn(event); !s.ok()) return s;
    if (options.refit_every > 0) history.events.push_back(event);
    if (learner->state().counters.alarms > before) {
      const policy::Alarm& raised = learner->state().alarms.back();
      alarms.push_back({.model = raised.model.value - 1, .uses = raised.uses, .number = item});
    }
    return {};
  }

  Status Start() {
    auto made = policy::Learner::Create(bundles, history, policy::State{});
    if (!made.ok()) return made.error();
    learner = std::move(made).value();
    if (Status s = Append(policy::OptionsChanged{options.options}, policy::Origin::kConfig); !s.ok()) return s;
    for (std::size_t m = 0; m < options.models.size(); ++m) {
      policy::ModelAdded added;
      added.id = ModelId{static_cast<std::uint32_t>(m + 1)};
      added.name = options.models[m];
      if (m < options.prices.size()) added.price = options.prices[m];
      if (Status s = Append(added, policy::Origin::kConfig); !s.ok()) return s;
    }
    if (bundle == nullptr) return {};
    policy::GenerationActivated activated;
    activated.generation = Generation{1};
    activated.bundle = bundle->hash;
    activated.reason = "eval";
    return Append(activated, policy::Origin::kOperator);
  }

  // Publishes what changed, and refits what is due, as the daemon does.
  Status Publish() {
    if (!changed) return {};
    snapshot = publisher.Publish(learner->mutable_state(), learner->bundle());
    if (const auto refitted = policy::DueRefit(learner->state(), *snapshot, publisher, options.weights)) {
      if (Status s = Append(*refitted, policy::Origin::kLearner); !s.ok()) return s;
      snapshot = publisher.Publish(learner->mutable_state(), learner->bundle());
    }
    changed = false;
    return {};
  }

  // The bias of the source is fitted anew over the log, as the daemon's job does it.
  Status RefitBias() {
    const policy::State& state = learner->state();
    std::uint64_t reports = 0;
    for (const std::uint64_t count : state.counters.feedback) reports += count;
    if (bundle == nullptr || !bootstrap::RefitIsDue(reports, refitted_at, options.refit_every)) return {};
    refitted_at = reports;
    bootstrap::RefitLog log(bundles, bundle->hash, bundle);
    for (const policy::Event& event : history.events) {
      if (Status s = log.Take(event); !s.ok()) return s;
    }
    const auto refit = bootstrap::FitBias(log.RowsOf(kRatingChannel), bundle->cluster_count(), options.refit);
    if (!refit.ok()) return {};  // not enough yet
    policy::BiasSurfaceInstalled surface = bootstrap::ToEvent(*refit);
    surface.channel = kRatingChannel;
    surface.version = static_cast<std::uint32_t>(++surfaces);
    surface.bundle = bundle->hash;
    surface.fitted_from = log.first();
    surface.fitted_to = log.last();
    return Append(std::move(surface), policy::Origin::kLearner);
  }

  DecisionId NextId() {
    DecisionId id;
    const std::uint64_t halves[2] = {random(), random()};
    std::memcpy(id.bytes.data(), halves, sizeof halves);
    return id;
  }

  Status Feed(std::uint8_t channel, double value) {
    policy::FeedbackReport report;
    report.decision = row.context.decision;
    report.channel = channel;
    report.value = value;
    const LogSeq seq{learner->state().last_seq.value + 1};
    auto attributed = policy::AttributeFeedback(row, report, seq, now_us);
    if (!attributed.ok()) return attributed.error();
    row = std::move(attributed->row);
    ENSURE(attributed->payload.has_value(), "a first report is never a duplicate");
    return Append(*attributed->payload, policy::Origin::kClient);
  }

  Status FeedOutcome(const ArmFeedback& feedback) {
    if (!std::isfinite(feedback.tokens_out)) return {};
    policy::OutcomeReport report;
    report.decision = row.context.decision;
    report.tokens_in = std::isfinite(feedback.tokens_in) ? static_cast<std::uint32_t>(feedback.tokens_in) : 0;
    report.tokens_out = static_cast<std::uint32_t>(feedback.tokens_out);
    if (std::isfinite(feedback.cost_usd)) report.cost_usd = feedback.cost_usd;
    auto attributed = policy::AttributeOutcome(row, report, now_us);
    if (!attributed.ok()) return attributed.error();
    row = std::move(attributed->row);
    ENSURE(attributed->payload.has_value(), "a first outcome is never a duplicate");
    return Append(*attributed->payload, policy::Origin::kClient);
  }

  LearnerArmOptions options;
  std::shared_ptr<const policy::Bundle> bundle;
  OneBundle bundles;
  KeptHistory history;
  SplitMix64 random;
  std::unique_ptr<policy::Learner> learner;
  policy::Publisher publisher;
  policy::GoldPlanner planner;
  std::shared_ptr<const policy::Snapshot> snapshot;
  policy::DecisionRow row;  // of the last decision
  std::int64_t now_us = 0;
  std::uint64_t refitted_at = 0;  // reports at the last re-fit
  std::uint64_t surfaces = 0;
  std::uint64_t item = 0;  // number of the last item
  std::vector<Alarm> alarms;
  bool changed = true;
};

LearnerArm::LearnerArm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LearnerArm::~LearnerArm() = default;

Result<std::unique_ptr<LearnerArm>> LearnerArm::Create(const LearnerArmOptions& options) {
  if (Status valid = policy::ValidateOptions(options.options); !valid.ok()) return valid.error();
  auto impl = std::make_unique<Impl>(options, WithHash(options.bundle));
  if (Status started = impl->Start(); !started.ok()) return started.error();
  return std::unique_ptr<LearnerArm>(new LearnerArm(std::move(impl)));
}

std::shared_ptr<const policy::Snapshot> LearnerArm::snapshot() const { return impl_->snapshot; }

Result<ArmChoice> LearnerArm::Route(const StreamItem& item) {
  Impl& self = *impl_;
  self.now_us += self.options.micros_per_decision;
  self.item = item.number;
  if (Status published = self.Publish(); !published.ok()) return published.error();
  policy::Query query;
  query.embedding = item.embedding;
  query.weights = self.options.weights;
  query.id = self.NextId();
  auto decision = policy::Decide(*self.snapshot, query);
  if (!decision.ok()) return decision.error();
  if (self.options.planned_gold) {
    policy::PlanGold(self.planner, self.options.options.gold_rate, policy::GoldVariance(self.learner->state().noise),
                     self.random.Unit(), *decision);
  }
  const policy::Candidate& chosen = decision->ranked[decision->chosen];
  ArmChoice choice;
  choice.model = chosen.model.value - 1;
  choice.predicted = chosen.quality;
  choice.propensity = decision->propensity;
  choice.audit = decision->audit;
  choice.gold_wanted = self.options.learn && decision->gold_wanted;
  choice.number = item.number;
  if (!self.options.learn) return choice;
  policy::DecisionMade made = policy::ToEvent(*self.snapshot, query, *decision, self.now_us);
  made.expires_at_us = kNeverMicros;
  self.row = policy::DecisionRow{};
  self.row.context = made.context;
  self.row.decided_seq = LogSeq{self.learner->state().last_seq.value + 1};
  self.row.expires_at_us = kNeverMicros;
  if (Status learnt = self.Append(std::move(made), policy::Origin::kClient); !learnt.ok()) return learnt.error();
  return choice;
}

std::vector<Alarm> LearnerArm::alarms() const { return impl_->alarms; }

Status LearnerArm::Report(const ArmChoice& choice, const ArmFeedback& feedback) {
  Impl& self = *impl_;
  if (!self.options.learn) return {};
  REQUIRE(self.row.context.model.value == choice.model + 1, "feedback belongs to the last decision");
  if (Status s = self.FeedOutcome(feedback); !s.ok()) return s;
  if (feedback.rating.has_value() && self.options.ratings) {
    if (Status s = self.Feed(kRatingChannel, *feedback.rating); !s.ok()) return s;
  }
  if (feedback.gold.has_value()) {
    if (Status s = self.Feed(kGoldChannel, *feedback.gold); !s.ok()) return s;
  }
  return self.RefitBias();
}

Status LearnerArm::PriceChanged(std::size_t model, double factor) {
  Impl& self = *impl_;
  REQUIRE(model < self.options.models.size(), "a column of the table");
  if (model >= self.options.prices.size()) return {};
  policy::PriceChanged changed;
  changed.id = ModelId{static_cast<std::uint32_t>(model + 1)};
  changed.price = self.options.prices[model];
  changed.price.input_usd_per_million *= factor;
  changed.price.output_usd_per_million *= factor;
  return self.Append(changed, policy::Origin::kOperator);
}

}  // namespace pointsman::eval
