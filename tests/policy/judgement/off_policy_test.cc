// Off-policy values against a simulated truth, and what is refused.
#include "policy/judgement/off_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/unit_draw.h"

namespace pointsman::policy {
namespace {

// A stream of requests over `models` models; model m's quality at difficulty x is
// known, what the log predicted is off by a bias of its own.
struct World {
  std::size_t models = 4;
  std::size_t decisions = 1500;
  double epsilon = 0.4;  // of the logging policy
  double gold_rate = 0.6;
  double answer_rate = 1;    // of asked gold
  std::size_t subjects = 0;  // 0: nobody rates; else each decision is one of theirs
  double subject_spread = 0;
};

double Truth(std::size_t model, double x) { return 0.3 + 0.1 * static_cast<double>(model % 5) * (0.4 + x); }
double Predicted(std::size_t model, double x) { return Truth(model, x) + (model % 2 == 0 ? .08 : -.06) + .05 * x; }
double CostOf(std::size_t model) { return 0.001 * static_cast<double>(model + 1); }

class Simulation {
 public:
  Simulation(const World& world, std::uint64_t seed) : world_(world), random_(seed) {
    for (std::size_t m = 0; m < world_.models; ++m) {
      Append(
          ModelAdded{.id = ModelId{static_cast<std::uint32_t>(m + 1)}, .name = "m" + std::to_string(m), .price = {}});
    }
    for (std::size_t u = 0; u < world_.subjects; ++u) moods_.push_back(world_.subject_spread * random_.Normal());
    for (std::size_t i = 0; i < world_.decisions; ++i) Decide(i);
  }

  // A request as it came, before anything was drawn.
  struct Row {
    double x = 0;
    double mood = 0;
    std::vector<LoggedCandidate> ranked{};
  };

  std::vector<Event> events;
  std::vector<Row> rows;

 private:
  void Append(Payload payload) { events.push_back({.seq = LogSeq{events.size() + 1}, .payload = std::move(payload)}); }

  void Decide(std::size_t i) {
    Row row{.x = random_.Unit()};
    const std::size_t who = world_.subjects == 0 ? 0 : static_cast<std::size_t>(random_.Below(world_.subjects));
    if (world_.subjects > 0) row.mood = moods_[who];
    for (std::size_t m = 0; m < world_.models; ++m) {
      const double quality = std::clamp(Predicted(m, row.x), 0.0, 1.0);
      const double utility = .5 * quality - .5 * CostOf(m) / CostOf(world_.models - 1);
      row.ranked.push_back({.model = ModelId{static_cast<std::uint32_t>(m + 1)},
                            .quality = static_cast<float>(quality),
                            .cost_usd = static_cast<float>(CostOf(m)),
                            .utility = static_cast<float>(utility)});
    }
    std::stable_sort(row.ranked.begin(), row.ranked.end(),
                     [](const auto& a, const auto& b) { return a.utility > b.utility; });
    const double each = world_.epsilon / static_cast<double>(world_.models);
    std::size_t chosen = 0;
    if (random_.Unit() < world_.epsilon) chosen = static_cast<std::size_t>(random_.Below(world_.models));
    for (std::size_t m = 0; m < world_.models; ++m) {
      row.ranked[m].probability = static_cast<float>(each + (m == 0 ? 1 - world_.epsilon : 0));
    }
    Log(i, who, row, chosen, each + (chosen == 0 ? 1 - world_.epsilon : 0));
    rows.push_back(row);
  }

  void Log(std::size_t i, std::size_t who, const Row& row, std::size_t chosen, double propensity) {
    DecisionMade made;
    std::memcpy(made.context.decision.bytes.data(), &i, sizeof(i));
    made.context.model = row.ranked[chosen].model;
    made.context.propensity = propensity;
    made.context.gold_probability = world_.gold_rate * (chosen == 0 ? 1 : .75);
    made.context.predicted_quality = row.ranked[chosen].quality;
    made.weights = {.quality = .5, .cost = .5};
    made.gold_wanted = random_.Unit() < made.context.gold_probability;
    made.eligible = static_cast<std::uint32_t>(world_.models);
    const std::size_t logged = std::min(world_.models, kLoggedCandidatesMax);
    for (std::size_t k = 0; k < logged; ++k) {
      made.candidates.push_back(row.ranked[k + 1 == logged && chosen >= logged ? chosen : k]);
    }
    const DecisionContext context = made.context;
    const bool wanted = made.gold_wanted;
    Append(std::move(made));
    if (world_.subjects > 0) {
      RatingGiven rating;
      rating.context = context;
      rating.subject = SubjectHash{who + 1};
      Append(std::move(rating));
    }
    if (!wanted || random_.Unit() >= world_.answer_rate) return;
    GoldGiven gold;
    gold.context = context;
    const double mean = std::clamp(Truth(context.model.value - 1, row.x) + row.mood, 0.0, 1.0);
    gold.value = random_.Unit() < mean ? 1 : 0;
    Append(std::move(gold));
  }

  World world_;
  SplitMix64 random_;
  std::vector<double> moods_;
};

Result<Judgement> JudgeLog(const std::vector<Event>& events, const TargetPolicy& target) {
  OffPolicyJudge judge(target);
  for (const Event& event : events) judge.Learn(event);
  for (const Event& event : events) {
    if (Status added = judge.Add(event); !added.ok()) return added.error();
  }
  return judge.Judge();
}

std::string ReasonOf(const Result<Judgement>& result) { return result.ok() ? "judged" : result.error().reason; }

// Expectation of what `target_of` picks, over fresh requests.
template <typename Pick>
double TrueValue(const World& world, Pick pick) {
  World large = world;
  large.decisions = 100'000;
  large.gold_rate = 0;
  large.subjects = 0;
  double sum = 0;
  const Simulation fresh(large, 424242);
  for (const auto& row : fresh.rows) sum += Truth(pick(row).model.value - 1, row.x);
  return sum / static_cast<double>(fresh.rows.size());
}

struct Coverage {
  double ips = 0;
  double snips = 0;
  double dr = 0;
  double dr_width = 0;
  double ips_width = 0;
};

Coverage Cover(const World& world, const TargetPolicy& target, double truth) {
  // With 200 runs the share itself would be off by 1.5 points; 4,000 gave .942 to .952.
  constexpr int kRuns = 800;
  Coverage share;
  const auto holds = [truth](const ValueEstimate& one) { return one.low <= truth && truth <= one.high ? 1. : 0.; };
  for (int run = 0; run < kRuns; ++run) {
    const Simulation log(world, 7000 + static_cast<std::uint64_t>(run));
    const auto judged = JudgeLog(log.events, target);
    EXPECT_TRUE(judged.ok()) << judged.error().message;
    if (!judged.ok()) return share;
    share.ips += holds(judged->ips) / kRuns;
    share.snips += holds(judged->snips) / kRuns;
    share.dr += holds(judged->dr) / kRuns;
    share.dr_width += (judged->dr.high - judged->dr.low) / kRuns;
    share.ips_width += (judged->ips.high - judged->ips.low) / kRuns;
  }
  std::printf("coverage ips %.3f snips %.3f dr %.3f; mean width ips %.4f dr %.4f\n", share.ips, share.snips, share.dr,
              share.ips_width, share.dr_width);
  return share;
}

void ExpectCovered(const Coverage& share) {
  for (const double one : {share.ips, share.snips, share.dr}) {
    EXPECT_GE(one, .93);
    EXPECT_LE(one, .97);
  }
}

const Weights kCheap{.quality = .1, .cost = .9};

TEST(OffPolicy, IntervalsCoverTheTruthOfOneModelAlways) {
  const World world{.decisions = 4000, .epsilon = .6};
  const double truth = TrueValue(world, [](const auto& row) {
    return *std::find_if(row.ranked.begin(), row.ranked.end(), [](const auto& one) { return one.model.value == 4; });
  });
  const Coverage share = Cover(world, {.model = "m3"}, truth);
  ExpectCovered(share);
  EXPECT_LT(share.dr_width, share.ips_width);
}

TEST(OffPolicy, IntervalsCoverTheTruthUnderOtherWeights) {
  const World world{.decisions = 3000, .epsilon = .8};
  const double truth = TrueValue(world, [](const auto& row) {
    return *std::max_element(row.ranked.begin(), row.ranked.end(), [](const auto& a, const auto& b) {
      const auto value = [](const auto& one) {
        return kCheap.quality * one.quality - kCheap.cost * one.cost_usd / .004;
      };
      return value(a) < value(b);
    });
  });
  ExpectCovered(Cover(world, {.weights = kCheap}, truth));
}

TEST(OffPolicy, IntervalsCoverTheTruthWhereOnlySomeCandidatesAreLogged) {
  const World world{.models = 12, .decisions = 3000, .epsilon = .8};
  const double greedy = TrueValue(world, [](const auto& row) { return row.ranked[0]; });
  std::size_t turn = 0;
  const double uniform = TrueValue(world, [&turn](const auto& row) { return row.ranked[turn++ % 12]; });
  ExpectCovered(Cover(world, {.epsilon = .5}, .5 * greedy + .5 * uniform));
}

TEST(OffPolicy, IntervalsCoverTheTruthWhenSubjectsDifferAndGoldIsLost) {
  const World world{.decisions = 2500, .answer_rate = .6, .subjects = 120, .subject_spread = .12};
  const double truth = TrueValue(world, [](const auto& row) { return row.ranked[0]; });
  ExpectCovered(Cover(world, {}, truth));
}

TEST(OffPolicy, TheDifferenceInUtilityIsCoveredAsWellAlsoWhereNotAllCandidatesAreLogged) {
  for (const std::size_t models : {4U, 12U}) {
    const World world{.models = models, .decisions = 2000, .epsilon = .6};
    const auto utility = [&](const LoggedCandidate& one, double x) {
      return .5 * Truth(one.model.value - 1, x) - .5 * CostOf(one.model.value - 1) / CostOf(models - 1);
    };
    World large = world;
    large.decisions = 100'000;
    large.gold_rate = 0;
    double truth = 0;
    const Simulation fresh(large, 424242);
    for (const auto& row : fresh.rows) {
      double mean = 0;
      for (const LoggedCandidate& one : row.ranked) mean += utility(one, row.x) / static_cast<double>(models);
      truth += .6 * (utility(row.ranked[0], row.x) - mean) / static_cast<double>(fresh.rows.size());
    }
    constexpr int kRuns = 400;
    double covered = 0;
    for (int run = 0; run < kRuns; ++run) {
      const Simulation log(world, 9000 + static_cast<std::uint64_t>(run));
      const auto judged = JudgeLog(log.events, {});
      ASSERT_TRUE(judged.ok()) << judged.error().message;
      const ValueEstimate& gain = judged->utility_difference;
      covered += gain.low <= truth && truth <= gain.high ? 1. / kRuns : 0;
    }
    std::printf("%zu models: coverage of the difference in utility %.3f\n", models, covered);
    EXPECT_GE(covered, .92) << models;
    EXPECT_LE(covered, .98) << models;
  }
}

TEST(OffPolicy, TheLogsOwnPolicyDiffersFromItselfByNothing) {
  const Simulation log({.decisions = 2000, .epsilon = .4}, 1);
  const auto judged = JudgeLog(log.events, {.epsilon = .4});
  ASSERT_TRUE(judged.ok()) << judged.error().message;
  EXPECT_NEAR(judged->difference.value, 0, 1e-6);
  EXPECT_NEAR(judged->difference.error, 0, 1e-6);
  EXPECT_NEAR(judged->cost_usd / judged->logged_cost_usd, 1, .05);
}

TEST(OffPolicy, OneModelAloneIsJudgedWithPropensitiesOfOne) {
  const Simulation log({.models = 1, .decisions = 800, .epsilon = 0}, 2);
  for (const TargetPolicy& target : {TargetPolicy{.model = "m0"}, TargetPolicy{}, TargetPolicy{.weights = kCheap}}) {
    const auto judged = JudgeLog(log.events, target);
    ASSERT_TRUE(judged.ok()) << judged.error().message;
    EXPECT_EQ(judged->support_gap, 0);
    EXPECT_NEAR(judged->difference.value, 0, 1e-9);
  }
}

TEST(OffPolicy, RefusesWhatALogWithoutExplorationNeverDid) {
  const Simulation log({.decisions = 3000, .epsilon = 0}, 3);
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {})), "judged");
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {.model = "m0"})), "judged");  // what it always did
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {.model = "m3"})), "support_missing");
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {.epsilon = .5})), "support_missing");
}

TEST(OffPolicy, RefusesOtherWeightsWhereNotAllCandidatesAreLogged) {
  const Simulation log({.models = 12, .decisions = 3000, .epsilon = .8}, 4);
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {.weights = kCheap})), "support_missing");
}

TEST(OffPolicy, RefusesAnImpossiblePropensityAsDamage) {
  for (const double bad : {0.0, -.5, 1.5, std::nan("")}) {
    Simulation log({.decisions = 10}, 5);
    std::get<DecisionMade>(
        std::find_if(log.events.begin(), log.events.end(),
                     [](const Event& event) { return std::holds_alternative<DecisionMade>(event.payload); })
            ->payload)
        .context.propensity = bad;
    EXPECT_EQ(ReasonOf(JudgeLog(log.events, {})), "impossible_propensity") << bad;
  }
}

TEST(OffPolicy, RefusesAnEmptyLogAndOneWithoutGold) {
  EXPECT_EQ(ReasonOf(JudgeLog({}, {})), "no_decisions");
  EXPECT_EQ(ReasonOf(JudgeLog(Simulation({.gold_rate = 0}, 6).events, {})), "no_decisions");
  EXPECT_EQ(ReasonOf(JudgeLog(Simulation({.answer_rate = 0}, 6).events, {})), "no_gold");
}

TEST(OffPolicy, RefusesTooFewLabelsTooFewSubjectsAndForcedAnswers) {
  EXPECT_EQ(ReasonOf(JudgeLog(Simulation({.decisions = 200}, 8).events, {})), "too_few_labels");
  EXPECT_EQ(ReasonOf(JudgeLog(Simulation({.subjects = 5}, 8).events, {})), "too_few_subjects");
  Simulation log({}, 8);
  for (Event& event : log.events) {
    if (auto* made = std::get_if<DecisionMade>(&event.payload)) made->forced = true;
  }
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {})), "mostly_forced");
}

TEST(OffPolicy, RefusesForLabelsWhereAModelIsPossibleButWasNeverDrawn) {
  const Simulation log({.decisions = 600, .epsilon = 1e-4}, 12);
  EXPECT_EQ(ReasonOf(JudgeLog(log.events, {.model = "m3"})), "too_few_labels");
}

TEST(OffPolicy, LeavesDecisionsOutThatTheCallerMade) {
  Simulation log({}, 13);
  std::uint64_t observed = 0;
  for (Event& event : log.events) {
    auto* made = std::get_if<DecisionMade>(&event.payload);
    if (made == nullptr || made->context.model == made->candidates[0].model) continue;
    made->observed = true;
    made->context.propensity = 1;
    ++observed;
  }
  const auto judged = JudgeLog(log.events, {});
  ASSERT_TRUE(judged.ok()) << judged.error().message;
  EXPECT_EQ(judged->observed, observed);
  EXPECT_EQ(judged->decisions + observed, log.rows.size());
}

TEST(OffPolicy, RefusesAModelThatTheLogDoesNotKnow) {
  const auto judged = JudgeLog(Simulation({}, 9).events, {.model = "gpt"});
  ASSERT_EQ(ReasonOf(judged), "unknown_model");
  EXPECT_NE(judged.error().message.find("m0, m1, m2, m3"), std::string::npos);
}

TEST(OffPolicy, LeavesRetractedExcludedAndUnaskedGoldOut) {
  Simulation log({}, 10);
  const auto before = JudgeLog(log.events, {});
  ASSERT_TRUE(before.ok());
  std::vector<Event> more;
  int touched = 0;
  for (const Event& event : log.events) {
    const auto* gold = std::get_if<GoldGiven>(&event.payload);
    if (gold == nullptr || touched == 2) continue;
    if (touched++ == 0) {
      Retracted taken;
      taken.context = gold->context;
      more.push_back({.seq = {}, .payload = taken});
    } else {
      GoldGiven other = *gold;
      other.subject = SubjectHash{77};
      more.push_back({.seq = {}, .payload = other});
      more.push_back({.seq = {}, .payload = SubjectExcluded{.subject = SubjectHash{77}}});
    }
  }
  for (const Event& event : log.events) {
    const auto* made = std::get_if<DecisionMade>(&event.payload);
    if (made == nullptr || made->gold_wanted) continue;
    GoldGiven unasked;
    unasked.context = made->context;
    more.push_back({.seq = {}, .payload = unasked});
  }
  log.events.insert(log.events.end(), more.begin(), more.end());
  const auto after = JudgeLog(log.events, {});
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->answered, before->answered - 2);
  log.events.push_back({.seq = {}, .payload = SubjectIncluded{.subject = SubjectHash{77}}});
  const auto included = JudgeLog(log.events, {});
  ASSERT_TRUE(included.ok());
  EXPECT_EQ(included->answered, before->answered - 1) << "who is included again is believed again";
}

}  // namespace
}  // namespace pointsman::policy
