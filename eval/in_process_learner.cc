#include "eval/in_process_learner.h"

#include <cstring>
#include <functional>
#include <utility>

#include "base/contract.h"
#include "bootstrap/fit/refit_log.h"
#include "policy/learning/life_cycle.h"
#include "policy/learning/refit.h"

namespace pointsman::eval {
namespace {

constexpr std::int64_t kNeverMicros = INT64_MAX / 2;

std::shared_ptr<const policy::Bundle> WithHash(const std::shared_ptr<const policy::Bundle>& bundle) {
  if (bundle == nullptr || !bundle->hash.IsZero()) return bundle;
  auto named = std::make_shared<policy::Bundle>(*bundle);
  named->hash.bytes[0] = 1;  // any name will do in a world with one bundle
  return named;
}

std::string RowsOf(const policy::State& state) {
  std::string all;
  policy::ForEachStateRow(state, [&](std::string_view key, std::string_view value) {
    all.append(key).push_back('\0');
    all.append(value).push_back('\0');
  });
  return all;
}

}  // namespace

// One bundle, or none.
class InProcessLearner::OneBundle final : public policy::BundleCatalogue {
 public:
  explicit OneBundle(std::shared_ptr<const policy::Bundle> bundle) : bundle_(std::move(bundle)) {}
  Result<std::shared_ptr<const policy::Bundle>> Find(const BundleHash& hash) const override {
    if (bundle_ != nullptr && bundle_->hash == hash) return bundle_;
    return MakeError(Code::kNotFound, "unknown_bundle", "this run has one bundle");
  }

 private:
  std::shared_ptr<const policy::Bundle> bundle_;
};

// The only activation is the first thing that happens, before any feedback: without a
// kept log there is nothing to read.
class InProcessLearner::KeptHistory final : public policy::History {
 public:
  explicit KeptHistory(const std::vector<policy::Event>& log) : log_(log) {}
  Status ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override {
    for (const policy::Event& event : log_) {
      if (event.seq >= before) break;
      if (Status visited = visit(event); !visited.ok()) return visited;
    }
    return {};
  }

 private:
  const std::vector<policy::Event>& log_;
};

InProcessLearner::InProcessLearner(const InProcessSetup& setup) : setup_(setup), random_(setup.seed) {
  setup_.bundle = WithHash(setup.bundle);
  bundles_ = std::make_unique<OneBundle>(setup_.bundle);
  history_ = std::make_unique<KeptHistory>(log_);
}
InProcessLearner::~InProcessLearner() = default;

Result<std::unique_ptr<InProcessLearner>> InProcessLearner::Create(const InProcessSetup& setup) {
  if (Status valid = policy::ValidateOptions(setup.options); !valid.ok()) return valid.error();
  std::unique_ptr<InProcessLearner> made(new InProcessLearner(setup));
  if (Status started = made->Start(); !started.ok()) return started.error();
  return made;
}

Status InProcessLearner::Append(policy::Payload payload, policy::Origin origin) {
  policy::Event event;
  event.seq = LogSeq{learner_->state().last_seq.value + 1};
  event.at_us = now_us_;
  event.origin = origin;
  event.payload = std::move(payload);
  changed_ = true;
  if (Status learnt = learner_->Learn(event); !learnt.ok()) return learnt;
  if (setup_.keep_log) log_.push_back(std::move(event));
  return {};
}

Status InProcessLearner::Start() {
  auto made = policy::Learner::Create(*bundles_, *history_, policy::State{});
  if (!made.ok()) return made.error();
  learner_ = std::move(made).value();
  if (Status s = Append(policy::OptionsChanged{setup_.options}, policy::Origin::kConfig); !s.ok()) return s;
  for (std::size_t m = 0; m < setup_.models.size(); ++m) {
    policy::ModelAdded added;
    added.id = ModelId{static_cast<std::uint32_t>(m + 1)};
    added.name = setup_.models[m];
    if (m < setup_.prices.size()) added.price = setup_.prices[m];
    if (Status s = Append(added, policy::Origin::kConfig); !s.ok()) return s;
  }
  if (setup_.bundle == nullptr) return {};
  policy::GenerationActivated activated;
  activated.generation = Generation{1};
  activated.bundle = setup_.bundle->hash;
  activated.reason = "eval";
  return Append(activated, policy::Origin::kOperator);
}

Status InProcessLearner::Publish() {
  if (!changed_) return {};
  snapshot_ = publisher_->Publish(learner_->mutable_state(), learner_->bundle());
  if (const auto refitted = policy::DueRefit(learner_->state(), *snapshot_, *publisher_, setup_.weights)) {
    if (Status s = Append(*refitted, policy::Origin::kLearner); !s.ok()) return s;
    snapshot_ = publisher_->Publish(learner_->mutable_state(), learner_->bundle());
  }
  while (const auto due = policy::DueStateChange(*snapshot_, setup_.weights)) {
    if (Status s = Append(*due, policy::Origin::kLearner); !s.ok()) return s;
    snapshot_ = publisher_->Publish(learner_->mutable_state(), learner_->bundle());
  }
  changed_ = false;
  return {};
}

DecisionId InProcessLearner::NextId() {
  DecisionId id;
  const std::uint64_t first = random_();
  const std::uint64_t halves[2] = {first, random_()};
  std::memcpy(id.bytes.data(), halves, sizeof halves);
  return id;
}

Result<policy::DecisionRow> InProcessLearner::Log(policy::DecisionMade made) {
  made.expires_at_us = kNeverMicros;
  policy::DecisionRow row;
  row.context = made.context;
  row.decided_seq = LogSeq{learner_->state().last_seq.value + 1};
  row.expires_at_us = kNeverMicros;
  if (Status learnt = Append(std::move(made), policy::Origin::kClient); !learnt.ok()) return learnt.error();
  return row;
}

Result<Code> InProcessLearner::Give(const policy::FeedbackReport& report, policy::DecisionRow& row) {
  const LogSeq seq{learner_->state().last_seq.value + 1};
  policy::FeedbackReport weighed = report;
  if (report.value) {
    const policy::SubjectScales scales(learner_->state().subjects);
    weighed.arrival_weight = scales.Weigh(row.context, report.channel, report.subject, now_us_);
  }
  auto attributed = policy::AttributeFeedback(row, weighed, seq, now_us_);
  if (!attributed.ok()) return attributed.error();
  row = std::move(attributed->row);
  if (!attributed->payload.has_value()) return attributed->code;
  if (Status s = Append(std::move(*attributed->payload), policy::Origin::kClient); !s.ok()) return s.error();
  return attributed->code;
}

Result<Code> InProcessLearner::GiveOutcome(const policy::OutcomeReport& report, policy::DecisionRow& row) {
  auto attributed = policy::AttributeOutcome(row, report, now_us_);
  if (!attributed.ok()) return attributed.error();
  row = std::move(attributed->row);
  if (!attributed->payload.has_value()) return attributed->code;
  if (Status s = Append(std::move(*attributed->payload), policy::Origin::kClient); !s.ok()) return s.error();
  return attributed->code;
}

Status InProcessLearner::RefitBias(const bootstrap::RefitOptions& options, std::uint64_t every) {
  REQUIRE(setup_.keep_log, "the log was kept");
  const policy::State& state = learner_->state();
  std::uint64_t reports = 0;
  for (const std::uint64_t count : state.counters.feedback) reports += count;
  if (setup_.bundle == nullptr || !bootstrap::RefitIsDue(reports, refitted_at_, every)) return {};
  refitted_at_ = reports;
  bootstrap::RefitLog rows(*bundles_, setup_.bundle->hash, setup_.bundle);
  for (const policy::Event& event : log_) {
    if (Status taken = rows.Take(event); !taken.ok()) return taken;
  }
  const auto refit = bootstrap::FitBias(rows.RowsOf(1), setup_.bundle->cluster_count(), options);
  if (!refit.ok()) return {};  // the log does not say enough yet
  policy::BiasSurfaceInstalled surface = bootstrap::ToEvent(refit.value());
  surface.version = ++surfaces_;
  surface.bundle = setup_.bundle->hash;
  surface.fitted_from = rows.first();
  surface.fitted_to = rows.last();
  return Append(std::move(surface), policy::Origin::kLearner);
}

Status InProcessLearner::Join(const std::string& name, const policy::Price& price, const policy::NewcomerFacts& facts) {
  const policy::Bundle* live = setup_.bundle.get();
  const double width = live == nullptr ? 0 : live->widths.model;
  auto prior = policy::PriorOfNewcomer(live, width, learner_->state().pool, name, price, facts);
  if (!prior.ok()) return prior.error();
  policy::ModelAdded added;
  added.id = learner_->state().pool.NextId();
  added.name = name;
  added.price = price;
  added.on_trial = prior->on_trial;
  added.like = prior->like;
  added.level_width = prior->level_width;
  return Append(std::move(added), policy::Origin::kOperator);
}

Status InProcessLearner::Probe(const std::string& name, const std::vector<policy::Probe>& probes) {
  if (Status published = Publish(); !published.ok()) return published;
  auto made = policy::MakeProbes(*snapshot_, name, probes, now_us_);
  if (!made.ok()) return made.error();
  return Append(std::move(made->event), policy::Origin::kOperator);
}

Status InProcessLearner::ChangePrice(std::size_t model, double factor) {
  REQUIRE(model < setup_.models.size(), "a model of the pool");
  if (model >= setup_.prices.size()) return {};
  policy::PriceChanged changed;
  changed.id = ModelId{static_cast<std::uint32_t>(model + 1)};
  changed.price = setup_.prices[model];
  changed.price.input_usd_per_million *= factor;
  changed.price.output_usd_per_million *= factor;
  return Append(changed, policy::Origin::kOperator);
}

Result<bool> InProcessLearner::Restart() {
  REQUIRE(setup_.keep_log, "the log was kept");
  const std::string before = RowsOf(learner_->state());
  auto made = policy::Learner::Create(*bundles_, *history_, policy::State{});
  if (!made.ok()) return made.error();
  for (const policy::Event& event : log_) {
    if (Status learnt = (*made)->Learn(event); !learnt.ok()) return learnt.error();
  }
  learner_ = std::move(made).value();
  publisher_ = std::make_unique<policy::Publisher>();
  changed_ = true;
  return RowsOf(learner_->state()) == before;
}

std::size_t InProcessLearner::StateBytes() const { return RowsOf(learner_->state()).size(); }

}  // namespace pointsman::eval
