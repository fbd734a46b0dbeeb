#include "eval/baselines.h"

#include <algorithm>
#include <vector>

#include "base/unit_draw.h"

namespace pointsman::eval {

namespace {

constexpr double kPseudoCount = 10;
constexpr double kExploration = 0.05;
constexpr std::size_t kNeighbours = 64;
constexpr std::size_t kCandidates = 512;  // most similar rows kept for each query, seen yet or not

ArmChoice Chosen(std::size_t model, const StreamItem& item) {
  ArmChoice choice;
  choice.model = model;
  choice.number = item.number;
  return choice;
}

class FixedArm final : public Arm {
 public:
  explicit FixedArm(std::size_t model) : model_(model) {}
  Result<ArmChoice> Route(const StreamItem& item) override { return Chosen(model_, item); }
  Status Report(const ArmChoice&, const ArmFeedback&) override { return {}; }

 private:
  std::size_t model_;
};

class RandomArm final : public Arm {
 public:
  RandomArm(std::size_t models, std::uint64_t seed) : models_(models), random_(seed) {}
  Result<ArmChoice> Route(const StreamItem& item) override {
    return Chosen(static_cast<std::size_t>(random_.Below(models_)), item);
  }
  Status Report(const ArmChoice&, const ArmFeedback&) override { return {}; }

 private:
  std::size_t models_;
  SplitMix64 random_;
};

class OracleArm final : public Arm {
 public:
  explicit OracleArm(const Outcomes& outcomes) : outcomes_(outcomes) {}
  Result<ArmChoice> Route(const StreamItem& item) override {
    std::size_t best = 0;
    for (std::size_t m = 1; m < outcomes_.world().models().size(); ++m) {
      if (outcomes_.Score(item.number, item.row, m) > outcomes_.Score(item.number, item.row, best)) best = m;
    }
    return Chosen(best, item);
  }
  Status Report(const ArmChoice&, const ArmFeedback&) override { return {}; }

 private:
  const Outcomes& outcomes_;
};

class ClusterMeansArm final : public Arm {
 public:
  ClusterMeansArm(Features& features, std::size_t models, std::uint64_t seed)
      : features_(features), models_(models), random_(seed), overall_(models), cells_(features.clusters() * models) {}

  Result<ArmChoice> Route(const StreamItem& item) override {
    cluster_ = features_.Cluster(item.row);
    if (random_.Unit() < kExploration) return Chosen(static_cast<std::size_t>(random_.Below(models_)), item);
    std::size_t best = 0;
    double best_mean = -1;
    for (std::size_t m = 0; m < models_; ++m) {
      // A model not tried yet stands at one half, between the good and the bad.
      const double overall = (overall_[m].sum + 0.5) / (overall_[m].count + 1);
      const Mean& cell = cells_[cluster_ * models_ + m];
      const double mean = (cell.sum + kPseudoCount * overall) / (cell.count + kPseudoCount);
      if (mean > best_mean) {
        best_mean = mean;
        best = m;
      }
    }
    return Chosen(best, item);
  }

  Status Report(const ArmChoice& choice, const ArmFeedback& feedback) override {
    const auto reward = RewardOf(feedback);
    if (!reward.has_value()) return {};
    for (Mean* mean : {&overall_[choice.model], &cells_[cluster_ * models_ + choice.model]}) {
      mean->count += 1;
      mean->sum += *reward;
    }
    return {};
  }

 private:
  struct Mean {
    double count = 0;
    double sum = 0;
  };
  Features& features_;
  std::size_t models_;
  SplitMix64 random_;
  std::size_t cluster_ = 0;  // of the last decision
  std::vector<Mean> overall_;
  std::vector<Mean> cells_;  // clusters x models
};

class NeighboursArm final : public Arm {
 public:
  NeighboursArm(Features& features, const Outcomes& outcomes, const Split& split)
      : features_(features), outcomes_(outcomes), seen_(outcomes.world().table().rows.size(), false) {
    for (const std::size_t row : split.bootstrap) seen_[row] = true;
  }

  Result<ArmChoice> Route(const StreamItem& item) override {
    const std::size_t models = outcomes_.world().models().size();
    std::vector<double> sums(models, 0);
    std::size_t found = 0;
    for (const Features::Neighbour& near : features_.Neighbours(item.row, kCandidates)) {
      if (!seen_[near.row]) continue;
      // The floor keeps neighbours in the mean where no word is shared.
      const double weight = std::max(static_cast<double>(near.similarity), 1e-3);
      for (std::size_t m = 0; m < models; ++m) sums[m] += weight * outcomes_.Score(item.number, near.row, m);
      if (++found == kNeighbours) break;
    }
    seen_[item.row] = true;
    return Chosen(static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin()), item);
  }
  Status Report(const ArmChoice&, const ArmFeedback&) override { return {}; }

 private:
  Features& features_;
  const Outcomes& outcomes_;
  std::vector<bool> seen_;  // by table row
};

}  // namespace

std::unique_ptr<Arm> MakeFixedArm(std::size_t model) { return std::make_unique<FixedArm>(model); }
std::unique_ptr<Arm> MakeRandomArm(std::size_t models, std::uint64_t seed) {
  return std::make_unique<RandomArm>(models, seed);
}
std::unique_ptr<Arm> MakeOracleArm(const Outcomes& outcomes) { return std::make_unique<OracleArm>(outcomes); }
std::unique_ptr<Arm> MakeClusterMeansArm(Features& features, std::size_t models, std::uint64_t seed) {
  return std::make_unique<ClusterMeansArm>(features, models, seed);
}
std::unique_ptr<Arm> MakeNeighboursArm(Features& features, const Outcomes& outcomes, const Split& split) {
  return std::make_unique<NeighboursArm>(features, outcomes, split);
}

std::optional<double> RewardOf(const ArmFeedback& feedback) {
  return feedback.gold.has_value() ? feedback.gold : feedback.rating;
}

}  // namespace pointsman::eval
