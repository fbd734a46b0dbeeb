#include "eval/router_target.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/unit_draw.h"
#include "eval/in_process_learner.h"
#include "policy/choice/decide.h"

namespace pointsman::eval {
namespace {

constexpr std::int64_t kMicrosPerDecision = 1'000'000;

SubjectHash HashOf(const std::string& subject) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(subject.data()), subject.size());
  return SubjectHash{Mix(bytes, 1)};
}

class LearnerTarget final : public RouterTarget {
 public:
  LearnerTarget(LearnerKind kind, std::unique_ptr<InProcessLearner> learner)
      : kind_(kind), learner_(std::move(learner)) {}

  std::string name() const override {
    switch (kind_) {
      case LearnerKind::kStatic: return "warm start in this process, never told anything";
      case LearnerKind::kNaive: return "learner in this process, ratings at face value";
      case LearnerKind::kUncapped: return "learner in this process, no cap on subjects";
      case LearnerKind::kNaiveUncapped: return "learner in this process, ratings at face value, no cap on subjects";
      case LearnerKind::kShipped: break;
    }
    return "learner in this process";
  }

  Result<RouterChoice> Route(const RouterQuery& asked) override {
    learner_->Advance(kMicrosPerDecision);
    if (Status published = learner_->Publish(); !published.ok()) return published.error();
    policy::Query query;
    query.embedding = asked.embedding;
    query.weights = asked.weights;
    query.id = learner_->NextId();
    const auto decision = policy::Decide(*learner_->snapshot(), query);
    if (!decision.ok()) return decision.error();
    auto row = learner_->Log(policy::ToEvent(*learner_->snapshot(), query, *decision, learner_->now_us()));
    if (!row.ok()) return row.error();
    RouterChoice choice;
    choice.model = decision->ranked[decision->chosen].model.value - 1;
    choice.token.assign(reinterpret_cast<const char*>(query.id.bytes.data()), query.id.bytes.size());
    choice.gold_wanted = decision->gold_wanted;
    rows_[choice.token] = std::move(row).value();
    return choice;
  }

  Result<Receipt> Outcome(const std::string& token, const RouterOutcome& outcome) override {
    const auto row = rows_.find(token);
    if (row == rows_.end()) return Receipt::kRefused;
    if (kind_ == LearnerKind::kStatic) return Receipt::kStored;
    policy::OutcomeReport report;
    report.decision = row->second.context.decision;
    report.tokens_in = outcome.tokens_in;
    report.tokens_out = outcome.tokens_out;
    report.latency_ms = outcome.latency_ms;
    report.cost_usd = outcome.cost_usd;
    return ReceiptOf(learner_->GiveOutcome(report, row->second));
  }

  Result<Receipt> Feedback(const std::string& token, const RouterFeedback& feedback) override {
    const auto row = rows_.find(token);
    if (row == rows_.end()) return Receipt::kRefused;
    if (kind_ == LearnerKind::kStatic) return Receipt::kStored;
    policy::FeedbackReport report;
    report.decision = row->second.context.decision;
    report.channel = feedback.source == "gold" ? 0 : 1;
    report.revision = feedback.revision;
    report.value = feedback.value;
    if (!feedback.subject.empty()) report.subject = HashOf(feedback.subject);
    return ReceiptOf(learner_->Give(report, row->second));
  }

  Result<bool> PriceChanged(std::size_t model, double factor) override {
    if (Status told = learner_->ChangePrice(model, factor); !told.ok()) return told.error();
    return true;
  }

  Result<Restarted> Restart() override {
    auto equal = learner_->Restart();
    if (!equal.ok()) return equal.error();
    return Restarted{true, equal.value()};
  }

  std::optional<bool> GroupAlarm() override { return learner_->state().subjects.totals.alarms > 0; }
  std::optional<double> StateBytes() override { return static_cast<double>(learner_->StateBytes()); }

 private:
  static Result<Receipt> ReceiptOf(const Result<Code>& given) {
    if (given.ok()) return given.value() == Code::kOk ? Receipt::kStored : Receipt::kDuplicate;
    switch (given.error().code) {
      case Code::kConflict:
      case Code::kNotFound:
      case Code::kExpired:
      case Code::kOutOfRange:
      case Code::kResourceExhausted: return Receipt::kRefused;
      default: return given.error();
    }
  }

  const LearnerKind kind_;
  std::unique_ptr<InProcessLearner> learner_;
  std::map<std::string, policy::DecisionRow> rows_;
};

}  // namespace

Result<std::unique_ptr<RouterTarget>> MakeLearnerTarget(const TargetSetup& setup, LearnerKind kind) {
  InProcessSetup made;
  made.options.sources = {"thumbs"};
  made.options.gold_rate = kind == LearnerKind::kStatic ? 0 : setup.gold_rate;  // 0: and so no audits
  made.options.subject_cap = kind != LearnerKind::kUncapped && kind != LearnerKind::kNaiveUncapped;
  if (kind == LearnerKind::kNaive || kind == LearnerKind::kNaiveUncapped) {
    made.options.widths_overridden = true;
    made.options.widths = setup.bundle != nullptr ? setup.bundle->widths : policy::Widths{};
    made.options.widths.source = made.options.widths.source_model = made.options.widths.source_cell = 0;
  }
  made.weights = setup.weights;
  made.models = setup.models;
  made.prices = setup.prices;
  made.bundle = setup.bundle;
  made.seed = setup.seed;
  made.keep_log = true;
  auto learner = InProcessLearner::Create(made);
  if (!learner.ok()) return learner.error();
  return std::unique_ptr<RouterTarget>(std::make_unique<LearnerTarget>(kind, std::move(learner).value()));
}

}  // namespace pointsman::eval
