// Activation and rollback: evidence moves between bundles and comes back.
#include <gtest/gtest.h>

#include "policy/belief/prior.h"
#include "policy/learning/row_translation.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

std::vector<float> RandomUnitRows(std::size_t rows, std::size_t dimension, SplitMix64& random) {
  std::vector<float> matrix;
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<float> row;
    for (std::size_t j = 0; j < dimension; ++j) row.push_back(static_cast<float>(random.Normal()));
    EXPECT_TRUE(NormaliseEmbedding(row, dimension).ok());
    matrix.insert(matrix.end(), row.begin(), row.end());
  }
  return matrix;
}

Bundle VectorBundle(std::uint8_t number, std::uint8_t embedder, std::size_t clusters, std::size_t anchors) {
  constexpr std::size_t kDimension = 6;
  SplitMix64 random(number);
  Bundle bundle = PlainBundle(clusters, {{"A", .6}, {"B", .5}});
  bundle.hash = HashOf(number);
  bundle.embedder = {"caller", kDimension, {}};
  bundle.embedder.digest[0] = embedder;
  bundle.centroids = RandomUnitRows(clusters, kDimension, random);
  bundle.anchors = RandomUnitRows(anchors, kDimension, random);
  for (double& skill : bundle.skills) skill = random.Unit();
  bundle.task_names = {"t1", "t2"};
  bundle.task_weights = RandomUnitRows(2, kDimension, random);
  bundle.task_bias = {.1f, -.1f};
  bundle.task_quality = {.2, .4, .6, .8};
  bundle.membership_temperature = .3;
  return bundle;
}

struct House : Harness {
  House() {
    AddBundle(VectorBundle(1, 1, 4, 9));
    AddBundle(VectorBundle(2, 1, 7, 5));
    Bundle bridged = VectorBundle(3, 2, 3, 4);
    SplitMix64 random(33);
    bridged.bridge_from = HashOf(1);
    bridged.bridge = RandomUnitRows(9, 6, random);
    AddBundle(std::move(bridged));
    AddBundle(VectorBundle(4, 4, 3, 4));
    AddModel("A");
    AddModel("B");
    AddModel("C");  // in no bundle
    Activate(1, 1);
  }
  void Open(std::uint32_t first, std::uint32_t last, SplitMix64& random) {
    for (std::uint32_t id = first; id <= last; ++id) {
      now_us += kDayUs / 5;
      const double w = random.Unit();
      Decide(id, 1 + id % 3, {{1, w}, {3, 1 - w}}, random.Unit());
      const auto anchor = static_cast<std::uint32_t>(random.Below(7));
      Context(id).anchors = {{anchor, .5}, {anchor + 1, .3}, {anchor + 2, .2}};
    }
  }
  std::map<CellKey, Cell> cells() const { return learner->state().cells; }
};

TEST(Generations, ARowGoesWhereItsAnchorLies) {
  House house;
  house.Decide(1, 1, {{2, 1}}, .9);
  house.Context(1).anchors = {{4, 1}};
  ASSERT_EQ(house.Report(1, 1, 1), Code::kOk);
  house.Activate(2, 2);
  const Bundle& origin = *house.bundles.bundles.at(HashOf(1));
  const Bundle& live = *house.bundles.bundles.at(HashOf(2));
  const std::span<const float> anchor(origin.anchors.data() + 4 * 6, 6);
  const Membership image = FindMembershipExact(live, anchor);
  const double prior = PriorQuality(live, 0, image.clusters, RecogniseTasksExact(live, anchor));
  ASSERT_EQ(house.cells().size(), image.clusters.size());
  for (const ClusterWeight& entry : image.clusters) {
    const PatternMoments m = house.cells().at({ModelId{1}, entry.cluster}).patterns.at(0b010);
    EXPECT_NEAR(m.weight, entry.weight, 1e-15);
    EXPECT_NEAR(m.residual[1], entry.weight * (1 - prior), 1e-15);
    EXPECT_NEAR(m.prior, entry.weight * (prior - .6), 1e-15);
  }
}

// Rows of many generations: only the last few bundles stay at hand, and no answer changes.
TEST(Generations, ATranslatorHoldsFewOldBundlesAndTranslatesAsIfItHeldAll) {
  TestBundles catalogue;
  for (std::uint8_t number = 1; number <= 12; ++number) {
    catalogue.bundles[HashOf(number)] = std::make_shared<const Bundle>(VectorBundle(number, 1, 4, 9));
  }
  const auto live = std::make_shared<const Bundle>(VectorBundle(20, 1, 7, 5));
  RowTranslator translator(catalogue, HashOf(20), live);
  SplitMix64 random(5);
  for (int i = 0; i < 300; ++i) {
    DecisionContext context;
    context.bundle = HashOf(static_cast<std::uint8_t>(1 + random.Below(12)));
    context.anchors = {{static_cast<std::uint32_t>(random.Below(9)), 1}};
    const auto row = translator.Translate(context, {});
    const auto alone = RowTranslator(catalogue, HashOf(20), live).Translate(context, {});
    ASSERT_TRUE(row.ok() && alone.ok());
    ASSERT_EQ(row->prior, alone->prior) << i;
    ASSERT_EQ(row->clusters.size(), alone->clusters.size()) << i;
    ASSERT_EQ(row->clusters[0].weight, alone->clusters[0].weight) << i;
    long held = 0;
    for (const auto& [hash, bundle] : catalogue.bundles) held += bundle.use_count() - 1;
    ASSERT_LE(held, static_cast<long>(RowTranslator::kOriginsMax)) << i;
    ASSERT_EQ(translator.origins(), static_cast<std::size_t>(held)) << i;
  }
  EXPECT_EQ(translator.origins(), RowTranslator::kOriginsMax);
}

TEST(Generations, FeedbackAfterAnActivationIsAsIfItHadComeBefore) {
  for (const std::uint8_t target : {2, 3, 4}) {
    SplitMix64 random(1);
    House before;
    before.Open(1, 40, random);
    SplitMix64 again(1);
    House after;
    after.Open(1, 40, again);
    after.Activate(2, target);
    for (std::uint32_t id = 1; id <= 40; ++id) {
      const auto channel = static_cast<std::uint8_t>(id % 4 == 0 ? 0 : 1);
      const double value = id % 2;
      ASSERT_EQ(before.Report(id, channel, value), Code::kOk);
      ASSERT_EQ(after.Report(id, channel, value), Code::kOk);
    }
    before.Activate(2, target);
    EXPECT_EQ(before.cells(), after.cells()) << "bundle " << int{target};
    // Both go on alike: late gold of an old decision finds its row.
    ASSERT_EQ(before.Report(3, 0, 1), Code::kOk);
    ASSERT_EQ(after.Report(3, 0, 1), Code::kOk);
    EXPECT_EQ(before.cells(), after.cells());
  }
}

TEST(Generations, ARollbackRestoresTheCellsBitForBit) {
  SplitMix64 random(2);
  House house;
  house.Open(1, 40, random);
  for (std::uint32_t id = 1; id <= 40; ++id) ASSERT_EQ(house.Report(id, id % 3 == 0 ? 0 : 1, .5), Code::kOk);
  const auto original = house.cells();
  house.Activate(2, 2);
  EXPECT_NE(house.cells(), original);
  house.Activate(3, 1);
  EXPECT_EQ(house.cells(), original);
  ASSERT_EQ(house.learner->state().generations.size(), 3u);
  EXPECT_EQ(house.learner->state().generations[2].bundle, HashOf(1));
}

TEST(Generations, WithoutAnImageEvidenceLiesInTheBackgroundWithTheMeanPrior) {
  SplitMix64 random(3);
  House house;
  house.Open(1, 3, random);
  for (std::uint32_t id = 1; id <= 3; ++id) ASSERT_EQ(house.Report(id, 1, 1), Code::kOk);
  house.Activate(2, 4);
  ASSERT_EQ(house.cells().size(), 3u);
  for (const auto& [key, cell] : house.cells()) {
    EXPECT_EQ(key.cluster, kBackground);
    EXPECT_EQ(cell.patterns.at(0b010).prior, 0);
  }
}

TEST(Generations, FrozenAndExcludedFeedbackStaysOutOfTheNewCells) {
  SplitMix64 random(4);
  House house;
  house.Open(1, 4, random);
  ASSERT_EQ(house.Report(1, 1, 1), Code::kOk);
  house.Add(LearningSwitched{true});
  ASSERT_EQ(house.Report(2, 1, 1), Code::kOk);
  house.Add(LearningSwitched{false});
  house.Add(SubjectExcluded{SubjectHash{5}});
  ASSERT_EQ(house.Report(3, 1, 1, 0, 5), Code::kOk);
  const auto rows = [&house] {
    std::uint32_t sum = 0;
    for (const auto& [key, cell] : house.cells()) sum += cell.patterns.begin()->second.rows;
    return sum;
  };
  house.Activate(2, 1);
  EXPECT_EQ(rows(), 2u) << "one row in two cells";
  house.Add(SubjectIncluded{SubjectHash{5}});
  ASSERT_EQ(house.Report(4, 1, 1, 0, 5), Code::kOk);
  EXPECT_EQ(rows(), 4u);
  house.Activate(3, 1);
  EXPECT_EQ(rows(), 4u) << "folded again, what was said in between stays out";
  ASSERT_EQ(house.Report(2, 0, 1), Code::kOk);
  EXPECT_TRUE(house.cells().at({ModelId{3}, ClusterId{1}}).patterns.contains(0b011));
}

TEST(Generations, ACellResetHoldsOnlyUnderTheBundleItWasMadeUnder) {
  SplitMix64 random(5);
  House house;
  house.Open(1, 6, random);
  for (std::uint32_t id = 1; id <= 6; ++id) ASSERT_EQ(house.Report(id, 1, 1), Code::kOk);
  house.Add(CellReset{ClusterId{1}, ModelId{1}});
  const auto reset = house.cells();
  house.Activate(2, 2);
  double weight = 0;
  for (const auto& [key, cell] : house.cells()) {
    EXPECT_EQ(cell.reset_at, LogSeq{0});
    for (const auto& [mask, m] : cell.patterns) {
      if (key.model == ModelId{1}) weight += Decay(m, MakeTimeWeight(0, 14)).weight;
    }
  }
  EXPECT_GT(weight, 2);
  house.Activate(3, 1);
  EXPECT_EQ(house.cells(), reset);
}

TEST(Generations, ALearnerStartsFromItsCheckpointOnlyWithItsBundle) {
  House house;
  State state;
  for (const auto& [key, value] : house.Rows()) ASSERT_TRUE(LoadStateRow(state, key, value).ok());
  TestBundles none;
  EXPECT_EQ(Learner::Create(none, house.history, state).error().code, Code::kNotFound);
  EXPECT_TRUE(Learner::Create(house.bundles, house.history, state).ok());
}

}  // namespace
}  // namespace pointsman::policy
