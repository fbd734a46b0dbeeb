#include "daemon/job_diff.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::daemon {
namespace {

constexpr double kSame = 0.95;
constexpr double kMoved = 0.7;

using policy::Bundle;

std::span<const float> Centroid(const Bundle& bundle, std::size_t cluster) {
  return std::span(bundle.centroids).subspan(cluster * bundle.dimension(), bundle.dimension());
}

// The nearest cluster of `others`, and its cosine.
std::pair<std::size_t, double> Nearest(const Bundle& bundle, std::size_t cluster, const Bundle& others) {
  const auto own = Centroid(bundle, cluster);
  std::pair<std::size_t, double> best{0, -2};
  for (std::size_t k = 0; k < others.cluster_count(); ++k) {
    const auto other = Centroid(others, k);
    double cosine = 0;
    for (std::size_t j = 0; j < own.size(); ++j) cosine += static_cast<double>(own[j]) * static_cast<double>(other[j]);
    if (cosine > best.second) best = {k, cosine};
  }
  return best;
}

void CompareClusters(const Bundle& from, const Bundle& to, admin::GenerationDiff* diff) {
  diff->comparable = from.embedder == to.embedder && from.dimension() > 0;
  if (!diff->comparable || from.cluster_count() == 0 || to.cluster_count() == 0) return;
  std::vector<std::vector<std::size_t>> sources(to.cluster_count());
  for (std::size_t k = 0; k < from.cluster_count(); ++k) {
    const auto [nearest, cosine] = Nearest(from, k, to);
    if (cosine >= kMoved) {
      sources[nearest].push_back(k);
    } else {
      diff->clusters.push_back({"gone", 0, from.cluster_names[k], from.cluster_sizes[k + 1], {}, cosine});
    }
  }
  for (std::size_t k = 0; k < to.cluster_count(); ++k) {
    const auto [nearest, cosine] = Nearest(to, k, from);
    admin::GenerationDiff::Cluster cluster{
        "born", static_cast<std::uint32_t>(k + 1), to.cluster_names[k], to.cluster_sizes[k + 1], {}, cosine};
    if (sources[k].size() > 1) {
      cluster.kind = "merged";
      for (const std::size_t source : sources[k]) cluster.from.push_back(from.cluster_names[source]);
    } else if (cosine >= kMoved) {
      cluster.kind = cosine >= kSame ? "same" : "moved";
      cluster.from.push_back(from.cluster_names[nearest]);
    }
    diff->clusters.push_back(std::move(cluster));
  }
}

// Priors of one bundle for decisions that were made under any: by anchors.
class PriorView {
 public:
  PriorView(const store::Store& store, const policy::Pool& pool, std::shared_ptr<const Bundle> bundle)
      : store_(store), pool_(pool), bundle_(std::move(bundle)) {}

  // Nothing where the decision's anchors have no place in this bundle's space.
  Result<std::optional<double>> Prior(const policy::DecisionContext& context, ModelId model) {
    const policy::Model* known = pool_.Find(model);
    const int column = known == nullptr ? -1 : bundle_->Column(known->name);
    auto origin = Origin(context.bundle);
    if (!origin.ok()) return origin.error();
    const Bundle* made = origin.value();
    if (made->embedder != bundle_->embedder || context.anchors.empty()) return std::optional<double>{};
    double prior = 0;
    double total = 0;
    for (const policy::AnchorWeight& anchor : context.anchors) {
      if (anchor.anchor >= made->anchor_count()) return std::optional<double>{};
      const Image& image = ImageOf(*made, context.bundle, anchor.anchor);
      prior +=
          anchor.weight * policy::PriorQuality(*bundle_, column, image.membership.clusters, image.tasks, image.head);
      total += anchor.weight;
    }
    if (!(total > 0)) return std::optional<double>{};
    return std::optional<double>{prior / total};
  }

 private:
  struct Image {
    policy::Membership membership;
    policy::TaskProbabilities tasks;
    policy::HeadFeatures head;
  };
  Result<const Bundle*> Origin(const BundleHash& hash) {
    if (const auto at = origins_.find(hash); at != origins_.end()) return at->second.get();
    std::shared_ptr<const Bundle> made = policy::ColdBundle();
    if (!hash.IsZero()) {
      auto found = store_.Find(hash);
      if (!found.ok()) return found.error();
      made = found.value();
    }
    return origins_.emplace(hash, std::move(made)).first->second.get();
  }
  const Image& ImageOf(const Bundle& made, const BundleHash& hash, std::uint32_t anchor) {
    const auto [at, fresh] = images_.try_emplace({hash, anchor});
    if (fresh) {
      const auto vector = std::span(made.anchors).subspan(anchor * made.dimension(), made.dimension());
      at->second = {policy::FindMembershipExact(*bundle_, vector), policy::RecogniseTasksExact(*bundle_, vector),
                    policy::ProjectHead(*bundle_, vector)};
    }
    return at->second;
  }

  const store::Store& store_;
  const policy::Pool& pool_;
  const std::shared_ptr<const Bundle> bundle_;
  std::map<BundleHash, std::shared_ptr<const Bundle>> origins_;
  std::map<std::pair<BundleHash, std::uint32_t>, Image> images_;
};

// What one bundle's priors would have chosen, and what that was worth.
struct Choices {
  std::map<ModelId, std::uint64_t> count;
  std::uint64_t decisions = 0;
  double weight = 0;
  double weighted_gold = 0;
  std::vector<std::pair<double, double>> rows;  // weight, gold

  void Value(double* value, double* error) const {
    if (!(weight > 0)) return;
    *value = weighted_gold / weight;
    double squares = 0;
    for (const auto& [w, gold] : rows) squares += w * w * (gold - *value) * (gold - *value);
    *error = std::sqrt(squares) / weight;
  }
};

Status Choose(PriorView& view, const policy::DecisionMade& made, std::optional<double> gold, Choices* choices) {
  std::optional<ModelId> best;
  double best_utility = 0;
  for (const policy::LoggedCandidate& candidate : made.candidates) {
    const auto prior = view.Prior(made.context, candidate.model);
    if (!prior.ok()) return prior.error();
    if (!prior.value()) return {};
    const double utility = static_cast<double>(candidate.utility) +
                           made.weights.quality * (*prior.value() - static_cast<double>(candidate.quality));
    if (!best || utility > best_utility) {
      best = candidate.model;
      best_utility = utility;
    }
  }
  if (!best) return {};
  ++choices->decisions;
  ++choices->count[*best];
  const double chance = made.context.propensity * made.context.gold_probability;
  if (!gold || *best != made.context.model || !(chance > 0)) return {};
  choices->weight += 1 / chance;
  choices->weighted_gold += *gold / chance;
  choices->rows.emplace_back(1 / chance, *gold);
  return {};
}

}  // namespace

Result<admin::GenerationDiff> DiffBundles(const store::Store& store, const policy::Pool& pool, const BundleHash& from,
                                          const BundleHash& to) {
  const auto first = store.Find(from);
  if (!first.ok()) return first.error();
  const auto second = store.Find(to);
  if (!second.ok()) return second.error();
  admin::GenerationDiff diff;
  CompareClusters(**first, **second, &diff);

  std::deque<policy::DecisionMade> latest;
  std::map<DecisionId, double> golds;
  const Status read = store.ReadLog(LogSeq{store.Statistics().base_seq.value + 1}, 0, [&](const policy::Event& event) {
    if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) {
      latest.push_back(*made);
      if (latest.size() > kDiffDecisions) latest.pop_front();
    } else if (const auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) {
      for (const policy::ChannelValue& value : gold->after) {
        if (value.channel == 0) golds[gold->context.decision] = value.value;
      }
    }
    return Status();
  });
  if (!read.ok()) return read.error();
  PriorView views[] = {{store, pool, first.value()}, {store, pool, second.value()}};
  Choices choices[2];
  for (const policy::DecisionMade& made : latest) {
    const auto gold = golds.find(made.context.decision);
    const std::optional<double> value = gold == golds.end() ? std::nullopt : std::optional(gold->second);
    for (int side = 0; side < 2; ++side) {
      const Status chosen = Choose(views[side], made, value, &choices[side]);
      if (!chosen.ok()) return chosen.error();
    }
  }
  diff.decisions = std::min(choices[0].decisions, choices[1].decisions);
  choices[0].Value(&diff.value_from, &diff.value_from_error);
  choices[1].Value(&diff.value_to, &diff.value_to_error);
  std::set<std::string> names((*first)->models.begin(), (*first)->models.end());
  names.insert((*second)->models.begin(), (*second)->models.end());
  for (const std::string& name : names) {
    admin::GenerationDiff::Model model{name, -1, -1, 0, 0};
    const policy::Model* live = pool.FindLive(name);
    int side = 0;
    for (const auto& [bundle, prior, share] : {std::tuple{first->get(), &model.prior_from, &model.share_from},
                                               std::tuple{second->get(), &model.prior_to, &model.share_to}}) {
      const int column = bundle->Column(name);
      if (column >= 0) *prior = bundle->mean_prior[static_cast<std::size_t>(column)];
      const Choices& chosen = choices[side++];
      const auto count = live == nullptr ? chosen.count.end() : chosen.count.find(live->id);
      if (count != chosen.count.end()) {
        *share = static_cast<double>(count->second) / static_cast<double>(chosen.decisions);
      }
    }
    diff.models.push_back(std::move(model));
  }
  return diff;
}

}  // namespace pointsman::daemon
