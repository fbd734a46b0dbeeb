#include "policy/judgement/off_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "base/contract.h"
#include "policy/choice/utility.h"

namespace pointsman::policy {
namespace {

constexpr double kNormal95 = 1.959963984540054;
// Of the mass that the logged candidates leave: more than what rounding to floats does.
constexpr double kHiddenMassMin = 1e-5;

bool Truncated(const DecisionMade& made) { return made.eligible > kLoggedCandidatesMax; }

// The candidates that are logged whatever was drawn.
std::span<const LoggedCandidate> Visible(const DecisionMade& made) {
  const std::size_t count = made.candidates.size();
  return std::span(made.candidates.begin(), Truncated(made) && count > 0 ? count - 1 : count);
}

// What 1 on the scale of costs was; the log has it only inside the utilities. Where
// a budget's price is in them as well, or no cost, the dearest candidate is 1.
double ReferenceCost(const DecisionMade& made) {
  const auto seen = Visible(made);
  const auto dearest =
      std::max_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.cost_usd < b.cost_usd; });
  const double cost = dearest->cost_usd;
  const double quality = dearest->quality;
  if (made.lambda != 0 || made.weights.cost <= 0 || quality <= 0 || quality >= 1) return cost;
  const double share = (made.weights.quality * quality - dearest->utility) / made.weights.cost;
  return share > 0.01 && share < 1 ? cost / share : cost;
}

std::size_t Best(const DecisionMade& made, const std::optional<Weights>& weights) {
  if (!weights) return 0;
  const auto seen = Visible(made);
  const double reference = ReferenceCost(made);
  std::size_t best = 0;
  double highest = -1e300;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double utility = Utility(*weights, seen[i].quality, seen[i].cost_usd, reference);
    if (utility > highest) best = i;
    highest = std::max(highest, utility);
  }
  return best;
}

template <typename Field>
double MeanOf(std::span<const LoggedCandidate> seen, Field field) {
  double sum = 0;
  for (const LoggedCandidate& one : seen) sum += field(one);
  return sum / static_cast<double>(seen.size());
}

double Quality(const LoggedCandidate& one) { return one.quality; }
double Cost(const LoggedCandidate& one) { return one.cost_usd; }
double UtilityOf(const LoggedCandidate& one) { return one.utility; }

// Of the model that was chosen, which is logged even when it is not visible.
double OfChosen(const DecisionMade& made, double otherwise, double (*field)(const LoggedCandidate&)) {
  const auto at = std::find_if(made.candidates.begin(), made.candidates.end(),
                               [&](const auto& one) { return one.model == made.context.model; });
  return at == made.candidates.end() ? otherwise : field(*at);
}

// Of the log's own policy; what it gives to candidates that are not visible counts as
// their mean.
double LoggedMean(std::span<const LoggedCandidate> seen, double (*field)(const LoggedCandidate&)) {
  double listed = 0;
  double sum = 0;
  for (const LoggedCandidate& one : seen) {
    listed += one.probability;
    sum += one.probability * field(one);
  }
  return sum + (1 - listed) * MeanOf(seen, field);
}

}  // namespace

// Probabilities of the visible candidates, of all others together, and of the one
// that was chosen. `gap`: mass on what the log never could have done.
struct OffPolicyJudge::Choice {
  std::vector<double> visible;
  double hidden = 0;
  double chosen = 0;
  std::optional<std::size_t> chosen_at;  // among the visible
  double gap = 0;

  double Mean(std::span<const LoggedCandidate> seen, double (*field)(const LoggedCandidate&)) const {
    double sum = hidden * MeanOf(seen, field);
    for (std::size_t i = 0; i < seen.size(); ++i) sum += visible[i] * field(seen[i]);
    return sum;
  }
  double AtChosen(std::span<const LoggedCandidate> seen, double (*field)(const LoggedCandidate&)) const {
    return chosen_at ? field(seen[*chosen_at]) : MeanOf(seen, field);
  }
};

OffPolicyJudge::OffPolicyJudge(TargetPolicy target) : target_(std::move(target)) {
  REQUIRE(target_.epsilon >= 0 && target_.epsilon <= 1, "epsilon is a probability");
}

void OffPolicyJudge::Learn(const Event& event) {
  if (const auto* added = std::get_if<ModelAdded>(&event.payload)) {
    names_[added->id] = added->name;
    if (added->name == target_.model) target_ids_.push_back(added->id);
  } else if (const auto* gold = std::get_if<GoldGiven>(&event.payload)) {
    gold_[gold->context.decision] = {gold->value, gold->subject};
  } else if (const auto* rating = std::get_if<RatingGiven>(&event.payload)) {
    if (rating->subject != SubjectHash{}) raters_[rating->context.decision] = rating->subject;
  } else if (const auto* taken = std::get_if<Retracted>(&event.payload)) {
    if (taken->channel == 0) gold_.erase(taken->context.decision);
  } else if (const auto* excluded = std::get_if<SubjectExcluded>(&event.payload)) {
    excluded_[excluded->subject] = true;
  } else if (const auto* included = std::get_if<SubjectIncluded>(&event.payload)) {
    excluded_.erase(included->subject);
  }
}

const OffPolicyJudge::Gold* OffPolicyJudge::GoldOf(const DecisionMade& made) const {
  const auto found = gold_.find(made.context.decision);
  if (!made.gold_wanted || found == gold_.end() || excluded_.contains(found->second.subject)) return nullptr;
  return &found->second;
}

// A decision that no named subject rated is a cluster of its own.
OffPolicyJudge::Sums& OffPolicyJudge::ClusterOf(const DecisionId& decision) {
  const auto rater = raters_.find(decision);
  if (rater == raters_.end()) return clusters_.emplace_back();
  const auto [at, is_new] = cluster_by_subject_.try_emplace(rater->second.value, clusters_.size());
  return is_new ? clusters_.emplace_back() : clusters_[at->second];
}

OffPolicyJudge::Choice OffPolicyJudge::Choose(const DecisionMade& made) const {
  const auto seen = Visible(made);
  Choice choice;
  choice.visible.assign(seen.size(), 0.0);
  double hidden_logged = 1;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    hidden_logged -= seen[i].probability;
    if (seen[i].model == made.context.model) choice.chosen_at = i;
  }
  const auto is_target = [this](ModelId id) {
    return std::find(target_ids_.begin(), target_ids_.end(), id) != target_ids_.end();
  };
  if (made.forced) {  // any policy would have fallen back
    choice.visible[0] = 1;
  } else if (!target_.model.empty()) {
    const auto at = std::find_if(seen.begin(), seen.end(), [&](const auto& one) { return is_target(one.model); });
    if (at != seen.end()) {
      choice.visible[static_cast<std::size_t>(at - seen.begin())] = 1;
    } else {
      choice.hidden = 1;
      if (Truncated(made) && is_target(made.context.model)) choice.chosen = 1;
    }
  } else if (target_.weights && Truncated(made)) {
    choice.hidden = choice.gap = 1;
    return choice;
  } else {
    const double epsilon = made.no_explore ? 0 : target_.epsilon;
    const double each = epsilon / static_cast<double>(std::max<std::uint32_t>(made.eligible, 1));
    for (double& one : choice.visible) one = each;
    choice.visible[Best(made, target_.weights)] += 1 - epsilon;
    choice.hidden = Truncated(made) ? each * static_cast<double>(made.eligible - seen.size()) : 0;
    choice.chosen = each;
  }
  if (choice.chosen_at) choice.chosen = choice.visible[*choice.chosen_at];
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (!(seen[i].probability > 0)) choice.gap += choice.visible[i];
  }
  if (!Truncated(made) || hidden_logged < kHiddenMassMin) choice.gap += choice.hidden;
  return choice;
}

void OffPolicyJudge::AddCost(const DecisionMade& made, const Choice& choice) {
  const auto seen = Visible(made);
  const double cost = OfChosen(made, choice.AtChosen(seen, Cost), Cost);
  counts_.logged_cost_usd += cost;
  counts_.cost_usd +=
      choice.Mean(seen, Cost) + choice.chosen / made.context.propensity * (cost - choice.AtChosen(seen, Cost));
}

Status OffPolicyJudge::Add(const Event& event) {
  const auto* made = std::get_if<DecisionMade>(&event.payload);
  if (made == nullptr) return {};
  const double propensity = made->context.propensity;
  if (!(propensity > 0 && propensity <= 1)) {
    return MakeError(Code::kDataLoss, "impossible_propensity",
                     "event " + std::to_string(event.seq.value) +
                         " chose a model with a probability that is not in (0,1]; run `pointsman check`");
  }
  if (!target_.model.empty() && target_ids_.empty()) {
    std::string known;
    for (const auto& [id, name] : names_) known += (known.empty() ? "" : ", ") + name;
    return MakeError(Code::kNotFound, "unknown_model",
                     "the log has no model \"" + target_.model + "\"; it has: " + known);
  }
  if (made->observed) return ++counts_.observed, Status();
  const auto seen = Visible(*made);
  if (seen.empty()) return ++counts_.without_candidates, Status();
  const double gold_probability = made->context.gold_probability;
  if (!(gold_probability > 0)) return ++counts_.without_gold_asked, Status();

  const Choice choice = Choose(*made);
  const double ratio = choice.chosen / propensity;
  ++counts_.decisions;
  counts_.forced += made->forced ? 1 : 0;
  counts_.asked += made->gold_wanted ? 1 : 0;
  counts_.support_gap += choice.gap;
  hidden_ += choice.hidden;
  ratio_ += ratio;
  squared_ratio_ += ratio * ratio;
  AddCost(*made, choice);

  Sums& sums = ClusterOf(made->context.decision);
  sums.rows += 1;
  sums.direct += choice.Mean(seen, Quality);
  sums.logged_direct += LoggedMean(seen, Quality);
  const double utility = choice.AtChosen(seen, UtilityOf);
  sums.utility += choice.Mean(seen, UtilityOf) - LoggedMean(seen, UtilityOf) +
                  (ratio - 1) * (OfChosen(*made, utility, UtilityOf) - utility);
  if (const Gold* gold = GoldOf(*made)) {
    const double residual = gold->value - choice.AtChosen(seen, Quality);
    const double weight = ratio / gold_probability;
    ++counts_.answered;
    sums.weight += weight;
    sums.weighted_reward += weight * gold->value;
    sums.correction += weight * residual;
    sums.logged_correction += residual / gold_probability;
    // The utilities hold the prediction that was not clipped.
    sums.utility_correction +=
        (ratio - 1) / gold_probability * made->weights.quality * (gold->value - made->context.predicted_quality);
    squared_weights_ += weight * weight;
    counts_.largest_weight = std::max(counts_.largest_weight, weight);
  }
  return {};
}

template <typename Part, typename Per>
ValueEstimate OffPolicyJudge::Estimate(Part part, Per per) const {
  double parts = 0;
  double total = 0;
  for (const Sums& sums : clusters_) {
    parts += part(sums);
    total += per(sums);
  }
  ValueEstimate estimate{.value = parts / total};
  double squares = 0;
  for (const Sums& sums : clusters_) {
    const double rest = part(sums) - estimate.value * per(sums);
    squares += rest * rest;
  }
  const double count = static_cast<double>(clusters_.size());
  estimate.error = std::sqrt(squares * count / (count - 1)) / total;
  estimate.low = estimate.value - kNormal95 * estimate.error;
  estimate.high = estimate.value + kNormal95 * estimate.error;
  return estimate;
}

Status OffPolicyJudge::Refusal(const Judgement& judgement) const {
  const auto refuse = [](const char* reason, const std::string& message) {
    return Status(MakeError(Code::kFailedPrecondition, reason, message));
  };
  const double count = static_cast<double>(judgement.decisions);
  if (judgement.decisions == 0) {
    return refuse("no_decisions",
                  "the log has no decision of its own whose gold could have been asked; route with gold_rate above "
                  "0 and judge again");
  }
  if (judgement.answered == 0) {
    return refuse("no_gold", "gold was asked for " + std::to_string(judgement.asked) + " of " +
                                 std::to_string(judgement.decisions) +
                                 " decisions and given for none of them; `pointsman gold next` lists what to label");
  }
  if (static_cast<double>(judgement.forced) > kForcedMax * count) {
    return refuse("mostly_forced", "the fallback answered " + std::to_string(judgement.forced) + " of " +
                                       std::to_string(judgement.decisions) +
                                       " decisions, which says nothing of a choice; widen the requests' limits");
  }
  // With support everywhere the mean of pi/p is 1; hidden candidates may lack it unseen.
  const double mean = ratio_ / count;
  const double error = std::sqrt(std::max(0.0, squared_ratio_ / count - mean * mean) / count);
  const bool unseen_gap = hidden_ > 0 && mean + 4 * error < 1 - kSupportGapMax;
  if (judgement.support_gap > kSupportGapMax || unseen_gap) {
    const double gap = unseen_gap ? std::max(judgement.support_gap, 1 - mean) : judgement.support_gap;
    return refuse("support_missing",
                  "in " + std::to_string(std::lround(100 * gap)) +
                      " % of the decisions this policy does what the log never could have done, or could not be "
                      "ranked among more than 8 models; log with audits or epsilon first");
  }
  if (judgement.effective_labels < kEffectiveLabelsMin) {
    return refuse("too_few_labels", "the gold labels weigh like " +
                                        std::to_string(std::lround(judgement.effective_labels)) + "; " +
                                        std::to_string(std::lround(kEffectiveLabelsMin)) +
                                        " are needed: label more, or log with more audits or epsilon");
  }
  double squares = 0;
  for (const Sums& sums : clusters_) squares += sums.rows * sums.rows;
  if (const double subjects = count * count / squares; subjects < kSubjectsMin) {
    return refuse("too_few_subjects", "the decisions come from so few subjects that they weigh like " +
                                          std::to_string(std::lround(subjects)) + "; an interval needs at least " +
                                          std::to_string(std::lround(kSubjectsMin)) +
                                          ": name the subjects of ratings, for each person their own");
  }
  return {};
}

Result<Judgement> OffPolicyJudge::Judge() const {
  Judgement judgement = counts_;
  judgement.subjects = clusters_.size();
  const double count = static_cast<double>(std::max<std::uint64_t>(judgement.decisions, 1));
  judgement.support_gap /= count;
  judgement.cost_usd /= count;
  judgement.logged_cost_usd /= count;
  double weights = 0;
  for (const Sums& sums : clusters_) weights += sums.weight;
  if (squared_weights_ > 0) judgement.effective_labels = weights * weights / squared_weights_;
  if (Status refusal = Refusal(judgement); !refusal.ok()) return refusal.error();

  const double answered = static_cast<double>(judgement.answered) / static_cast<double>(judgement.asked);
  judgement.largest_weight /= answered;
  const auto rows = [](const Sums& sums) { return sums.rows; };
  const auto ours = [answered](const Sums& sums) { return sums.direct + sums.correction / answered; };
  const auto theirs = [answered](const Sums& sums) { return sums.logged_direct + sums.logged_correction / answered; };
  judgement.ips = Estimate([answered](const Sums& sums) { return sums.weighted_reward / answered; }, rows);
  judgement.snips =
      Estimate([](const Sums& sums) { return sums.weighted_reward; }, [](const Sums& sums) { return sums.weight; });
  judgement.dr = Estimate(ours, rows);
  judgement.logged = Estimate(theirs, rows);
  judgement.difference = Estimate([&](const Sums& sums) { return ours(sums) - theirs(sums); }, rows);
  judgement.utility_difference =
      Estimate([answered](const Sums& sums) { return sums.utility + sums.utility_correction / answered; }, rows);
  return judgement;
}

}  // namespace pointsman::policy
