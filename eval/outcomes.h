// What models score and cost at each decision of a run: a table of outcomes, bent
// by a variant of the protocol.
//
//   drift        from one third of the run on the dearest model costs a tenth (an
//                announced price); from two thirds on a model silently loses .18
//   silent-loss  from one half on a model silently loses .18
//   newcomer     the best model of all is unknown to bundle and pool and joins at one
//                half of the run; newcomer-worst: the worst one
//   task-bias    ratings lie about half of the tasks: in the first half of them, in
//                alphabetical order, a rating counts as 0 with probability .3
//
// The model that loses is the one whose name holds "mistral-large", else the best
// one that the budget allows to be played always. Scores stay at or above 0.
// Source: protocol E2, docs/ALGORITHMS.md.
//
// Threads: immutable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "base/result.h"
#include "eval/table_world.h"

namespace pointsman::eval {

enum class Variant { kNone, kDrift, kSilentLoss, kInvertedPrior, kTaskBias, kNewcomer, kNewcomerWorst };
// "none", "drift", "silent-loss", "inverted-prior", "task-bias", "newcomer", "newcomer-worst".
// Errors: INVALID_ARGUMENT listing them.
Result<Variant> VariantFromName(std::string_view name);
std::string_view VariantName(Variant variant);
constexpr bool HasNewcomer(Variant variant) {
  return variant == Variant::kNewcomer || variant == Variant::kNewcomerWorst;
}

inline constexpr double kSilentLoss = 0.18;
inline constexpr double kPriceFall = 0.1;
inline constexpr double kTaskBias = 0.3;

// From decision `from` on, for good.
struct WorldChange {
  std::size_t model = 0;
  std::uint64_t from = 0;
};

class Outcomes {
 public:
  // `rows`: of the stream; `decisions`: of the whole run; `budget_usd`: 0 for none.
  Outcomes(const TableWorld& world, std::span<const std::size_t> rows, std::uint64_t decisions, Variant variant,
           double budget_usd);

  const TableWorld& world() const { return *world_; }
  // In [0,1].
  double Score(std::uint64_t number, std::size_t row, std::size_t model) const;
  // US dollars; NaN where the table does not say.
  double Cost(std::uint64_t number, std::size_t row, std::size_t model) const;
  // What is said of an answer whose rating is `rating`; `coin` is uniform in [0,1).
  double Said(std::size_t row, double rating, double coin) const;
  const std::optional<WorldChange>& price_fall() const { return price_fall_; }
  const std::optional<WorldChange>& loss() const { return loss_; }
  // The model that joins.
  const std::optional<WorldChange>& joins() const { return joins_; }

 private:
  const TableWorld* world_;
  std::optional<WorldChange> price_fall_;
  std::optional<WorldChange> loss_;
  std::optional<WorldChange> joins_;
  std::set<std::string_view> belittled_;  // tasks about which ratings lie
};

// Mean score of the best way to play single models, mixed at random, for at most
// `budget_usd` a decision (0: any cost), over `rows` as they are at decision
// `number`. Where no model fits the budget: of the cheapest one.
double BestMixture(const Outcomes& outcomes, std::span<const std::size_t> rows, std::uint64_t number,
                   double budget_usd);

// The column with the best mean score over `rows`; ties to the smaller one.
std::size_t BestSingle(const TableWorld& world, std::span<const std::size_t> rows);

}  // namespace pointsman::eval
