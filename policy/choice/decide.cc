#include "policy/choice/decide.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "policy/belief/leaf.h"
#include "policy/belief/posterior.h"
#include "policy/belief/prior.h"
#include "policy/belief/token_cost.h"
#include "policy/choice/exploration.h"
#include "policy/choice/pacing.h"
#include "policy/choice/trial.h"
#include "policy/choice/utility.h"

namespace pointsman::policy {

namespace {

constexpr double kThompsonEpsilon = 1e-4;
constexpr std::size_t kThompsonArms = 16;

// A live model that the request allows, with all that is predicted of it. The
// candidate's name is filled in when it is ranked: copying names is the dear part.
struct Considered {
  const ModelView* view = nullptr;
  Candidate candidate;
};

// Where the query lies and what it asks for.
void Locate(const Snapshot& snapshot, const Query& query, const SearchIndex* index, Decision& decision) {
  if (index == nullptr || index->bundle != snapshot.bundle || query.embedding.empty()) {
    decision.membership = FindMembership(*snapshot.bundle, query.embedding);
    decision.tasks = RecogniseTasks(*snapshot.bundle, query.embedding);
    return;
  }
  const kernels::CoarseQuery coarse(query.embedding);
  decision.membership = FindMembership(*index, coarse);
  decision.tasks = RecogniseTasks(*index, coarse);
}

bool Allows(const Query& query, const std::string& name) {
  return query.allowed.empty() || std::find(query.allowed.begin(), query.allowed.end(), name) != query.allowed.end();
}

bool InSession(const Query& query) { return !query.incumbent.empty() && query.switch_cost > 0; }

bool PriorDoubted(const Snapshot& snapshot) {
  if (snapshot.bundle == nullptr) return false;
  const Widths& base = snapshot.options.widths_overridden ? snapshot.options.widths : snapshot.bundle->widths;
  return PriorDoubted(snapshot.widths, UsableWidths(base));
}

// Gold enough to doubt the prior by, and no doubt: audits are then dearer than what they
// tell (decisions/0016).
bool PriorHolds(const Snapshot& snapshot) {
  const auto& feedback = snapshot.counters.feedback;
  const std::uint64_t reports = std::accumulate(feedback.begin(), feedback.end(), std::uint64_t{0});
  if (feedback[0] < kTrustGold || reports < kTrustReports || snapshot.bundle == nullptr) return false;
  return !PriorDoubted(snapshot);
}

// The share of decisions that are audits now (online_learner 4b; decisions/0027).
double AuditRate(const Snapshot& snapshot, const Query& query) {
  const Options& options = snapshot.options;
  if (query.no_explore || InSession(query) || options.exploration != Exploration::kGreedyAudits) return 0;
  const bool starting = snapshot.counters.decisions < options.audit_start_decisions;
  const bool often = starting ? !PriorHolds(snapshot) : PriorDoubted(snapshot);
  return std::min(options.gold_rate, often ? options.audit_rate_start : options.audit_rate);
}

// The pacer that this request is charged to; null: no budget.
struct Pacing {
  const Pacer* pacer = nullptr;
  double budget_usd = 0;
};

Pacing PacingOf(const Snapshot& snapshot, const Query& query) {
  if (snapshot.pacers.empty()) return {};
  const auto at = snapshot.pacers.find(std::string(PacerName(snapshot.options, query.tenant)));
  if (at == snapshot.pacers.end()) return {};
  return {&at->second, BudgetOf(snapshot.options, query.tenant)};
}

// Predicts quality, cost and utility of the allowed models, in (name, epoch) order.
class Forecast {
 public:
  Forecast(const Snapshot& snapshot, const Query& query, const Decision& decision)
      : snapshot_(snapshot),
        query_(query),
        decision_(decision),
        head_(ProjectHead(*snapshot.bundle, query.embedding)) {}

  std::vector<Considered> Run() {
    std::vector<Considered> considered;
    considered.reserve(snapshot_.models.size());
    double reference_cost = 0;
    for (const ModelView& view : snapshot_.models) {
      const double cost = ExpectedCost(view, query_.tokens_in);
      reference_cost = std::max(reference_cost, cost);
      if (Allows(query_, view.model.name)) Predict(view, cost, considered.emplace_back());
    }
    const Pacing pacing = PacingOf(snapshot_, query_);
    for (Considered& one : considered) {
      Candidate& candidate = one.candidate;
      candidate.utility = Utility(query_.weights, candidate.predicted_mean, candidate.cost_usd, reference_cost);
      if (pacing.pacer != nullptr) candidate.utility -= pacing.pacer->lambda * candidate.cost_usd / pacing.budget_usd;
    }
    if (InSession(query_)) ChargeSwitches(considered);
    return considered;
  }

 private:
  void Predict(const ModelView& view, double cost_usd, Considered& one) {
    one.view = &view;
    Candidate& candidate = one.candidate;
    candidate.model = view.model.id;
    candidate.cost_usd = cost_usd;
    candidate.prior = Prior(view);
    candidate.prior_centred = candidate.prior - view.mean_prior;
    const Estimate estimate =
        ReadPosterior(snapshot_, view, decision_.membership.clusters, candidate.prior, candidate.prior_centred);
    candidate.predicted_mean = estimate.mean;
    candidate.predicted_variance = estimate.variance;
    candidate.quality = std::clamp(estimate.mean, 0.0, 1.0);
    candidate.quality_deviation = estimate.Deviation();
  }

  // A gain that equals the cost is no reason to switch: the next smaller number loses the tie.
  void ChargeSwitches(std::vector<Considered>& considered) const {
    const auto stays = [&](const Considered& one) { return one.view->model.name == query_.incumbent; };
    if (std::none_of(considered.begin(), considered.end(), stays)) return;
    for (Considered& one : considered) {
      if (!stays(one)) one.candidate.utility = std::nextafter(one.candidate.utility - query_.switch_cost, -1e9);
    }
  }

  // Models of which nothing at all is known share one prior, a mean over all columns.
  double Prior(const ModelView& view) {
    const auto compute = [&] {
      return PriorQuality(*snapshot_.bundle, view.columns(), decision_.membership.clusters, decision_.tasks, head_);
    };
    if (view.column >= 0 || !view.like.empty()) return compute();
    if (unknown_prior_ < 0) unknown_prior_ = compute();
    return unknown_prior_;
  }

  const Snapshot& snapshot_;
  const Query& query_;
  const Decision& decision_;
  const HeadFeatures head_;
  double unknown_prior_ = -1;
};

// May be chosen, short enough, cheap enough, good enough; the quality floor is left out
// where it would leave nobody.
std::vector<const Considered*> Eligible(std::span<const Considered> considered, const Query& query,
                                        const Pacing& pacing) {
  std::vector<const Considered*> eligible;
  eligible.reserve(considered.size());
  bool any_above_floor = false;
  for (const Considered& one : considered) {
    const Model& model = one.view->model;
    if (!TakesTraffic(model.state) || !one.view->healthy) continue;
    if (pacing.pacer != nullptr && PredictCost(*one.view, query.tokens_in).high_usd > pacing.pacer->bucket_usd)
      continue;
    if (model.context_tokens > 0 && query.tokens_in > model.context_tokens) continue;
    if (query.cost_cap_usd > 0 && one.candidate.cost_usd > query.cost_cap_usd) continue;
    if (query.latency_cap_ms > 0 && one.view->latency_high_ms > query.latency_cap_ms) continue;
    any_above_floor = any_above_floor || one.candidate.quality >= query.quality_floor;
    eligible.push_back(&one);
  }
  if (query.quality_floor > 0 && any_above_floor) {
    std::erase_if(eligible, [&](const Considered* one) { return one->candidate.quality < query.quality_floor; });
  }
  return eligible;
}

// The configured fallback where the request allows it, else the cheapest allowed
// one; draining models only when no active one is allowed.
const Considered& Fallback(std::span<const Considered> considered, const Options& options) {
  const Considered* cheapest = nullptr;
  const auto better = [](const Considered& a, const Considered& b) {
    const bool a_active = a.view->model.state == ModelState::kActive;
    const bool b_active = b.view->model.state == ModelState::kActive;
    if (a_active != b_active) return a_active;
    return a.candidate.cost_usd < b.candidate.cost_usd;
  };
  for (const Considered& one : considered) {
    if (!options.fallback_model.empty() && one.view->model.name == options.fallback_model &&
        one.view->model.state == ModelState::kActive) {
      return one;
    }
    if (cheapest == nullptr || better(one, *cheapest)) cheapest = &one;
  }
  ENSURE(cheapest != nullptr, "a fallback among the allowed models");
  return *cheapest;
}

std::vector<double> Thompson(const Snapshot& snapshot, const Query& query,
                             std::span<const Considered* const> eligible) {
  std::vector<Score> scores;
  scores.reserve(eligible.size());
  for (const Considered* one : eligible) {
    scores.push_back(
        {.mean = one->candidate.utility,
         .standard_deviation = query.weights.quality * std::sqrt(std::max(one->candidate.predicted_variance, 0.0)) *
                               snapshot.options.thompson_scale});
  }
  const std::vector<double> best = ThompsonDistribution(scores, kThompsonEpsilon, kThompsonArms);
  const auto plausible = std::make_unique<bool[]>(scores.size());
  for (const std::size_t arm : PlausibleArms(scores, kThompsonArms)) plausible[arm] = true;
  return WithFloor(best, std::span<const bool>(plausible.get(), scores.size()), snapshot.options.probability_floor);
}

std::vector<Score> Utilities(std::span<const Considered* const> eligible) {
  std::vector<Score> scores;
  scores.reserve(eligible.size());
  for (const Considered* one : eligible) scores.push_back({.mean = one->candidate.utility, .standard_deviation = 0});
  return scores;
}

// What an audit may cost.
bool Auditable(const Candidate& candidate, const Pacing& pacing) {
  return pacing.pacer == nullptr || candidate.cost_usd <= kAuditBudgets * pacing.budget_usd;
}

// What audits are shared out by.
class AuditSet {
 public:
  AuditSet(const Snapshot& snapshot, const Query& query, const Pacing& pacing, std::size_t count)
      : pacing_(pacing),
        quality_(query.weights.quality),
        own_width_(std::hypot(snapshot.widths.model, snapshot.widths.cell)),
        in_(std::make_unique<bool[]>(count)) {
    scores_.reserve(count);
  }
  void Add(const Candidate& candidate) {
    in_[scores_.size()] = Auditable(candidate, pacing_);
    const double deviation = std::sqrt(std::max(candidate.predicted_variance, 0.0));
    scores_.push_back({.mean = candidate.utility, .standard_deviation = quality_ * AuditReach(deviation, own_width_)});
  }
  std::span<const Score> scores() const { return scores_; }
  std::span<const bool> in() const { return {in_.get(), scores_.size()}; }

 private:
  const Pacing& pacing_;
  double quality_;
  double own_width_;
  std::vector<Score> scores_;
  std::unique_ptr<bool[]> in_;
};

std::vector<double> GreedyWithAudits(const Snapshot& snapshot, const Query& query,
                                     std::span<const Considered* const> eligible, double audit_rate,
                                     const Pacing& pacing) {
  if (audit_rate == 0) return GreedyDistribution(Utilities(eligible));
  AuditSet audits(snapshot, query, pacing, eligible.size());
  for (const Considered* one : eligible) audits.Add(one->candidate);
  return AuditDistribution(audits.scores(), audits.in(), audit_rate);
}

std::vector<double> SquareCb(const Snapshot& snapshot, std::span<const Considered* const> eligible) {
  const double decisions = static_cast<double>(std::max<std::uint64_t>(snapshot.counters.decisions, 1));
  return SquareCbDistribution(Utilities(eligible), snapshot.options.squarecb_gamma * std::sqrt(decisions));
}

std::vector<double> Distribution(const Snapshot& snapshot, const Query& query,
                                 std::span<const Considered* const> eligible, double audit_rate, const Pacing& pacing) {
  if (query.no_explore) return GreedyDistribution(Utilities(eligible));
  switch (snapshot.options.exploration) {
    case Exploration::kThompson: return Thompson(snapshot, query, eligible);
    case Exploration::kEpsilon: return EpsilonDistribution(Utilities(eligible), snapshot.options.epsilon);
    case Exploration::kSquareCb: return SquareCb(snapshot, eligible);
    case Exploration::kGreedyAudits: break;
  }
  return GreedyWithAudits(snapshot, query, eligible, audit_rate, pacing);
}

// Orders the candidates by utility, keeping (name, epoch) order among equals.
void Rank(std::span<const Considered* const> eligible, std::span<const double> distribution, Decision& decision) {
  std::vector<std::uint32_t> order(eligible.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const double first = eligible[a]->candidate.utility;
    const double second = eligible[b]->candidate.utility;
    return first != second ? first > second : a < b;
  });
  decision.ranked.reserve(eligible.size());
  for (const std::uint32_t i : order) {
    Candidate& candidate = decision.ranked.emplace_back(eligible[i]->candidate);
    candidate.name = eligible[i]->view->model.name;
    candidate.probability = distribution[i];
  }
}

// One of the audit set, which is not empty.
std::size_t DrawAudited(const Snapshot& snapshot, const Query& query, std::span<const Candidate> ranked,
                        const Pacing& pacing, double unit) {
  AuditSet audits(snapshot, query, pacing, ranked.size());
  for (const Candidate& one : ranked) audits.Add(one);
  const auto draw = DrawArm(AuditShares(audits.scores(), audits.in()), unit);
  ENSURE(draw.ok(), "shares of an audit set that is not empty are a distribution");
  return draw->arm;
}

// An audit first tosses its own coin, so that it is known to be one; the mixture
// over both coins is the logged distribution.
void DrawModel(const Snapshot& snapshot, const Query& query, double audit_rate, const Pacing& pacing,
               const Trials& trials, Decision& decision) {
  const std::size_t count = decision.ranked.size();
  decision.audit = audit_rate > 0 && UnitDraw(query.id, kDrawAudit) < audit_rate;
  const double unit = UnitDraw(query.id, kDrawArm);
  if (decision.audit) {
    decision.chosen = DrawAudited(snapshot, query, decision.ranked, pacing, unit);
  } else if (!trials.arms.empty()) {
    decision.chosen = DrawTrial(trials, UnitDraw(query.id, kDrawTrial));
  } else if (audit_rate > 0) {
    decision.chosen = 0;
  } else {
    std::vector<double> distribution(count);
    for (std::size_t i = 0; i < count; ++i) distribution[i] = decision.ranked[i].probability;
    const auto draw = DrawArm(distribution, unit);
    ENSURE(draw.ok(), "our own distribution is a distribution");
    decision.chosen = draw->arm;
  }
  decision.propensity = decision.ranked[decision.chosen].probability;
  decision.audit_rate = audit_rate;
}

// P(the router plays ranked[at], and not as an audit), of its own draws.
double ChosenWithoutAudit(const Decision& decision, const Trials& trials, std::size_t at, double audit_rate) {
  if (!trials.arms.empty()) return (1 - audit_rate) * WithoutAudit(trials, at);
  if (audit_rate == 0) return decision.ranked[at].probability;
  return at == 0 ? 1 - audit_rate : 0;
}

// Follows the incumbent or leaves the router's draw as it is, and makes the mixture of
// both out of the router's probabilities. Nothing to do where it cannot answer.
void RollOut(const Snapshot& snapshot, const Query& query, double audit_rate, const Trials& trials,
             Decision& decision) {
  const Rollout& rollout = snapshot.rollout.rollout;
  if (rollout.mode == RolloutMode::kFull || !query.observed.empty()) return;
  const std::string_view name = query.incumbent.empty() ? std::string_view(rollout.incumbent) : query.incumbent;
  const auto at = std::find_if(decision.ranked.begin(), decision.ranked.end(),
                               [&](const Candidate& one) { return one.name == name; });
  if (at == decision.ranked.end()) return;
  const auto incumbent = static_cast<std::size_t>(at - decision.ranked.begin());
  const double share = rollout.share;
  decision.incumbent = incumbent;
  decision.router_share = share;
  decision.followed = UnitDraw(query.id, kDrawRollout) >= share;
  if (decision.followed) {
    decision.chosen = incumbent;
    decision.audit = false;
  }
  const double followed = decision.chosen == incumbent ? 1 - share : 0;
  const double without_audit = share * ChosenWithoutAudit(decision, trials, decision.chosen, audit_rate) + followed;
  for (Candidate& candidate : decision.ranked) candidate.probability *= share;
  at->probability += 1 - share;
  decision.propensity = decision.ranked[decision.chosen].probability;
  decision.audit_rate *= share;
  decision.not_audit = std::min(1.0, without_audit / decision.propensity);
}

// See Decision::gold_probability.
void AskGold(const Snapshot& snapshot, const Query& query, const Trials& trials, Decision& decision) {
  const double gold_rate = snapshot.options.gold_rate;
  const double audit_rate = decision.audit_rate;
  double otherwise = audit_rate < 1 ? std::clamp((gold_rate - audit_rate) / (1 - audit_rate), 0.0, 1.0) : 0.0;
  otherwise = std::max(otherwise, TrialGold(snapshot, trials, decision.ranked, decision.chosen));
  decision.gold_wanted = decision.audit || UnitDraw(query.id, kDrawGold) < otherwise;
  decision.gold_probability = (1 - decision.not_audit) + decision.not_audit * otherwise;
}

// The caller's own choice takes the place of the draw.
Status Observe(const Snapshot& snapshot, std::span<const Considered> considered, const Query& query,
               Decision& decision) {
  const auto at = std::find_if(considered.begin(), considered.end(),
                               [&](const Considered& one) { return one.view->model.name == query.observed; });
  if (at == considered.end()) {
    return MakeError(Code::kNotFound, "unknown_model",
                     "the observed model is not in the pool, or not among the allowed ones");
  }
  decision.observed = true;
  decision.advised = decision.chosen;
  const auto same = [&](const Candidate& one) { return one.model == at->candidate.model; };
  const auto ranked = std::find_if(decision.ranked.begin(), decision.ranked.end(), same);
  decision.chosen = static_cast<std::size_t>(ranked - decision.ranked.begin());
  if (ranked == decision.ranked.end()) {
    decision.ranked.push_back(at->candidate);
    decision.ranked.back().name = at->view->model.name;
    decision.ranked.back().probability = 0;
  }
  decision.audit = false;
  decision.audit_rate = 0;
  decision.not_audit = 1;
  decision.propensity = 1;
  AskGold(snapshot, query, {}, decision);
  return {};
}

}  // namespace

Result<Decision> Decide(const Snapshot& snapshot, const Query& query) { return Decide(snapshot, query, nullptr); }

Result<Decision> Decide(const Snapshot& snapshot, const Query& query, const SearchIndex* index) {
  if (Status status = ValidateWeights(query.weights); !status.ok()) return status.error();
  if (!(query.switch_cost >= 0 && query.switch_cost <= 1e6) || !(query.latency_cap_ms >= 0)) {
    return MakeError(Code::kOutOfRange, "constraint_out_of_range",
                     "the switch cost and the latency cap must be finite and not negative");
  }
  if (snapshot.models.empty()) {
    return MakeError(Code::kFailedPrecondition, "empty_pool", "there is no model in the pool; add one and route again");
  }
  REQUIRE(snapshot.bundle != nullptr, "a snapshot has a bundle");
  Decision decision;
  decision.generation = snapshot.generation;
  decision.snapshot_seq = snapshot.seq;
  Locate(snapshot, query, index, decision);

  const std::vector<Considered> considered = Forecast(snapshot, query, decision).Run();
  if (considered.empty()) {
    return MakeError(Code::kNotFound, "unknown_model",
                     "none of the allowed models is in the pool; name at least one that is");
  }
  const std::vector<const Considered*> eligible = Eligible(considered, query, PacingOf(snapshot, query));
  if (eligible.empty()) {
    decision.forced = true;
    const Considered& fallback = Fallback(considered, snapshot.options);
    decision.ranked.push_back(fallback.candidate);
    decision.ranked[0].name = fallback.view->model.name;
    decision.ranked[0].probability = 1;
    AskGold(snapshot, query, {}, decision);
    if (query.observed.empty()) return decision;
    if (Status s = Observe(snapshot, considered, query, decision); !s.ok()) return s.error();
    return decision;
  }
  const Pacing pacing = PacingOf(snapshot, query);
  const bool any_auditable = std::any_of(eligible.begin(), eligible.end(),
                                         [&](const Considered* one) { return Auditable(one->candidate, pacing); });
  const double audit_rate = any_auditable ? AuditRate(snapshot, query) : 0;
  Rank(eligible, Distribution(snapshot, query, eligible, audit_rate, pacing), decision);
  Trials trials;
  if (!snapshot.trials.empty() && !query.no_explore && !InSession(query)) {
    trials = PlanTrials(snapshot, query, decision.ranked);
    MixTrials(trials, audit_rate, decision.ranked);
  }
  DrawModel(snapshot, query, audit_rate, pacing, trials, decision);
  const double not_audited = ChosenWithoutAudit(decision, trials, decision.chosen, audit_rate);
  decision.not_audit = std::min(1.0, not_audited / decision.propensity);
  RollOut(snapshot, query, audit_rate, trials, decision);
  AskGold(snapshot, query, trials, decision);
  if (query.observed.empty()) return decision;
  if (Status s = Observe(snapshot, considered, query, decision); !s.ok()) return s.error();
  return decision;
}

namespace {

// What is logged is rounded before it is logged or folded, so that a decision reads
// back from the log as it was folded (docs/RECORDS.md, "Events").
double Short(double value) { return static_cast<double>(static_cast<float>(value)); }

void SetAnchors(const AnchorWeights& anchors, DecisionContext& context) {
  context.anchors = anchors;
  for (AnchorWeight& entry : context.anchors) entry.weight = Short(entry.weight);
}

}  // namespace

DecisionMade ToEvent(const Snapshot& snapshot, const Query& query, const Decision& decision,
                     std::int64_t decided_at_us) {
  DecisionMade event = ToEventWithoutAnchors(snapshot, query, decision, decided_at_us);
  AddAnchors(*snapshot.bundle, query.embedding, event.context);
  return event;
}

void AddAnchors(const Bundle& bundle, std::span<const float> embedding, DecisionContext& context) {
  SetAnchors(FindAnchors(bundle, embedding), context);
}

void AddAnchors(const SearchIndex& index, std::span<const float> embedding, DecisionContext& context) {
  SetAnchors(FindAnchors(index, kernels::CoarseQuery(embedding)), context);
}

DecisionMade ToEventWithoutAnchors(const Snapshot& snapshot, const Query& query, const Decision& decision,
                                   std::int64_t decided_at_us) {
  REQUIRE(decision.chosen < decision.ranked.size(), "a decision has a choice");
  const Candidate& chosen = decision.ranked[decision.chosen];
  DecisionMade event;
  DecisionContext& context = event.context;
  context.decision = query.id;
  context.model = chosen.model;
  context.generation = decision.generation;
  context.bundle = snapshot.bundle->hash;
  context.decided_at_us = decided_at_us;
  context.clusters = decision.membership.clusters;
  for (ClusterWeight& entry : context.clusters) entry.weight = Short(entry.weight);
  context.prior = Short(chosen.prior);
  context.prior_centred = Short(chosen.prior_centred);
  context.predicted_quality = Short(chosen.predicted_mean);
  context.predicted_variance = Short(chosen.predicted_variance);
  context.propensity = decision.propensity;
  context.audit = decision.audit;
  context.gold_probability = decision.gold_probability;
  event.weights = query.weights;
  if (const Pacing pacing = PacingOf(snapshot, query); pacing.pacer != nullptr) event.lambda = pacing.pacer->lambda;
  event.tokens_in = query.tokens_in;
  event.gold_wanted = decision.gold_wanted;
  event.forced = decision.forced;
  event.no_explore = query.no_explore;
  event.observed = decision.observed;
  if (decision.observed) event.advised = decision.ranked[decision.advised].model;
  if (decision.incumbent) event.incumbent = decision.ranked[*decision.incumbent].model;
  event.followed = decision.followed;
  event.router_share = decision.router_share;
  event.eligible = decision.forced ? 0 : static_cast<std::uint32_t>(decision.ranked.size());
  // The best ones; the chosen one takes the last place when it is not among them.
  const std::size_t logged = std::min(decision.ranked.size(), kLoggedCandidatesMax);
  for (std::size_t i = 0; i < logged; ++i) {
    const bool last_place = i + 1 == logged && decision.chosen >= logged;
    const Candidate& candidate = decision.ranked[last_place ? decision.chosen : i];
    event.candidates.push_back({.model = candidate.model,
                                .probability = static_cast<float>(candidate.probability),
                                .quality = static_cast<float>(candidate.quality),
                                .cost_usd = static_cast<float>(candidate.cost_usd),
                                .utility = static_cast<float>(candidate.utility)});
  }
  for (std::size_t i = 0; i < std::min(decision.tasks.size(), event.tasks.capacity()); ++i) {
    event.tasks.push_back({decision.tasks[i].task, Short(decision.tasks[i].probability)});
  }
  return event;
}

}  // namespace pointsman::policy
