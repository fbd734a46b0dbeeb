#include "eval/outcomes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/contract.h"

namespace pointsman::eval {

namespace {

constexpr std::string_view kLosingModel = "mistral-large";
constexpr std::array<std::pair<Variant, std::string_view>, 7> kVariants = {
    {{Variant::kNone, "none"},
     {Variant::kDrift, "drift"},
     {Variant::kSilentLoss, "silent-loss"},
     {Variant::kInvertedPrior, "inverted-prior"},
     {Variant::kTaskBias, "task-bias"},
     {Variant::kNewcomer, "newcomer"},
     {Variant::kNewcomerWorst, "newcomer-worst"}}};

struct Means {
  double score = 0;
  double cost = 0;  // of rows with a cost; 0 where there is none
};

std::vector<Means> MeansOf(const Outcomes& outcomes, std::span<const std::size_t> rows, std::uint64_t number) {
  std::vector<Means> means(outcomes.world().models().size());
  for (std::size_t m = 0; m < means.size(); ++m) {
    double priced = 0;
    for (const std::size_t row : rows) {
      means[m].score += outcomes.Score(number, row, m);
      const double cost = outcomes.Cost(number, row, m);
      if (!std::isfinite(cost)) continue;
      means[m].cost += cost;
      priced += 1;
    }
    means[m].score /= static_cast<double>(std::max<std::size_t>(rows.size(), 1));
    means[m].cost /= std::max(priced, 1.0);
  }
  return means;
}

// The model whose score falls silently.
std::size_t LosingModel(const Outcomes& outcomes, std::span<const std::size_t> rows, double budget_usd) {
  const std::vector<std::string>& models = outcomes.world().models();
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (models[m].find(kLosingModel) != std::string::npos) return m;
  }
  const std::vector<Means> means = MeansOf(outcomes, rows, 0);
  std::size_t cheapest = 0;
  for (std::size_t m = 1; m < means.size(); ++m) {
    if (means[m].cost < means[cheapest].cost) cheapest = m;
  }
  std::size_t best = cheapest;
  for (std::size_t m = 0; m < means.size(); ++m) {
    const bool fits = budget_usd <= 0 || means[m].cost <= budget_usd;
    if (fits && means[m].score > means[best].score) best = m;
  }
  return best;
}

}  // namespace

Result<Variant> VariantFromName(std::string_view name) {
  for (const auto& [variant, known] : kVariants) {
    if (known == name) return variant;
  }
  return MakeError(
      Code::kInvalidArgument, "unknown_variant",
      "the variant is one of none, drift, silent-loss, inverted-prior, task-bias, newcomer, newcomer-worst");
}

std::string_view VariantName(Variant variant) {
  for (const auto& [known, name] : kVariants) {
    if (known == variant) return name;
  }
  Unreachable("a variant");
}

Outcomes::Outcomes(const TableWorld& world, std::span<const std::size_t> rows, std::uint64_t decisions, Variant variant,
                   double budget_usd)
    : world_(&world) {
  if (variant == Variant::kDrift) {
    const std::vector<Means> means = MeansOf(*this, rows, 0);
    const auto dearest =
        std::max_element(means.begin(), means.end(), [](const Means& a, const Means& b) { return a.cost < b.cost; });
    price_fall_ = {.model = static_cast<std::size_t>(dearest - means.begin()), .from = decisions / 3};
    loss_ = {.model = LosingModel(*this, rows, budget_usd), .from = decisions * 2 / 3};
  }
  if (variant == Variant::kTaskBias) {
    std::set<std::string_view> tasks;
    for (const std::size_t row : world.usable_rows()) tasks.insert(world.table().rows[row].task);
    for (auto task = tasks.begin(); belittled_.size() < tasks.size() / 2; ++task) belittled_.insert(*task);
  }
  if (HasNewcomer(variant)) {
    const std::vector<Means> means = MeansOf(*this, rows, 0);
    const auto [worst, best] = std::minmax_element(means.begin(), means.end(),
                                                   [](const Means& a, const Means& b) { return a.score < b.score; });
    const auto joining = variant == Variant::kNewcomer ? best : worst;
    joins_ = {.model = static_cast<std::size_t>(joining - means.begin()), .from = decisions / 2};
  }
  if (variant == Variant::kSilentLoss) {
    loss_ = {.model = LosingModel(*this, rows, budget_usd), .from = decisions / 2};
  }
}

double Outcomes::Score(std::uint64_t number, std::size_t row, std::size_t model) const {
  const double score = world_->Score(row, model);
  if (!loss_.has_value() || loss_->model != model || number < loss_->from) return score;
  return std::max(0.0, score - kSilentLoss);
}

double Outcomes::Said(std::size_t row, double rating, double coin) const {
  return coin < kTaskBias && belittled_.contains(world_->table().rows[row].task) ? 0 : rating;
}

double Outcomes::Cost(std::uint64_t number, std::size_t row, std::size_t model) const {
  const double cost = world_->Cost(row, model);
  if (!price_fall_.has_value() || price_fall_->model != model || number < price_fall_->from) return cost;
  return cost * kPriceFall;
}

double BestMixture(const Outcomes& outcomes, std::span<const std::size_t> rows, std::uint64_t number,
                   double budget_usd) {
  const std::vector<Means> means = MeansOf(outcomes, rows, number);
  const auto cheapest =
      std::min_element(means.begin(), means.end(), [](const Means& a, const Means& b) { return a.cost < b.cost; });
  double best = cheapest->score;
  for (const Means& one : means) {
    if (budget_usd <= 0 || one.cost <= budget_usd) best = std::max(best, one.score);
  }
  if (budget_usd <= 0) return best;
  for (const Means& cheap : means) {
    for (const Means& dear : means) {
      if (cheap.cost > budget_usd || dear.cost <= budget_usd) continue;
      const double share = (budget_usd - cheap.cost) / (dear.cost - cheap.cost);
      best = std::max(best, (1 - share) * cheap.score + share * dear.score);
    }
  }
  return best;
}

std::size_t BestSingle(const TableWorld& world, std::span<const std::size_t> rows) {
  std::vector<double> sums(world.models().size(), 0.0);
  for (const std::size_t row : rows) {
    for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += world.Score(row, m);
  }
  return static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace pointsman::eval
