// A small log with real attribution, fold and publication, for the tests of the
// belief. Decisions are named by small numbers; model 1 is the first added.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unit_draw.h"
#include "policy/belief/posterior.h"
#include "policy/belief/state.h"
#include "policy/learning/attribution.h"
#include "policy/learning/learner.h"

namespace pointsman::policy {

inline constexpr std::int64_t kDayUs = 86'400'000'000;

class TestBundles : public BundleCatalogue {
 public:
  Result<std::shared_ptr<const Bundle>> Find(const BundleHash& hash) const override {
    const auto at = bundles.find(hash);
    if (at == bundles.end()) return MakeError(Code::kNotFound, "unknown_bundle", "no such bundle");
    return at->second;
  }
  std::map<BundleHash, std::shared_ptr<const Bundle>> bundles;
};

class TestHistory : public History {
 public:
  Status ForEach(LogSeq before, const std::function<Status(const Event&)>& visit) const override {
    for (const Event& event : events) {
      if (event.seq >= before) break;
      if (auto s = visit(event); !s.ok()) return s;
    }
    return {};
  }
  std::vector<Event> events;
};

inline BundleHash HashOf(std::uint8_t number) {
  BundleHash hash;
  hash.bytes[0] = number;
  return hash;
}

inline DecisionId IdOf(std::uint32_t number) {
  DecisionId id;
  for (std::size_t i = 0; i < 4; ++i) id.bytes[12 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  return id;
}

// A bundle without vectors: `clusters` names, models with their mean priors.
inline Bundle PlainBundle(std::size_t clusters, const std::vector<std::pair<std::string, double>>& models) {
  Bundle bundle;
  bundle.hash = HashOf(1);
  bundle.embedder = {"caller", static_cast<std::uint32_t>(clusters), {}};
  for (const auto& [name, mean] : models) {
    bundle.models.push_back(name);
    bundle.mean_prior.push_back(mean);
    bundle.tokens.emplace_back();
  }
  bundle.centroids.assign(clusters * clusters, 0);
  for (std::size_t k = 0; k < clusters; ++k) {
    bundle.centroids[k * clusters + k] = 1;
    bundle.cluster_names.push_back("k" + std::to_string(k + 1));
  }
  bundle.cluster_sizes.assign(clusters + 1, 1);
  bundle.skills.assign((clusters + 1) * models.size(), 0.5);
  return bundle;
}

class Harness {
 public:
  explicit Harness(std::vector<std::string> sources = {"thumbs"}) {
    options.sources = std::move(sources);
    options.change_detection = false;  // the values here are not drawn from the predictions
    learner = Learner::Create(bundles, history, State{}).value();
    Add(OptionsChanged{options});
  }

  void AddBundle(Bundle bundle) {
    EXPECT_TRUE(ValidateBundle(bundle).ok());
    const BundleHash hash = bundle.hash;
    bundles.bundles[hash] = std::make_shared<const Bundle>(std::move(bundle));
  }
  void Activate(std::uint32_t generation, std::uint8_t hash) {
    Add(GenerationActivated{Generation{generation}, HashOf(hash), "test"});
  }
  void AddModel(const std::string& name) {
    Add(ModelAdded{learner->state().pool.NextId(), name, {1, 2}, 0});
  }

  Status Try(Payload payload) {
    Event event;
    event.seq = LogSeq{learner->state().last_seq.value + 1};
    event.at_us = now_us;
    event.payload = std::move(payload);
    Status status = learner->Learn(event);
    if (status.ok()) history.events.push_back(event);
    return status;
  }
  void Add(Payload payload) {
    const Status status = Try(std::move(payload));
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  }

  DecisionContext& Context(std::uint32_t id) { return rows[id].context; }
  // Opens a decision under the live bundle at the present time.
  void Decide(std::uint32_t id, std::uint32_t model, std::vector<std::pair<std::uint32_t, double>> clusters,
              double prior, std::optional<std::int64_t> decided_at_us = std::nullopt) {
    DecisionRow row;
    DecisionContext& context = row.context;
    context.decision = IdOf(id);
    context.model = ModelId{model};
    context.generation = learner->state().generation;
    context.bundle = learner->state().bundle;
    context.decided_at_us = decided_at_us.value_or(now_us);
    for (const auto& [cluster, weight] : clusters) context.clusters.push_back({ClusterId{cluster}, weight});
    const std::string& name = learner->state().pool.Find(ModelId{model})->name;
    const int column = learner->bundle()->Column(name);
    context.prior = prior;
    context.prior_centred =
        column < 0 ? 0 : prior - learner->bundle()->mean_prior[static_cast<std::size_t>(column)];
    context.gold_probability = 0.02;
    row.expires_at_us = context.decided_at_us + 1000 * kDayUs;
    rows[id] = row;
  }

  Result<Attributed> Attribute(std::uint32_t id, std::uint8_t channel, std::optional<double> value,
                               std::uint32_t revision = 0, std::uint64_t subject = 0, double weight = 1) const {
    FeedbackReport report;
    report.decision = IdOf(id);
    report.channel = channel;
    report.subject = SubjectHash{subject};
    report.revision = revision;
    report.value = value;
    report.arrival_weight = weight;
    return AttributeFeedback(rows.at(id), report, LogSeq{learner->state().last_seq.value + 1}, now_us);
  }
  // Attributes and folds; the code of the answer.
  Code Report(std::uint32_t id, std::uint8_t channel, std::optional<double> value, std::uint32_t revision = 0,
              std::uint64_t subject = 0, double weight = 1) {
    auto attributed = Attribute(id, channel, value, revision, subject, weight);
    if (!attributed.ok()) return attributed.error().code;
    if (attributed->payload.has_value()) {
      Add(*attributed->payload);
      rows[id] = attributed->row;
    }
    return attributed->code;
  }

  std::shared_ptr<const Snapshot> Publish() { return publisher.Publish(learner->mutable_state(), learner->bundle()); }
  // From scratch, leaving the learner's own marks alone.
  std::shared_ptr<const Snapshot> PublishOnce() const {
    State copy = learner->state();
    copy.republish_all = true;
    Publisher fresh;
    return fresh.Publish(copy, learner->bundle());
  }

  std::map<std::string, std::string> Rows() const { return RowsOf(learner->state()); }
  static std::map<std::string, std::string> RowsOf(const State& state) {
    std::map<std::string, std::string> rows;
    std::string last;
    ForEachStateRow(state, [&](std::string_view key, std::string_view value) {
      EXPECT_LT(last, key) << "rows must ascend";
      last = key;
      rows.emplace(key, value);
    });
    return rows;
  }

  TestBundles bundles;
  TestHistory history;
  Options options;
  std::unique_ptr<Learner> learner;
  Publisher publisher;
  std::map<std::uint32_t, DecisionRow> rows;
  std::int64_t now_us = 0;
};

inline Estimate Read(const Snapshot& snapshot, const std::string& model,
                     const std::vector<std::pair<std::uint32_t, double>>& clusters, double prior) {
  const ModelView* view = snapshot.FindLive(model);
  ClusterWeights weights;
  for (const auto& [cluster, weight] : clusters) weights.push_back({ClusterId{cluster}, weight});
  return ReadPosterior(snapshot, *view, weights, prior, prior - view->mean_prior);
}

// The overlap term is a function of O/W; with O = W it is off, as in the vectors.
inline void SwitchOverlapOff(State& state) {
  for (auto& [key, cell] : state.cells) {
    for (auto& [mask, moments] : cell.patterns) moments.overlap = moments.weight;
  }
  state.republish_all = true;
}

}  // namespace pointsman::policy
