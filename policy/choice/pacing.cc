#include "policy/choice/pacing.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "policy/belief/membership.h"
#include "policy/belief/posterior.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"
#include "policy/belief/token_cost.h"
#include "policy/choice/exploration.h"
#include "policy/choice/utility.h"

namespace pointsman::policy {

namespace {

constexpr std::size_t kContextsMax = 300;
constexpr int kBisections = 40;

// One context: utility without the price, what of it may turn a ranking, and cost, for every active model.
struct Priced {
  double utility = 0;
  double reach = 0;
  double cost = 0;
};

std::vector<std::vector<Priced>> Contexts(const Snapshot& snapshot, const Weights& weights) {
  const Bundle& bundle = *snapshot.bundle;
  std::vector<double> costs;
  double dearest = 0;
  for (const ModelView& view : snapshot.models) {
    costs.push_back(ExpectedCost(view, 0));
    dearest = std::max(dearest, costs.back());
  }
  const double own_width = std::hypot(snapshot.widths.model, snapshot.widths.cell);
  const std::size_t anchors = bundle.anchor_count();
  const std::size_t count = anchors == 0 ? 1 : std::min(anchors, kContextsMax);
  std::vector<std::vector<Priced>> contexts(count);
  for (std::size_t c = 0; c < count; ++c) {
    std::span<const float> embedding;
    if (anchors > 0) {
      embedding = std::span(bundle.anchors).subspan(c * anchors / count * bundle.dimension(), bundle.dimension());
    }
    const Membership membership = FindMembership(bundle, embedding);
    const TaskProbabilities tasks = RecogniseTasks(bundle, embedding);
    const HeadFeatures head = ProjectHead(bundle, embedding);
    for (std::size_t m = 0; m < snapshot.models.size(); ++m) {
      const ModelView& view = snapshot.models[m];
      if (view.model.state != ModelState::kActive) continue;
      const double prior = PriorQuality(bundle, view.columns(), membership.clusters, tasks, head);
      const Estimate estimate = ReadPosterior(snapshot, view, membership.clusters, prior, prior - view.mean_prior);
      contexts[c].push_back(
          {.utility = Utility(weights, estimate.mean, costs[m], dearest),
           .reach = weights.quality * AuditReach(std::sqrt(std::max(estimate.variance, 0.0)), own_width),
           .cost = costs[m]});
    }
  }
  return contexts;
}

double Spending(const std::vector<std::vector<Priced>>& contexts, double audit_rate, double budget, double lambda) {
  double total = 0;
  for (const std::vector<Priced>& context : contexts) {
    if (context.empty()) continue;
    std::vector<Score> scores;
    const auto audited = std::make_unique<bool[]>(context.size());
    for (std::size_t i = 0; i < context.size(); ++i) {
      const Priced& model = context[i];
      scores.push_back({.mean = model.utility - lambda * model.cost / budget, .standard_deviation = model.reach});
      audited[i] = model.cost <= kAuditBudgets * budget;
    }
    const std::vector<double> shares =
        AuditDistribution(scores, std::span<const bool>(audited.get(), context.size()), audit_rate);
    for (std::size_t i = 0; i < context.size(); ++i) total += shares[i] * context[i].cost;
  }
  return total / static_cast<double>(contexts.size());
}

}  // namespace

double BudgetOf(const Options& options, std::string_view tenant) {
  for (const TenantBudget& budget : options.tenant_budgets) {
    if (budget.tenant == tenant) return budget.usd;
  }
  return options.budget_usd;
}

std::string_view PacerName(const Options& options, std::string_view tenant) {
  for (const TenantBudget& budget : options.tenant_budgets) {
    if (budget.tenant == tenant) return tenant;
  }
  return {};
}

Pacer NewPacer(double budget_usd, double lambda) {
  return {.lambda = lambda, .mean_cost_usd = budget_usd, .bucket_usd = kBucketRequests * budget_usd};
}

void Refill(Pacer& pacer, double budget_usd) {
  const double most = kBucketRequests * budget_usd;
  pacer.bucket_usd = pacer.bucket_usd + budget_usd < most ? pacer.bucket_usd + budget_usd : most;
  ++pacer.decisions;
}

void Settle(Pacer& pacer, double budget_usd, double cost_usd, const Options& options) {
  pacer.mean_cost_usd = kPacerMemory * pacer.mean_cost_usd + (1 - kPacerMemory) * cost_usd;
  const double moved = pacer.lambda + options.pacing_step * (pacer.mean_cost_usd / budget_usd - 1);
  pacer.lambda = moved < 0 ? 0 : moved > options.lambda_max ? options.lambda_max : moved;
  pacer.bucket_usd -= cost_usd;
  pacer.spent_usd += cost_usd;
  ++pacer.settled;
}

double StartingLambda(const Snapshot& snapshot, const Weights& weights, double budget_usd) {
  const Options& options = snapshot.options;
  if (!(budget_usd > 0) || snapshot.models.empty()) return 0;
  const auto contexts = Contexts(snapshot, weights);
  const bool audits = options.exploration == Exploration::kGreedyAudits;
  const double audit_rate = audits ? std::min(options.gold_rate, options.audit_rate_start) : 0;
  double low = 0;
  double high = options.lambda_max;
  if (Spending(contexts, audit_rate, budget_usd, low) <= budget_usd) return low;
  if (Spending(contexts, audit_rate, budget_usd, high) > budget_usd) return high;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = 0.5 * (low + high);
    (Spending(contexts, audit_rate, budget_usd, middle) > budget_usd ? low : high) = middle;
  }
  return high;
}

}  // namespace pointsman::policy
