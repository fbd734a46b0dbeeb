#include "eval/linucb.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/contract.h"
#include "eval/baselines.h"

namespace pointsman::eval {

namespace {

constexpr double kTokensPerRequest = 500;
constexpr double kPriceFloor = 1e-4;  // of c~, US dollars per 1,000 tokens
constexpr double kPriceCeiling = 0.1;
constexpr double kVarianceFloor = 1.0 / 200;
constexpr double kPacerStep = 0.05;
constexpr double kPacerMemory = 0.95;
constexpr double kLambdaMax = 5;
constexpr double kRidge = 1;

using Vector = Eigen::Matrix<double, static_cast<int>(kContext), 1>;
using Matrix = Eigen::Matrix<double, static_cast<int>(kContext), static_cast<int>(kContext)>;

struct Bandit {
  Matrix design = kRidge * Matrix::Identity();         // A
  Matrix inverse = (1 / kRidge) * Matrix::Identity();  // of A
  Vector response = Vector::Zero();                    // b
  Vector theta = Vector::Zero();
  std::uint64_t updated = 0;
  std::uint64_t played = 0;
  std::uint32_t pulls = 0;
  double price = 0;  // US dollars per 1,000 tokens
};

class LinUcbArm final : public Arm {
 public:
  LinUcbArm(Features& features, std::size_t models, const LinUcbOptions& options,
            const std::vector<OfflineRow>& offline)
      : features_(features), options_(options), bandits_(models), warm_(!offline.empty()), spend_(options.budget_usd) {
    for (std::size_t m = 0; m < models; ++m) {
      if (m < options.mean_costs.size()) bandits_[m].price = options.mean_costs[m] / kTokensPerRequest * 1000;
      first_prices_.push_back(bandits_[m].price);
      if (warm_) WarmStart(bandits_[m], m, offline);
    }
  }

  Result<ArmChoice> Route(const StreamItem& item) override {
    ++now_;
    const auto context = features_.Context(item.row);
    for (std::size_t i = 0; i < kContext; ++i) x_[static_cast<Eigen::Index>(i)] = context[i];
    ArmChoice choice;
    choice.number = item.number;
    choice.model = Choose(choice.predicted);
    bandits_[choice.model].played = now_;
    ++bandits_[choice.model].pulls;
    return choice;
  }

  Status Report(const ArmChoice& choice, const ArmFeedback& feedback) override {
    if (options_.budget_usd > 0 && std::isfinite(feedback.cost_usd)) {
      spend_ = kPacerMemory * spend_ + (1 - kPacerMemory) * feedback.cost_usd;
      lambda_ = std::clamp(lambda_ + kPacerStep * (spend_ / options_.budget_usd - 1), 0.0, kLambdaMax);
    }
    const auto reward = RewardOf(feedback);
    if (!reward.has_value()) return {};
    Bandit& bandit = bandits_[choice.model];
    const double memory = std::pow(options_.gamma, static_cast<double>(now_ - bandit.updated));
    bandit.design = memory * bandit.design + x_ * x_.transpose();
    bandit.response = memory * bandit.response + *reward * x_;
    bandit.updated = now_;
    Solve(bandit);
    return {};
  }

  Status PriceChanged(std::size_t model, double factor) override {
    bandits_[model].price = factor * first_prices_[model];
    return {};
  }

 private:
  void WarmStart(Bandit& bandit, std::size_t model, const std::vector<OfflineRow>& offline) {
    Matrix design = Matrix::Zero();
    Vector response = Vector::Zero();
    for (const OfflineRow& row : offline) {
      const auto context = features_.Context(row.row);
      const Eigen::Map<const Vector> x(context.data());
      design += x * x.transpose();
      response += row.rewards[model] * x;
    }
    const Vector theta = (design + kRidge * Matrix::Identity()).ldlt().solve(response);
    const double scale = options_.n_eff / static_cast<double>(offline.size());
    bandit.design = scale * design + kRidge * Matrix::Identity();
    bandit.response = scale * response + kRidge * theta;
    Solve(bandit);
  }

  // Forgetting leaves directions that are not visited almost without weight; the
  // small ridge keeps the inverse finite.
  static void Solve(Bandit& bandit) {
    bandit.inverse = (bandit.design + 1e-9 * Matrix::Identity()).inverse();
    bandit.theta = bandit.inverse * bandit.response;
  }

  double CostTerm(const Bandit& bandit) const {
    if (bandit.price <= 0) return 0;
    const double share =
        (std::log(bandit.price) - std::log(kPriceFloor)) / (std::log(kPriceCeiling) - std::log(kPriceFloor));
    return std::clamp(share, 0.0, 1.0);
  }

  std::size_t Choose(double& predicted) const {
    double dearest = 0;
    double cheapest = std::numeric_limits<double>::infinity();
    for (const Bandit& bandit : bandits_) {
      dearest = std::max(dearest, bandit.price);
      cheapest = std::min(cheapest, bandit.price);
    }
    // The cheapest model is always left.
    const double ceiling = lambda_ > 0 ? std::max(dearest / (1 + lambda_), cheapest) : dearest;
    std::size_t best = bandits_.size();
    double best_score = 0;
    for (std::size_t m = 0; m < bandits_.size(); ++m) {
      const Bandit& bandit = bandits_[m];
      if (bandit.price > ceiling) continue;
      if (!warm_ && bandit.pulls < options_.forced_pulls) return m;
      const double idle = static_cast<double>(now_ - std::max(bandit.updated, bandit.played));
      const double variance = x_.dot(bandit.inverse * x_) / std::max(std::pow(options_.gamma, idle), kVarianceFloor);
      const double mean = bandit.theta.dot(x_);
      const double score = mean + options_.alpha * std::sqrt(std::max(variance, 0.0)) -
                           (options_.cost_weight + lambda_) * CostTerm(bandit);
      if (best < bandits_.size() && score <= best_score) continue;
      best = m;
      best_score = score;
      predicted = std::clamp(mean, 0.0, 1.0);
    }
    ENSURE(best < bandits_.size(), "the cheapest model is below every ceiling");
    return best;
  }

  Features& features_;
  LinUcbOptions options_;
  std::vector<Bandit> bandits_;
  std::vector<double> first_prices_;
  bool warm_;
  double spend_;
  double lambda_ = 0;
  std::uint64_t now_ = 0;
  Vector x_ = Vector::Zero();  // of the last decision
};

}  // namespace

std::unique_ptr<Arm> MakeLinUcbArm(Features& features, std::size_t models, const LinUcbOptions& options,
                                   const std::vector<OfflineRow>& offline) {
  return std::make_unique<LinUcbArm>(features, models, options, offline);
}

}  // namespace pointsman::eval
