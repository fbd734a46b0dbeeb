// The fold in process: Learner::Learn over a log of decisions, outcomes, ratings (half of
// the decisions, 200 subjects) and gold (2 %), an event at a time, without the store.
//
// Shapes: clusters x models. "fold/64/8" touches every cell; "fold/10000/512" is sparse.
// A decision lies in three clusters and the background and its model is drawn uniformly.
// The log is folded twice into one learner, one half after the other, and the second half
// is timed by the processor's clock: what a daemon that has been up for a while does.
//
// Prints one line of JSON a shape. Exit: 0; 1 when an event was refused.
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "base/unit_draw.h"
#include "policy/learning/attribution.h"
#include "policy/learning/learner.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

constexpr std::size_t kDecisions = 100'000;
constexpr std::uint64_t kSubjects = 200;

class OneBundle final : public BundleCatalogue {
 public:
  explicit OneBundle(std::shared_ptr<const Bundle> bundle) : bundle_(std::move(bundle)) {}
  Result<std::shared_ptr<const Bundle>> Find(const BundleHash&) const override { return bundle_; }

 private:
  std::shared_ptr<const Bundle> bundle_;
};

class NoHistory final : public History {
 public:
  Status ForEach(LogSeq, const std::function<Status(const Event&)>&) const override { return {}; }
};

class Log {
 public:
  void Add(Payload payload) {
    Event event;
    event.seq = Next();
    event.at_us = now_us_;
    event.payload = std::move(payload);
    events_.push_back(std::move(event));
  }
  LogSeq Next() const { return LogSeq{events_.size() + 1}; }
  std::int64_t Tick() { return now_us_ += 1'000; }
  std::int64_t now_us() const { return now_us_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  std::vector<Event> events_;
  std::int64_t now_us_ = 1;
};

DecisionMade RandomDecision(const Bundle& bundle, std::uint64_t number, std::int64_t now_us, SplitMix64& random) {
  DecisionMade made;
  DecisionContext& context = made.context;
  context.decision = testing::IdOf(number);
  context.model = ModelId{static_cast<std::uint32_t>(1 + random.Below(bundle.models.size()))};
  context.generation = Generation{1};
  context.bundle = bundle.hash;
  context.decided_at_us = now_us;
  const auto clusters = static_cast<std::uint32_t>(bundle.cluster_count());
  const auto first = static_cast<std::uint32_t>(1 + random.Below(clusters - 3));
  context.clusters.push_back({kBackground, .05});
  context.clusters.push_back({ClusterId{first}, .8});
  context.clusters.push_back({ClusterId{first + 1}, .1});
  context.clusters.push_back({ClusterId{first + 2}, .05});
  context.prior = .3 + .4 * random.Unit();
  context.prior_centred = context.prior - .5;
  context.predicted_quality = context.prior;
  context.predicted_variance = .01;
  context.gold_probability = .02;
  made.weights = {1, 0};
  made.expires_at_us = now_us + 86'400'000'000;
  return made;
}

// False when the report was refused.
bool Report(DecisionRow& row, std::uint8_t channel, double value, std::uint64_t subject, Log& log) {
  FeedbackReport report;
  report.decision = row.context.decision;
  report.channel = channel;
  report.subject = SubjectHash{subject};
  report.value = value;
  auto attributed = AttributeFeedback(row, report, log.Next(), log.now_us());
  if (!attributed.ok() || !attributed->payload.has_value()) return false;
  log.Add(std::move(*attributed->payload));
  row = attributed->row;
  return true;
}

bool FillLog(const Bundle& bundle, Log& log) {
  SplitMix64 random(1);
  Options options;
  options.sources = {"thumbs"};
  log.Add(OptionsChanged{options});
  for (std::uint32_t m = 1; m <= bundle.models.size(); ++m)
    log.Add(ModelAdded{ModelId{m}, bundle.models[m - 1], {1, 2}, 0});
  log.Add(GenerationActivated{Generation{1}, bundle.hash, "bench"});
  for (std::size_t d = 0; d < kDecisions; ++d) {
    const std::int64_t now_us = log.Tick();
    DecisionMade made = RandomDecision(bundle, d + 1, now_us, random);
    DecisionRow row;
    row.context = made.context;
    row.decided_seq = log.Next();
    row.expires_at_us = made.expires_at_us;
    log.Add(std::move(made));
    OutcomeReported outcome;
    outcome.decision = row.context.decision;
    outcome.model = row.context.model;
    outcome.decided_at_us = now_us;
    outcome.tokens_in = 100;
    outcome.tokens_out = 200;
    outcome.latency_ms = 500;
    log.Add(outcome);
    const double quality = random.Unit() < row.context.prior ? 1 : 0;
    if (random.Unit() < .5 && !Report(row, 1, quality, 1 + random.Below(kSubjects), log)) return false;
    if (random.Unit() < .02 && !Report(row, 0, quality, 0, log)) return false;
  }
  return true;
}

double Now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

bool Measure(std::size_t clusters, std::size_t models) {
  const auto bundle =
      testing::RandomBundle({.dimension = 8, .clusters = clusters, .models = models, .anchors = 4, .tasks = 4}, 1);
  Log log;
  if (!FillLog(*bundle, log)) return false;
  const OneBundle bundles(bundle);
  const NoHistory history;
  auto learner = Learner::Create(bundles, history, State{});
  if (!learner.ok()) return false;
  const std::vector<Event>& events = log.events();
  double start = Now();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i == events.size() / 2) start = Now();
    const Status learnt = (*learner)->Learn(events[i]);
    if (learnt.ok()) continue;
    std::fprintf(stderr, "fold_bench: event %zu: %s\n", i, learnt.error().message.c_str());
    return false;
  }
  const double each = (Now() - start) / (static_cast<double>(events.size()) / 2);
  std::printf("{\"key\":\"fold/%zu/%zu\",\"value\":%.4f,\"cells\":%zu,\"events\":%zu}\n", clusters, models, each * 1e6,
              (*learner)->state().cells.size(), events.size());
  return true;
}

}  // namespace
}  // namespace pointsman::policy

int main() {
  const bool right = pointsman::policy::Measure(64, 8) && pointsman::policy::Measure(10'000, 512);
  return right ? 0 : 1;
}
