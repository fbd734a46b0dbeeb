// The vectors of online_learner 1.9 and of cascal_meta_router C.2, to the printed
// digits.
#include <gtest/gtest.h>

#include "policy/belief/leaf.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

constexpr double kRelative = 1e-12;

void Near(double value, double expected, const char* what) {
  EXPECT_NEAR(value, expected, std::max(1e-15, kRelative * std::abs(expected))) << what;
}
#define NEAR(value, expected) Near(value, expected, #value)

const std::vector<double> kNoise = {.05, .032, .02, .032, .08, .018, .02, .018, .04};

// Models A (1) and B (2), clusters 0 to 3; decisions 1 to 6.
void Prepare(Harness& world, std::int64_t start, std::int64_t step) {
  Bundle bundle = PlainBundle(3, {{"A", .6}, {"B", .5}});
  world.now_us = start;
  world.AddBundle(bundle);
  world.AddModel("A");
  world.AddModel("B");
  world.Activate(1, 1);
  world.Add(Refitted{.noise = kNoise, .response = {.8, 1}});
  world.Decide(1, 1, {{1, .7}, {2, .3}}, .65, start);
  world.Decide(2, 1, {{1, 1}}, .70, start + step);
  world.Decide(3, 1, {{0, .5}, {2, .5}}, .50, start + 2 * step);
  world.Decide(4, 2, {{1, .6}, {2, .4}}, .55, start + 3 * step);
  world.Decide(5, 2, {{0, 1}}, .45, start + 4 * step);
  world.Decide(6, 1, {{1, .2}, {2, .8}}, .62, start + 5 * step);
}

struct Said {
  std::uint32_t id;
  std::uint8_t channel;
  double value;
};
const std::vector<Said> kReports = {{1, 1, 1},  {2, 1, 0},  {2, 0, .4}, {3, 2, .6}, {4, 1, 1},
                                    {4, 2, .7}, {5, 0, .3}, {6, 1, 1},  {6, 2, .9}, {4, 0, .9}};

void ReportAll(Harness& world) {
  for (const Said& said : kReports) ASSERT_EQ(world.Report(said.id, said.channel, said.value), Code::kOk);
}

TEST(Vectors, ReportsOfTheSpecGiveTheMomentsOfCellA1) {
  Harness world({"s1", "s2"});
  Prepare(world, 0, 0);
  ReportAll(world);
  EXPECT_EQ(world.Report(4, 0, .9), Code::kDuplicateOk);
  EXPECT_EQ(world.Report(4, 0, .8), Code::kConflict);
  const Cell& cell = world.learner->state().cells.at({ModelId{1}, ClusterId{1}});
  ASSERT_EQ(cell.patterns.size(), 3u);
  const PatternMoments& paired = cell.patterns.at(0b011);
  EXPECT_EQ(paired.rows, 1u);
  NEAR(paired.weight, 1);
  NEAR(paired.overlap, 1);
  NEAR(paired.prior, .1);
  NEAR(paired.prior_squared, .01);
  NEAR(paired.residual[0], -.3);
  NEAR(paired.residual[1], -.7);
  NEAR(paired.prior_residual[0], -.03);
  NEAR(paired.prior_residual[1], -.07);
  const PatternMoments& first = cell.patterns.at(0b010);
  NEAR(first.weight, .7);
  NEAR(first.overlap, .49);
  NEAR(first.prior, .035);
  NEAR(first.prior_squared, .00175);
  NEAR(first.residual[1], .245);
  NEAR(first.prior_residual[1], .01225);
  const PatternMoments& both = cell.patterns.at(0b110);
  NEAR(both.weight, .2);
  NEAR(both.overlap, .04);
  NEAR(both.prior, .004);
  NEAR(both.prior_squared, 8e-5);
  NEAR(both.residual[1], .076);
  NEAR(both.residual[2], .056);
  NEAR(both.prior_residual[1], .00152);
  NEAR(both.prior_residual[2], .00112);
}

TEST(Vectors, LeafOfCellA1) {
  Harness world({"s1", "s2"});
  Prepare(world, 0, 0);
  ReportAll(world);
  const State& state = world.learner->state();
  const NoiseTables noise = MakeNoiseTables(state.noise, 2);
  const LeafSums leaf = SumLeaf(state.cells.at({ModelId{1}, ClusterId{1}}), noise, {}, .6);
  const double information[3][3] = {{31.37085856999716, 10.661746451912006, 4.561891515994437},
                                    {10.661746451912006, 28.332716437106495, -1.2517385257301807},
                                    {4.561891515994437, -1.2517385257301807, 5.563282336578581}};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) NEAR(leaf.information(i, j), information[i][j]);
  }
  NEAR(leaf.trust[0], 2.4298257735504807);
  NEAR(leaf.trust[1], .6382886924791006);
  NEAR(leaf.trust[2], .09123783031988882);
  NEAR(leaf.trust_squared, .22043737568606);
  NEAR(leaf.score[0], -1.8612361852632842);
  NEAR(leaf.score[1], -.9313353373113826);
  NEAR(leaf.score[2], .926842837273992);
  NEAR(leaf.trust_score, -.4955645086515);
}

void CheckModel(const ModelView& view, const std::vector<double>& mean, const std::vector<double>& deviation) {
  for (std::size_t i = 0; i < 4; ++i) {
    NEAR(view.mean[i], mean[i]);
    NEAR(std::sqrt(view.covariance[i * kModelStateMax + i]), deviation[i]);
  }
}

void CheckCell(const Snapshot& snapshot, std::uint32_t cluster, std::uint32_t model, double shift, double variance,
               const std::vector<double>& gain) {
  const CellReadout* cell = snapshot.clusters[cluster]->Find(ModelId{model});
  ASSERT_NE(cell, nullptr);
  NEAR(cell->shift, shift);
  NEAR(cell->variance, variance);
  for (std::size_t i = 0; i < gain.size(); ++i) NEAR(cell->gain[i], gain[i]);
}

void CheckRead(const Snapshot& snapshot, const char* model, std::vector<std::pair<std::uint32_t, double>> clusters,
               double prior, double mean, double variance) {
  const Estimate estimate = Read(snapshot, model, clusters, prior);
  NEAR(estimate.mean, mean);
  NEAR(estimate.variance, variance);
}

TEST(Vectors, AllReportsAtOneTime) {
  Harness world({"s1", "s2"});
  Prepare(world, 0, 0);
  ReportAll(world);
  SwitchOverlapOff(world.learner->mutable_state());
  const auto snapshot = world.Publish();
  NEAR(snapshot->source_bias[0], .12491427128317);
  NEAR(snapshot->source_bias[1], .03868696616246);
  NEAR(snapshot->source_variance[0], .015135894368367);
  NEAR(snapshot->source_variance[1], .013613358196618);
  CheckModel(*snapshot->FindLive("A"), {.0058996852687844, .12636894496743, .064214108697683, -.090237881754422},
             {.047768666766771, .12379995615881, .12079097942802, .47836328596722});
  CheckModel(*snapshot->FindLive("B"), {.0078325171711606, .15468816541969, .022831565167853, .10278478498983},
             {.047705079978192, .14068812163436, .12724750301848, .4939628728488});
  CheckCell(*snapshot, 1, 1, -.014082920718895, .0076379809202204,
            {.76379809202204, -.074037918210136, -.034486583410586, -.018377508328445});
  CheckCell(*snapshot, 2, 1, .068550051365749, .0075158879217772,
            {.75158879217772, -.052711303320564, -.20624216516583, .0046678345662326});
  CheckCell(*snapshot, 0, 2, -.025, .0083333333333333, {.83333333333333, 0, 0, .0083333333333333});
  CheckRead(*snapshot, "A", {{1, .6}, {2, .4}}, .66, .66395561066687, .0062547595020435);
  CheckRead(*snapshot, "B", {{1, .5}, {3, .5}}, .50, .5245196043666, .0066296418756922);
  CheckRead(*snapshot, "B", {{0, 1}}, .45, .42724439826806, .010349103369493);
  CheckRead(*snapshot, "A", {{3, 1}}, .60, .60589968526878, .012281845524675);
}

TEST(Vectors, DecisionsOfDifferentDaysReadTwentyDaysAfterTheFirst) {
  Harness world({"s1", "s2"});
  // Decay is the same wherever time begins; with this beginning the reading time
  // (whole multiples of 14 d / 2000) falls on the twentieth day exactly.
  const std::int64_t start = 2858 * (14 * kDayUs / 2000) - 20 * kDayUs;
  Prepare(world, start, kDayUs);
  world.now_us = start + 6 * kDayUs;
  ReportAll(world);
  world.now_us = start + 20 * kDayUs;
  world.Add(Tick{});
  SwitchOverlapOff(world.learner->mutable_state());
  const auto snapshot = world.Publish();
  NEAR(snapshot->source_bias[0], .073410027820184);
  NEAR(snapshot->source_bias[1], .026986372841624);
  const ModelView& a = *snapshot->FindLive("A");
  const ModelView& b = *snapshot->FindLive("B");
  NEAR(a.mean[0], .00038758112606956);
  NEAR(a.mean[3], -.096189411967789);
  NEAR(b.mean[0], .0069359626247051);
  NEAR(b.mean[3], .089021287553952);
  CheckCell(*snapshot, 1, 1, -.028734039274976, .0082701748060505, {});
  CheckRead(*snapshot, "A", {{1, .6}, {2, .4}}, .66, .64825195432225, .0067925743032316);
  CheckRead(*snapshot, "B", {{1, .5}, {3, .5}}, .50, .52152262121785, .0067546643075647);
  CheckRead(*snapshot, "B", {{0, 1}}, .45, .43074830847484, .010731129615325);
  CheckRead(*snapshot, "A", {{3, 1}}, .60, .60038758112607, .012338027860281);
}

TEST(Vectors, TheOrderOfReportsDoesNotMatter) {
  SplitMix64 random(7);
  Harness reference({"s1", "s2"});
  Prepare(reference, 0, 0);
  ReportAll(reference);
  const auto expected = reference.Publish();
  for (int round = 0; round < 100; ++round) {
    std::vector<Said> order = kReports;
    Shuffle(order, random);
    Harness world({"s1", "s2"});
    Prepare(world, 0, 0);
    for (const Said& said : order) ASSERT_EQ(world.Report(said.id, said.channel, said.value), Code::kOk);
    const auto snapshot = world.Publish();
    for (const char* model : {"A", "B"}) {
      const Estimate want = Read(*expected, model, {{0, .2}, {1, .5}, {2, .3}}, .6);
      const Estimate got = Read(*snapshot, model, {{0, .2}, {1, .5}, {2, .3}}, .6);
      EXPECT_NEAR(got.mean, want.mean, 1e-13) << "round " << round;
      EXPECT_NEAR(got.variance, want.variance, 1e-13) << "round " << round;
    }
  }
}

// One cell of one model as C.2 has it: everything above the cell is fixed.
struct SingleCell {
  explicit SingleCell(double cell_width, double source, double source_cell, std::vector<double> noise) {
    world.options.widths_overridden = true;
    world.options.widths = {0, 0, cell_width, source, 0, source_cell};
    world.Add(OptionsChanged{world.options});
    world.AddBundle(PlainBundle(1, {{"A", .5}}));
    world.AddModel("A");
    world.Activate(1, 1);
    world.Add(Refitted{.noise = noise});
  }
  void Put(PatternMask mask, double rows, double gold_sum, double rating_sum) {
    PatternMoments& m = world.learner->mutable_state().cells[{ModelId{1}, ClusterId{1}}].patterns[mask];
    m.rows = 1;
    m.weight = m.overlap = rows;
    if ((mask & 1) != 0) m.residual[0] = gold_sum - .5 * rows;
    if ((mask & 2) != 0) m.residual[1] = rating_sum - .5 * rows;
    world.learner->mutable_state().republish_all = true;
  }
  Estimate Solve() { return Read(*world.Publish(), "A", {{1, 1}}, .5); }
  Harness world;
};

// Widths of 0 count as 1e-6 and the inputs have few digits; hence 1e-6 here.
TEST(Vectors, GoldAndRatingsWithoutPairsFollowTheConflictRule) {
  SingleCell cell(.12, 0, .06, {.04, .03, .03, .07});
  cell.Put(0b001, 10, 8, 0);
  cell.Put(0b010, 1e3, 0, 300);
  const Estimate estimate = cell.Solve();
  EXPECT_NEAR(estimate.mean, .7293193717278, 1e-10);
  EXPECT_NEAR(estimate.variance, .00309109947644, 1e-11);
  EXPECT_TRUE(cell.world.PublishOnce()->clusters[1]->cells[0].conflict);
}

TEST(Vectors, WithoutTheConflictRuleTheSourceStillPullsAsC2Says) {
  // Two gold labels do not trigger the rule; the closed form of C.2 for n_g = 2.
  SingleCell cell(.12, 0, .06, {.04, .03, .03, .07});
  cell.Put(0b001, 2, 1.6, 0);
  cell.Put(0b010, 1e3, 0, 300);
  const double rating = 1 / (.0036 + .07 / 1e3);
  const double precision = 1 / .0144 + 2 / .04 + rating;
  const Estimate estimate = cell.Solve();
  EXPECT_NEAR(estimate.variance, 1 / precision, 1e-11);
  EXPECT_NEAR(estimate.mean, (.5 / .0144 + 2 * .8 / .04 + .3 * rating) / precision, 1e-9);
}

TEST(Vectors, PairedGoldAndRatingsOfC2) {
  const struct {
    double ratings, mean, variance;
  } expected[] = {{0, .659090, .003097}, {1e3, .702117, .001970}, {1e5, .702652, .001956}, {1e7, .702657, .001955}};
  for (const auto& want : expected) {
    // b0 = .1 and V0 = .0136 are put into the ratings and into tau_2.
    SingleCell cell(.12, 0, std::sqrt(.0136), {.04, .03, .03, .07});
    cell.Put(0b011, 10, 7.0, 8.5 - 1.0);
    if (want.ratings > 0) cell.Put(0b010, want.ratings, 0, .8 * want.ratings);
    const Estimate estimate = cell.Solve();
    EXPECT_NEAR(estimate.mean, want.mean, 6e-7) << want.ratings;
    EXPECT_NEAR(estimate.variance, want.variance, 6e-7) << want.ratings;
  }
}

TEST(Vectors, OverlapTermOfSectionTwo) {
  Harness world;
  world.options.widths_overridden = true;
  world.options.widths = {0, 0, .1, .2, .1, .06};
  world.Add(OptionsChanged{world.options});
  world.AddBundle(PlainBundle(2, {{"A", .5}}));
  world.AddModel("A");
  world.Activate(1, 1);
  world.Add(Refitted{.noise = {.05, .02, .02, .08}});
  std::uint32_t id = 0;
  const auto add = [&](int rows, std::vector<std::pair<std::uint32_t, double>> clusters, double z) {
    for (int i = 0; i < rows; ++i) {
      world.Decide(++id, 1, clusters, .5);
      ASSERT_EQ(world.Report(id, 0, .5 + z), Code::kOk);
    }
  };
  add(20, {{1, .7}, {2, .3}}, .05);
  add(10, {{1, .2}, {2, .8}}, -.04);
  add(5, {{1, 1}}, .12);
  const auto snapshot = world.Publish();
  // The vector knows only own data: what the cells add to a fixed model.
  const CellReadout& one = snapshot->clusters[1]->cells[0];
  const CellReadout& two = snapshot->clusters[2]->cells[0];
  EXPECT_NEAR(one.shift, .046923076923077, 1e-12);
  EXPECT_NEAR(two.shift, -.0010526315789474, 1e-12);
  EXPECT_NEAR(one.variance, .0029183431952663, 1e-13);
  EXPECT_NEAR(two.variance, .0044952908587258, 1e-13);
  const Estimate estimate = Read(*snapshot, "A", {{1, .6}, {2, .4}}, .5);
  EXPECT_NEAR(estimate.mean - .5, .027732793522267, 1e-9);
  EXPECT_NEAR(estimate.variance, .001769850087692, 1e-9);
  SwitchOverlapOff(world.learner->mutable_state());
  EXPECT_NEAR(world.Publish()->clusters[1]->cells[0].variance, .0019230769230769, 1e-13);
}

}  // namespace
}  // namespace pointsman::policy
