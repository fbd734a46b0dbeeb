// Preferences: what one tells, what a million tell, and that the fold takes out exactly
// what it put in. Vectors: computed apart from this code from cascal_meta_router C.5.
#include "policy/belief/preference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/unit_draw.h"
#include "policy/belief/state_codec.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

// Two or more models "A", "B", ... with prior .6, .5, .4 in clusters 1 to 3.
class Arena : public Harness {
 public:
  explicit Arena(std::size_t models = 2, std::size_t clusters = 3) : Harness({"thumbs", "arena"}) {
    std::vector<std::pair<std::string, double>> named;
    for (std::size_t m = 0; m < models; ++m)
      named.emplace_back(std::string(1, static_cast<char>('A' + m)), Prior(m + 1));
    AddBundle(PlainBundle(clusters, named));
    for (const auto& [name, prior] : named) AddModel(name);
    Activate(1, 1);
  }
  static double Prior(std::size_t model) { return .6 - .1 * static_cast<double>(model - 1); }

  // One query answered by two models; the decisions get ids `id` and `id` + 1.
  void Ask(std::uint32_t id, std::uint32_t a, std::uint32_t b, std::vector<std::pair<std::uint32_t, double>> clusters,
           double variance = .0125) {
    for (const auto& [offset, model] : {std::pair{0U, a}, std::pair{1U, b}}) {
      Decide(id + offset, model, clusters, Prior(model));
      Context(id + offset).predicted_quality = Prior(model);
      Context(id + offset).predicted_variance = variance;
    }
  }
  Code Prefer(std::uint32_t winner, std::uint32_t loser, double outcome = 1, std::uint32_t revision = 0,
              std::uint8_t channel = 2, std::uint64_t subject = 1) {
    PreferenceReport report;
    report.winner = policy::IdOf(winner);
    report.loser = policy::IdOf(loser);
    report.outcome = outcome;
    report.channel = channel;
    report.subject = SubjectHash{subject};
    report.revision = revision;
    const LogSeq seq{learner->state().last_seq.value + 1};
    auto attributed = AttributePreference(rows.at(winner), rows.at(loser), report, seq, now_us);
    if (!attributed.ok()) return attributed.error().code;
    if (attributed->payload.has_value()) {
      Add(*attributed->payload);
      rows[attributed->row.context.decision == policy::IdOf(winner) ? winner : loser] = attributed->row;
    }
    return attributed->code;
  }
  Estimate Of(const std::string& model, std::uint32_t cluster) const {
    return Read(*PublishOnce(), model, {{cluster, 1}}, Prior(static_cast<std::size_t>(model[0] - 'A' + 1)));
  }
};

TEST(Preference, TheWorkingObservationEqualsTheVectors) {
  struct Vector {
    double difference, variance, outcome, information, score;
  };
  for (const Vector& v : {Vector{0, 0, 1, 9, 3}, Vector{.1, .025, 1, 8.42708568595649, 3.08579753416458},
                          Vector{-.35, .01, .5, 3.87947645183733, .905040627589115},
                          Vector{2, .04, 0, .292770228477203, -5.65803131881851}}) {
    const WorkingPreference working = Linearise(v.difference, v.variance, v.outcome);
    EXPECT_NEAR(working.information, v.information, 1e-12 * v.information);
    EXPECT_NEAR(working.score, v.score, 1e-12);
  }
}

// C.5 at its own means: tau_D^2 = .05^2 + .1^2, v_b = 2 (.1^2 + .06^2).
TEST(Preference, OneMovesBothModelsAsTheMeanFieldFilterDoes) {
  Arena world;
  world.Ask(1, 1, 2, {{1, 1}});
  ASSERT_EQ(world.Prefer(1, 2), Code::kOk);
  EXPECT_NEAR(world.Of("A", 1).mean, .619472693508274, 1e-12);
  EXPECT_NEAR(world.Of("A", 1).variance, .0115855352861084, 1e-12);
  EXPECT_NEAR(world.Of("B", 1).mean, .480527306491726, 1e-12);
  EXPECT_GT(world.Of("A", 2).mean, .6) << "through the level of the model";
  EXPECT_LT(world.Of("A", 2).mean, world.Of("A", 1).mean);
}

TEST(Preference, ATieBetweenUnequalPredictionsDrawsThemTogether) {
  Arena world;
  world.Ask(1, 1, 2, {{1, 1}});
  world.Prefer(1, 2, .5);
  EXPECT_LT(world.Of("A", 1).mean, .6);
  EXPECT_GT(world.Of("B", 1).mean, .5);
}

TEST(Preference, WithoutAnyTheSnapshotIsAsItWas) {
  Arena world;
  world.Decide(1, 1, {{1, 1}}, .6);
  world.Report(1, 0, 1);
  EXPECT_FALSE(world.PublishOnce()->layout.preferences);
}

std::vector<double> Solve(std::vector<std::vector<double>> matrix, std::vector<double> right) {
  const std::size_t n = right.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = matrix[r][i] / matrix[i][i];
      for (std::size_t j = 0; j < n; ++j) matrix[r][j] -= factor * matrix[i][j];
      right[r] -= factor * right[i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) right[i] /= matrix[i][i];
  return right;
}

// Ratings, gold and preferences of one model against the dense Gaussian of
// (alpha, bias, D_1..D_K, bias_1..bias_K); the other side is read without preferences.
TEST(Preference, ManyEqualTheDenseGaussianGivenTheOtherSide) {
  SplitMix64 random(5);
  for (int round = 0; round < 20; ++round) {
    Arena world;
    constexpr std::size_t kClusters = 3;
    std::array<double, kClusters> gold_weight{};
    std::array<double, kClusters> gold_sum{};
    for (std::uint32_t id = 1; id <= 20; ++id) {
      const std::uint32_t model = 1 + static_cast<std::uint32_t>(random.Below(2));
      const std::uint32_t cluster = 1 + static_cast<std::uint32_t>(random.Below(kClusters));
      world.Decide(id, model, {{cluster, 1}}, Arena::Prior(model));
      const double value = random.Below(2) == 0 ? 0 : 1;
      world.Report(id, 0, value);
      if (model != 1) continue;
      gold_weight[cluster - 1] += 1;
      gold_sum[cluster - 1] += value - .6;
    }
    const auto before = world.PublishOnce();
    for (std::uint32_t id = 101; id <= 161; id += 2) {
      const double w = random.Unit();
      world.Ask(id, 1, 2, {{1 + static_cast<std::uint32_t>(random.Below(2)), w}, {3, 1 - w}});
      random.Below(2) == 0 ? world.Prefer(id, id + 1) : world.Prefer(id + 1, id);
    }
    // The other side's level and variances.
    const ModelView& other = *before->FindLive("B");
    double total = 0;
    for (const auto& [key, moments] : world.learner->state().preferences) total += moments.information;
    const std::size_t n = 2 + 2 * kClusters;
    std::vector<std::vector<double>> precision(n, std::vector<double>(n, 0));
    std::vector<double> score(n, 0);
    const auto observe = [&](const std::vector<std::pair<std::size_t, double>>& design, double weight, double value) {
      for (const auto& [i, a] : design) {
        for (const auto& [j, b] : design) precision[i][j] += weight * a * b;
        score[i] += weight * a * value;
      }
    };
    observe({{0, 1}}, 1 / .0025, 0);
    observe({{1, 1}}, 1 / .02, 0);
    for (std::size_t c = 0; c < kClusters; ++c) {
      const std::size_t d = 2 + c;
      const std::size_t b = 2 + kClusters + c;
      observe({{d, 1}, {0, -1}}, 1 / .01, 0);
      observe({{b, 1}, {1, -1}}, 1 / .0072, 0);
      if (gold_weight[c] > 0) observe({{d, 1}}, gold_weight[c] / .2, gold_sum[c] / gold_weight[c]);
      const auto at = world.learner->state().preferences.find(
          {ModelId{1}, ModelId{2}, 2, ClusterId{static_cast<std::uint32_t>(c + 1)}});
      if (at == world.learner->state().preferences.end()) continue;
      const PreferenceMoments& m = at->second;
      const ClusterBlock* block = before->clusters[c + 1].get();
      const CellReadout* cell = block == nullptr ? nullptr : block->Find(ModelId{2});
      const double gain = cell == nullptr ? 1 : cell->gain[0];
      const double level = (cell == nullptr ? 0 : cell->shift) + gain * other.mean[0];
      const double noise = 1 / m.information + (cell == nullptr ? .01 : cell->variance) +
                           gain * gain * other.covariance[0] * total / m.information;
      observe({{d, 1}, {b, 1}}, 1 / noise, level + (m.score - m.prior) / m.information);
    }
    const std::vector<double> mean = Solve(precision, score);
    for (std::size_t c = 0; c < kClusters; ++c) {
      const double expected = .6 + mean[2 + c];
      EXPECT_NEAR(world.Of("A", static_cast<std::uint32_t>(c + 1)).mean, expected, 1e-10) << "round " << round;
    }
  }
}

// However many come, and whatever ratings come with them: a preference source adds at
// most 1 / (2 tau_1^2) to what is known of a model's level, a rating source 1 / tau_1^2.
TEST(Preference, AMillionTellNoMoreThanTheBoundInOneCellAndOverAll) {
  for (const std::uint32_t clusters : {1U, 50U}) {
    for (const bool rated : {false, true}) {
      Arena world(2, clusters);
      std::uint32_t id = 1;
      for (std::uint32_t c = 1; c <= clusters; ++c) {
        world.Ask(id, 1, 2, {{c, 1}});
        world.Prefer(id, id + 1);
        if (rated) {
          world.Report(id, 1, 1);
          world.Report(id + 1, 1, 0);
        }
        id += 2;
      }
      const double times = 1e6 / clusters;
      State state = world.learner->state();
      for (auto& [key, m] : state.preferences) {
        for (double* sum : {&m.information, &m.score, &m.prior, &m.trust_model, &m.trust_other}) *sum *= times;
      }
      for (auto& [key, cell] : state.cells) {
        for (auto& [mask, m] : cell.patterns) {
          for (double* sum : {&m.weight, &m.overlap, &m.residual[1]}) *sum *= times;
        }
      }
      state.republish_all = true;
      Publisher publisher;
      const auto snapshot = publisher.Publish(state, world.learner->bundle());
      const ModelView& a = *snapshot->FindLive("A");
      const double bound = 1 / (1 / .0025 + (1 / .02) + (rated ? 1 / .01 : 0));
      EXPECT_GE(a.covariance[0], bound * (1 - 1e-9)) << clusters << " clusters, rated " << rated;
      EXPECT_LT(a.covariance[0], .0025);
      const CellReadout& cell = *snapshot->clusters[1]->Find(ModelId{1});
      EXPECT_GE(cell.variance, 1 / (1 / .01 + 1 / .0072 + (rated ? 1 / .0036 : 0)) * (1 - 1e-9));
      EXPECT_LE(std::abs(a.mean[0]), 1);
    }
  }
}

TEST(Preference, GoldLiftsTheBoundAndAPreferenceByGoldHasNoBias) {
  Arena biased;
  Arena gold;
  for (std::uint32_t id = 1; id < 400; id += 2) {
    biased.Ask(id, 1, 2, {{1, 1}});
    biased.Prefer(id, id + 1);
    gold.Ask(id, 1, 2, {{1, 1}});
    gold.Prefer(id, id + 1, 1, 0, 0);
  }
  EXPECT_LT(gold.Of("A", 1).variance, biased.Of("A", 1).variance);
  EXPECT_GT(gold.Of("A", 1).mean, biased.Of("A", 1).mean);
}

TEST(Preference, ARevisionIsAsIfItHadBeenSaidAtOnceAndAllOfThemTakenBackLeaveNothing) {
  Arena revised;
  Arena at_once;
  for (Arena* world : {&revised, &at_once}) {
    world->Ask(1, 1, 2, {{1, .75}, {3, .25}});
    world->Ask(3, 2, 1, {{3, 1}});
  }
  revised.Prefer(1, 2);
  revised.Prefer(3, 4);
  revised.Prefer(2, 1, 1, 1);
  at_once.Prefer(3, 4);
  at_once.Prefer(2, 1, 1, 1);
  const auto& a = revised.learner->state().preferences;
  const auto& b = at_once.learner->state().preferences;
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [key, moments] : a) {
    EXPECT_EQ(moments.rows, b.at(key).rows);
    EXPECT_NEAR(moments.score, b.at(key).score, 1e-12);
    EXPECT_NEAR(moments.information, b.at(key).information, 1e-12);
  }
  EXPECT_EQ(revised.Prefer(2, 1, 1, 1), Code::kDuplicateOk);
  EXPECT_EQ(revised.Prefer(1, 2, 1, 1), Code::kConflict);
}

TEST(Preference, GivenWhileFrozenItCountsWithItsNextWordOnly) {
  Arena world;
  world.Ask(1, 1, 2, {{1, 1}});
  world.Add(LearningSwitched{true});
  world.Prefer(1, 2);
  EXPECT_TRUE(world.learner->state().preferences.empty());
  EXPECT_EQ(world.learner->state().counters.not_folded, 1U);
  world.Add(LearningSwitched{false});
  world.Prefer(1, 2, .5, 1);
  const PreferenceMoments tie = world.learner->state().preferences.begin()->second;
  EXPECT_EQ(tie.rows, 1U);
  EXPECT_TRUE(world.learner->state().irregular_preferences.empty());
  // Revised twice under a freeze: what is taken out later is what the moments hold.
  world.Add(LearningSwitched{true});
  world.Prefer(2, 1, 1, 2);
  world.Add(LearningSwitched{false});
  world.Prefer(1, 2, .5, 3);
  EXPECT_EQ(world.learner->state().preferences.begin()->second.rows, 1U);
  EXPECT_NEAR(world.learner->state().preferences.begin()->second.score, tie.score, 1e-12);
}

TEST(Preference, ExcludedSubjectsSameModelsAndResetCellsMoveNothing) {
  Arena world;
  world.Ask(1, 1, 2, {{1, 1}});
  world.Ask(3, 1, 1, {{1, 1}});
  world.Prefer(3, 4);
  EXPECT_TRUE(world.learner->state().preferences.empty()) << "the same model twice";
  world.Prefer(1, 2);
  EXPECT_EQ(world.learner->state().preferences.size(), 1U);
  world.Add(CellReset{ClusterId{1}, ModelId{2}});
  EXPECT_TRUE(world.learner->state().preferences.empty());
  world.Prefer(2, 1, 1, 1);
  EXPECT_EQ(world.learner->state().preferences.begin()->second.rows, 1U) << "only the new word";
  world.Add(SubjectExcluded{SubjectHash{7}});
  world.Ask(5, 1, 2, {{2, 1}});
  world.Prefer(5, 6, 1, 0, 2, 7);
  EXPECT_EQ(world.learner->state().preferences.size(), 1U);
}

TEST(Preference, AnEpochOfEitherModelQuartersItAndAnActivationFoldsItAgain) {
  Arena world;
  world.Ask(1, 1, 2, {{1, 1}});
  world.Prefer(1, 2);
  const double before = world.learner->state().preferences.begin()->second.information;
  const std::int32_t base = world.learner->state().preferences.begin()->second.base;
  world.now_us += 1;
  world.Add(EpochDeclared{ModelId{2}});
  EXPECT_EQ(world.learner->state().preferences.begin()->second.base, base - 2);
  const auto rows = world.Rows();
  world.Activate(2, 1);
  EXPECT_EQ(world.learner->state().preferences.size(), 1U);
  const PreferenceMoments after = world.learner->state().preferences.begin()->second;
  EXPECT_EQ(std::ldexp(after.information, after.base), std::ldexp(before, base - 2));
  // Revised afterwards, exactly that is taken out.
  world.Prefer(2, 1, 1, 1);
  EXPECT_EQ(world.learner->state().preferences.begin()->second.rows, 1U);
  EXPECT_EQ(world.learner->state().preferences.begin()->second.information, after.information);
}

TEST(Preference, ItsRowsSurviveTheirBytes) {
  Arena world;
  world.Ask(1, 1, 2, {{1, .5}, {2, .5}});
  world.Ask(3, 1, 2, {{1, 1}});
  world.Prefer(1, 2);
  world.Add(LearningSwitched{true});
  world.Prefer(3, 4);
  State loaded;
  ForEachStateRow(world.learner->state(), [&](std::string_view key, std::string_view value) {
    ASSERT_TRUE(LoadStateRow(loaded, key, value).ok()) << key;
    EXPECT_EQ(StateRow(world.learner->state(), key), value) << key;
  });
  EXPECT_EQ(loaded.preferences, world.learner->state().preferences);
  EXPECT_EQ(loaded.irregular_preferences, world.learner->state().irregular_preferences);
  EXPECT_EQ(loaded.irregular_preferences.size(), 1U);
}

TEST(Preference, PublishingEveryEventEqualsPublishingOnceAtTheEnd) {
  Arena world(3);
  SplitMix64 random(9);
  std::shared_ptr<const Snapshot> often;
  for (std::uint32_t id = 1; id < 200; id += 2) {
    world.now_us += 1'000'000;
    const auto a = static_cast<std::uint32_t>(1 + random.Below(3));
    const auto b = static_cast<std::uint32_t>(1 + random.Below(3));
    world.Ask(id, a, b, {{1 + static_cast<std::uint32_t>(random.Below(3)), 1}});
    if (random.Below(3) == 0) world.Report(id, 1, random.Below(2) == 0 ? 0 : 1);
    if (random.Below(9) == 0) world.Report(id, 0, random.Below(2) == 0 ? 0 : 1);
    world.Prefer(id, id + 1);
    often = world.Publish();
  }
  const auto once = world.PublishOnce();
  for (std::size_t m = 0; m < 3; ++m) EXPECT_EQ(often->models[m].mean, once->models[m].mean);
  for (std::size_t c = 0; c < once->clusters.size(); ++c) {
    if (once->clusters[c] == nullptr) continue;
    for (const CellReadout& cell : once->clusters[c]->cells) {
      ASSERT_NE(often->clusters[c], nullptr);
      EXPECT_EQ(often->clusters[c]->Find(cell.model)->gain, cell.gain);
    }
  }
}

}  // namespace
}  // namespace pointsman::policy
