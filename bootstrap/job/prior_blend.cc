#include "bootstrap/job/prior_blend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/ridge.h"
#include "policy/belief/membership.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kFolds = 5;
constexpr std::size_t kTestRowsMax = 10'000;  // over all folds
constexpr std::size_t kRowsMin = 20;          // fewer say nothing about the parts
constexpr std::size_t kHeadDimensionMax = 2048;
constexpr std::array<double, 5> kRidges = {3, 10, 30, 100, 300};
constexpr int kShareSteps = 20;

enum Part : std::size_t { kCluster, kTask, kHead, kParts };
using Shares = std::array<double, kParts>;

// Second moments of the parts' predictions and the scores, row means taken out: the
// squared error of any blend without another pass.
class BlendMoments {
 public:
  // One row: predictions of each part and scores of the models that answered.
  void Add(std::array<std::vector<double>, kParts>& parts, std::vector<double>& score, double weight) {
    const auto count = static_cast<double>(score.size());
    if (score.size() >= 2) {
      const auto centre = [count](std::vector<double>& values) {
        const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
        for (double& value : values) value -= mean;
      };
      for (auto& part : parts) centre(part);
      centre(score);
    }
    for (std::size_t i = 0; i < score.size(); ++i) {
      for (std::size_t a = 0; a < kParts; ++a) {
        cross_[a] += weight * parts[a][i] * score[i];
        for (std::size_t b = 0; b < kParts; ++b) square_[a][b] += weight * parts[a][i] * parts[b][i];
      }
      cells_ += weight;
    }
  }
  // Up to a constant.
  double Error(const Shares& share) const {
    double error = 0;
    for (std::size_t a = 0; a < kParts; ++a) {
      error -= 2 * share[a] * cross_[a];
      for (std::size_t b = 0; b < kParts; ++b) error += share[a] * share[b] * square_[a][b];
    }
    return cells_ > 0 ? error / cells_ : 0;
  }

 private:
  Shares cross_{};
  std::array<Shares, kParts> square_{};
  double cells_ = 0;
};

struct Choice {
  Shares share{1, 0, 0};
  double ridge = kRidges[2];
  double error = std::numeric_limits<double>::infinity();
};

class Blend {
 public:
  Blend(const BlendInputs& inputs, policy::Bundle& bundle) : in_(inputs), scores_(*inputs.scores), bundle_(bundle) {
    if (!in_.tasks.empty()) types_ = FindTaskTypes(in_.tasks);
    if (in_.latent_types) types_ = FindLatentTypes(in_.embeddings, in_.seed);
    has_tasks_ = types_.names.size() >= 2;
    has_head_ = in_.embeddings.dimension <= kHeadDimensionMax && in_.embeddings.count() >= kRowsMin;
  }

  void Fill() {
    AssignFolds();
    if (has_head_) moments_ = std::make_unique<RidgeMoments>(in_.embeddings, scores_, fold_, kFolds, scores_.weight);
    const Choice choice = in_.embeddings.count() >= kRowsMin ? CrossValidate() : Choice{};
    if (has_tasks_) {
      FillTaskTables(in_.embeddings, types_, scores_, in_.cells, in_.recogniser, in_.seed, bundle_);
    }
    bundle_.task_share = choice.share[kTask];
    bundle_.head_share = choice.share[kHead];
    if (bundle_.head_share > 0) FillHead(choice.ridge);
  }

 private:
  void AssignFolds() {
    const std::size_t n = in_.embeddings.count();
    order_.resize(n);
    std::iota(order_.begin(), order_.end(), 0);
    SplitMix64 random(in_.seed);
    Shuffle(order_, random);
    fold_.resize(n);
    for (std::size_t rank = 0; rank < n; ++rank) fold_[order_[rank]] = static_cast<std::uint32_t>(rank % kFolds);
  }

  Choice CrossValidate() {
    std::array<BlendMoments, kRidges.size()> blends;
    for (std::size_t f = 0; f < kFolds; ++f) TestFold(f, blends);
    Choice best;
    for (std::size_t l = 0; l < kRidges.size(); ++l) {
      for (int h = 0; h <= (has_head_ ? kShareSteps : 0); ++h) {
        for (int t = 0; t <= (has_tasks_ ? kShareSteps - h : 0); ++t) {
          Shares share{};
          share[kHead] = static_cast<double>(h) / kShareSteps;
          share[kTask] = static_cast<double>(t) / kShareSteps;
          share[kCluster] = static_cast<double>(kShareSteps - h - t) / kShareSteps;
          const double error = blends[l].Error(share);
          if (error < best.error - 1e-12) best = {share, kRidges[l], error};
        }
      }
    }
    return best;
  }

  void TestFold(std::size_t fold, std::array<BlendMoments, kRidges.size()>& blends) {
    std::vector<std::size_t> train;
    std::vector<std::size_t> test;
    for (const std::size_t i : order_) (fold_[i] == fold ? test : train).push_back(i);
    test.resize(std::min(test.size(), kTestRowsMax / kFolds));
    std::vector<RidgeHead> heads;
    for (const double ridge : kRidges) {
      if (has_head_) heads.push_back(FitHead(ridge, fold));
    }
    const CellTable by_cluster = ShrunkenCells(scores_, in_.cluster, bundle_.cluster_count(), train, in_.cells);
    std::optional<TaskModel> tasks;
    if (has_tasks_) {
      tasks = FitTaskModel(in_.embeddings, types_, scores_, in_.cells, train, in_.recogniser, in_.seed);
    }
    std::array<std::vector<double>, kParts> parts;
    std::vector<double> score;
    for (const std::size_t i : test) {
      const auto row = in_.embeddings.row(i);
      const std::vector<double> cluster = ByCluster(by_cluster, row);
      const std::vector<double> task = tasks ? ByTask(*tasks, row) : cluster;
      for (std::size_t l = 0; l < kRidges.size(); ++l) {
        for (auto& part : parts) part.clear();
        score.clear();
        for (std::size_t m = 0; m < scores_.models; ++m) {
          if (std::isnan(scores_.at(i, m))) continue;
          parts[kCluster].push_back(cluster[m]);
          parts[kTask].push_back(task[m]);
          parts[kHead].push_back(has_head_ ? heads[l].At(row, m) : by_cluster.overall[m]);
          score.push_back(scores_.at(i, m));
        }
        if (!score.empty()) blends[l].Add(parts, score, scores_.weight_of(i));
      }
    }
  }

  // With the models' levels over all items alike, as the cells have them.
  RidgeHead FitHead(double ridge, std::size_t left_out) const {
    RidgeHead head = moments_->Fit(ridge, left_out);
    if (scores_.weight.empty()) return head;
    for (std::size_t m = 0; m < scores_.models; ++m) {
      double all = 0;
      double weighted = 0;
      double count = 0;
      double weight = 0;
      for (std::size_t i = 0; i < scores_.items; ++i) {
        if (std::isnan(scores_.at(i, m))) continue;
        all += scores_.at(i, m);
        weighted += scores_.weight_of(i) * scores_.at(i, m);
        count += 1;
        weight += scores_.weight_of(i);
      }
      if (weight > 0) head.bias[m] += all / count - weighted / weight;
    }
    return head;
  }

  std::vector<double> ByCluster(const CellTable& cells, std::span<const float> row) const {
    std::vector<double> prior(scores_.models, 0);
    for (const auto& entry : policy::FindMembership(bundle_, row).clusters) {
      const bool background = entry.cluster == kBackground;
      const std::size_t begin = background ? 0 : (entry.cluster.value - 1) * scores_.models;
      const std::vector<double>& from = background ? cells.overall : cells.quality;
      for (std::size_t m = 0; m < scores_.models; ++m) prior[m] += entry.weight * from[begin + m];
    }
    return prior;
  }

  std::vector<double> ByTask(const TaskModel& tasks, std::span<const float> row) const {
    const std::vector<double> p = tasks.recogniser.Probabilities(row);
    std::vector<double> prior(scores_.models, 0);
    for (std::size_t t = 0; t < p.size(); ++t) {
      for (std::size_t m = 0; m < scores_.models; ++m) prior[m] += p[t] * tasks.quality[t * scores_.models + m];
    }
    return prior;
  }

  void FillHead(double ridge) {
    const RidgeHead head = FitHead(ridge, kFolds);
    FactorisedHead factorised = Factorise(head, policy::kHeadRankMax);
    bundle_.head_basis = std::move(factorised.basis);
    bundle_.head_loadings = std::move(factorised.loadings);
    bundle_.head_bias = std::move(factorised.bias);
  }

  const BlendInputs& in_;
  const Scores& scores_;
  policy::Bundle& bundle_;
  TaskTypes types_;
  bool has_tasks_ = false;
  bool has_head_ = false;
  std::vector<std::size_t> order_;
  std::vector<std::uint32_t> fold_;
  std::unique_ptr<RidgeMoments> moments_;
};

}  // namespace

void FillPriorBlend(const BlendInputs& inputs, policy::Bundle& bundle) {
  REQUIRE(inputs.scores != nullptr && inputs.scores->items == inputs.embeddings.count() &&
              inputs.cluster.size() == inputs.scores->items,
          "one score row and cluster per row");
  REQUIRE(bundle.skills.size() == (bundle.cluster_count() + 1) * inputs.scores->models, "skills are there");
  Blend(inputs, bundle).Fill();
}

}  // namespace pointsman::bootstrap
