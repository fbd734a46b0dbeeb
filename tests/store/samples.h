// Domain values for the tests of the store.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/world/bundle.h"
#include "store/store.h"

namespace pointsman::store {

inline constexpr std::int64_t kNoonUs = 1'800'000'000'000'000;
inline constexpr std::int64_t kHourUs = 3'600'000'000;

// A short directory of its own, removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "pmsXXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline DecisionId IdOf(std::uint64_t number) {
  DecisionId id;
  id.bytes[0] = 1;
  for (std::size_t i = 0; i < 6; ++i) id.bytes[4 + i] = static_cast<std::uint8_t>(number >> (8 * i));
  return id;
}

inline policy::DecisionContext ContextOf(std::uint64_t number) {
  policy::DecisionContext context;
  context.decision = IdOf(number);
  context.model = ModelId{1 + static_cast<std::uint32_t>(number % 2)};
  context.decided_at_us = kNoonUs;
  context.clusters = {{kBackground, 1.0}};
  context.prior = 0.5;
  context.predicted_quality = 0.5;
  context.predicted_variance = 0.01;
  return context;
}

inline policy::DecisionMade DecisionOf(std::uint64_t number, std::int64_t expires_at_us = kNoonUs + kHourUs) {
  policy::DecisionMade made;
  made.context = ContextOf(number);
  made.tenant = "team-a";
  made.owner_uid = 1000;
  made.tokens_in = 120;
  made.expires_at_us = expires_at_us;
  made.eligible = 2;
  return made;
}

inline policy::FeedbackReport RatingOf(std::uint64_t number, double value, std::uint64_t subject = 0,
                                       std::uint32_t revision = 0) {
  policy::FeedbackReport report;
  report.decision = IdOf(number);
  report.channel = 1;
  report.subject = SubjectHash{subject};
  report.revision = revision;
  report.value = value;
  return report;
}

inline policy::FeedbackReport GoldOf(std::uint64_t number, double value) {
  policy::FeedbackReport report = RatingOf(number, value);
  report.channel = 0;
  return report;
}

inline policy::OutcomeReport OutcomeOf(std::uint64_t number, std::uint32_t tokens_out) {
  policy::OutcomeReport report;
  report.decision = IdOf(number);
  report.tokens_out = tokens_out;
  report.latency_ms = 12.5;
  return report;
}

inline Request Ask(Submission what) { return Request{std::move(what), policy::Origin::kClient, 1000}; }
inline Request AskTick() { return Request{policy::Payload{policy::Tick{}}, policy::Origin::kStore, 0}; }

// Models 1 and 2 and the source "thumbs": what feedback needs to be folded.
inline std::vector<Request> WorldRequests() {
  policy::OptionsChanged options;
  options.options.sources = {"thumbs"};
  return {Ask(policy::Payload{options}),
          Ask(policy::Payload{policy::ModelAdded{ModelId{1}, "small", {0.1, 0.2}, 8000}}),
          Ask(policy::Payload{policy::ModelAdded{ModelId{2}, "large", {1, 2}, 32000}})};
}

// Two dimensions, one cluster, one model column, two anchors, one task.
inline policy::Bundle SmallBundle() {
  policy::Bundle bundle;
  bundle.embedder.kind = "caller";
  bundle.embedder.dimension = 2;
  bundle.models = {"small"};
  bundle.centroids = {1, 0};
  bundle.cluster_names = {"arithmetic"};
  bundle.cluster_sizes = {10, 10};
  bundle.skills = {0.6, 0.75};
  bundle.anchors = {1, 0, 0, 1};
  bundle.task_names = {"sums"};
  bundle.task_weights = {0.5F, -0.25F};
  bundle.task_bias = {0};
  bundle.task_quality = {0.7};
  bundle.mean_prior = {0.65};
  bundle.tokens = {{5.0, 0.5, 10}};
  bundle.made_from = "test";
  bundle.made_at_us = kNoonUs;
  bundle.rows = 10;
  bundle.labels = "scores";
  return bundle;
}

// A decision with every field set.
inline policy::DecisionMade FullDecision() {
  using namespace policy;  // NOLINT(google-build-using-namespace): test data of one domain
  DecisionContext context = ContextOf(0x0102030405);
  context.generation = Generation{7};
  context.bundle.bytes.fill(0xAB);
  context.clusters = {{ClusterId{0}, 0.1}, {ClusterId{3}, 0.2}, {ClusterId{17}, 0.3}, {ClusterId{42}, 0.4}};
  context.anchors = {{5, 0.5}, {300, 0.3}, {1999, 0.2}};
  context.prior = 0.61;
  context.prior_centred = -0.02;
  context.predicted_quality = 0.63;
  context.predicted_variance = 0.004;
  context.propensity = 0.995;
  context.audit = true;
  context.gold_probability = 0.02;
  DecisionMade made = DecisionOf(1);
  made.context = context;
  made.weights = {0.8, 0.2};
  made.lambda = 0.25;
  made.gold_wanted = true;
  made.no_explore = true;
  made.eligible = 12;
  for (std::uint32_t i = 1; i <= kLoggedCandidatesMax; ++i) {
    const auto x = static_cast<float>(i);
    made.candidates.push_back({ModelId{i}, 0.1F * x, 0.9F - 0.05F * x, 0.001F * x, 0.7F - 0.04F * x});
  }
  made.tasks = {{4, 0.5}, {90, 0.3}, {164, 0.2}};
  return made;
}

inline policy::BiasSurfaceInstalled FullSurface(const BundleHash& bundle) {
  policy::BiasSurfaceInstalled surface;
  surface.channel = 2;
  surface.version = 3;
  surface.bundle = bundle;
  surface.fitted_from = LogSeq{7};
  surface.fitted_to = LogSeq{900};
  surface.ratings = 410;
  surface.gold = 33;
  surface.noise = 0.4;
  surface.error = 0.02;
  surface.learner = "r ridge";
  surface.clusters = {-0.1, 0.05, 0.25};
  surface.models = {{ModelId{2}, -0.03}, {ModelId{3}, 0.01}};
  return surface;
}

// One event of each kind with every field set; `number` is what is stored.
inline std::vector<policy::Event> EventOfEachKind() {
  using namespace policy;  // NOLINT(google-build-using-namespace): test data of one domain
  const DecisionMade made = FullDecision();
  const DecisionContext& context = made.context;
  OutcomeReported outcome{context.decision,  context.model, kNoonUs, 120, 456, 789.5, true,
                          Verdict::kTooWeak, 0.0125,        2,       400, true};
  RowChanged row;
  row.context = context;
  row.before = {{1, 0.25, 0.05}};
  row.after = {{0, 1.0, 0}, {1, 0.5, 0.05}};
  row.weight_before = 0.5;
  row.weight_after = 0.75;
  row.last_folded = LogSeq{99};
  row.channel = 1;
  row.subject = SubjectHash{0xfeedface};
  row.revision = 3;
  row.value = 0.5;
  row.arrival_weight = 0.9;
  PreferenceGiven preference;
  preference.winner = context;
  preference.loser = ContextOf(6);
  preference.outcome = 0.5;
  preference.channel = 2;
  preference.subject = SubjectHash{5};
  preference.revision = 1;
  preference.replaced_outcome = 1;
  OptionsChanged options;
  options.options.sources = {"thumbs", "judge"};
  options.options.exploration = Exploration::kThompson;
  options.options.audit_rate = .002;  // the bytes are kept, whatever is shipped
  options.options.widths_overridden = true;
  options.options.fallback_model = "small";
  RatingGiven rating;
  static_cast<RowChanged&>(rating) = row;
  GoldGiven gold;
  static_cast<RowChanged&>(gold) = row;
  Retracted retracted;
  static_cast<RowChanged&>(retracted) = row;
  std::vector<Payload> payloads = {made,
                                   outcome,
                                   rating,
                                   preference,
                                   gold,
                                   retracted,
                                   DecisionExpired{12, LogSeq{77}},
                                   Tick{},
                                   ModelAdded{ModelId{3}, "large", {1.5, 6}, 128'000},
                                   ModelStateChanged{ModelId{3}, ModelState::kDraining},
                                   PriceChanged{ModelId{3}, {2, 8}},
                                   EpochDeclared{ModelId{3}},
                                   options,
                                   GenerationActivated{Generation{8}, context.bundle, "bootstrap"},
                                   SubjectExcluded{SubjectHash{5}},
                                   LearningSwitched{true},
                                   CellReset{ClusterId{17}, ModelId{3}},
                                   AdminNote{"a note"},
                                   Refitted{.noise = {0.2, 0.01, 0.01, 0.1}, .response = {0.9}, .model_width = 0.04},
                                   RolloutChanged{{RolloutMode::kApprentice, 0.1, "large"}, "asked for"},
                                   FullSurface(context.bundle),
                                   ModelProbed{ModelId{3}, {{context, 0.75}, {context, 0.25}}},
                                   SubjectIncluded{SubjectHash{5}}};
  std::vector<Event> events;
  for (auto& payload : payloads) {
    events.push_back({LogSeq{1000 + events.size()}, kNoonUs + 5, Origin::kOperator, 1000, std::move(payload)});
  }
  return events;
}

}  // namespace pointsman::store
