#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>

#include "base/unit_draw.h"
#include "bootstrap/job/bundle_builder.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::bootstrap {
namespace {

using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A made-up table: three topics, and models of known accuracy by topic.
struct Recipe {
  std::size_t rows = 360;
  std::size_t models = 9;
  bool answers = true;
  bool scores = true;
};

double Accuracy(std::size_t topic, std::size_t model) {
  return model % 3 == topic ? 0.9 : 0.35 + 0.03 * static_cast<double>(model);
}

Table MakeTable(const Recipe& recipe) {
  static const std::vector<std::vector<std::string>> kTopics = {
      {"enzyme", "protein", "membrane", "gene", "mitosis", "tissue", "neuron", "cell"},
      {"contract", "tort", "liability", "court", "plaintiff", "statute", "appeal", "evidence"},
      {"matrix", "integral", "polynomial", "derivative", "theorem", "vector", "eigenvalue", "convergence"}};
  SplitMix64 random(17);
  Table table;
  table.name = "made_up";
  for (std::size_t m = 0; m < recipe.models; ++m) table.models.push_back("model" + std::to_string(m));
  for (std::size_t i = 0; i < recipe.rows; ++i) {
    TableRow row;
    const std::size_t topic = i % 3;
    row.id = std::to_string(i);
    row.query = "Which of these";
    for (int word = 0; word < 9; ++word) row.query += " " + kTopics[topic][random.Below(8)];
    row.task = "topic" + std::to_string(topic);
    const auto truth = static_cast<char>('A' + random.Below(5));
    for (std::size_t m = 0; m < recipe.models; ++m) {
      const bool right = random.Unit() < Accuracy(topic, m);
      const char wrong = static_cast<char>('A' + random.Below(5));
      TableCell cell{true, recipe.scores ? (right ? 1.0 : 0.0) : kNan, kNan, 40, 100.0 + static_cast<double>(m), {}};
      if (recipe.answers) cell.answer = std::string(1, right ? truth : wrong);
      row.models.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

std::size_t BestByPrior(const policy::Bundle& bundle, const embed::Embedder& embedder, const std::string& query) {
  const auto vector = embedder.Embed(query);
  EXPECT_TRUE(vector.ok());
  const auto clusters = policy::FindMembership(bundle, *vector).clusters;
  const auto tasks = policy::RecogniseTasks(bundle, *vector);
  const auto head = policy::ProjectHead(bundle, *vector);
  std::size_t best = 0;
  double best_prior = -1;
  for (std::size_t m = 0; m < bundle.models.size(); ++m) {
    const double prior = policy::PriorQuality(bundle, static_cast<int>(m), clusters, tasks, head);
    if (prior > best_prior) {
      best_prior = prior;
      best = m;
    }
  }
  return best;
}

void ExpectSame(const policy::Bundle& a, const policy::Bundle& b) {
  EXPECT_EQ(a.embedder, b.embedder);
  EXPECT_EQ(a.embedder_model, b.embedder_model);
  EXPECT_EQ(a.models, b.models);
  EXPECT_EQ(a.centroids, b.centroids);
  EXPECT_EQ(a.cluster_names, b.cluster_names);
  EXPECT_EQ(a.cluster_sizes, b.cluster_sizes);
  EXPECT_EQ(a.skills, b.skills);
  EXPECT_EQ(a.membership_temperature, b.membership_temperature);
  EXPECT_EQ(a.background_similarity, b.background_similarity);
  EXPECT_EQ(a.anchors, b.anchors);
  EXPECT_EQ(a.task_names, b.task_names);
  EXPECT_EQ(a.task_weights, b.task_weights);
  EXPECT_EQ(a.task_bias, b.task_bias);
  EXPECT_EQ(a.task_quality, b.task_quality);
  EXPECT_EQ(a.task_share, b.task_share);
  EXPECT_EQ(a.head_basis, b.head_basis);
  EXPECT_EQ(a.head_loadings, b.head_loadings);
  EXPECT_EQ(a.head_bias, b.head_bias);
  EXPECT_EQ(a.head_share, b.head_share);
  EXPECT_EQ(a.mean_prior, b.mean_prior);
  EXPECT_EQ(a.widths, b.widths);
}

TEST(BundleBuilder, SameTableAndSeedGiveTheSameBundle) {
  const Table table = MakeTable({});
  BuildOptions options;
  options.seed = 5;
  const auto first = BuildBundle(table, options);
  const auto second = BuildBundle(table, options);
  ASSERT_TRUE(first.ok()) << first.error().message;
  ASSERT_TRUE(second.ok());
  ExpectSame(*first, *second);
}

TEST(BundleBuilder, AnswersAloneTellWhoIsGoodAtWhat) {
  const Table table = MakeTable({.rows = 600, .scores = false});
  const auto bundle = BuildBundle(table, {});
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  EXPECT_EQ(bundle->labels, "consensus");
  EXPECT_EQ(bundle->made_from, "table made_up (600 rows)");
  const auto embedder = embed::EmbedderFor(*bundle);
  ASSERT_TRUE(embedder.ok());
  EXPECT_EQ(BestByPrior(*bundle, **embedder, "gene enzyme neuron cell tissue") % 3, 0U);
  EXPECT_EQ(BestByPrior(*bundle, **embedder, "court appeal tort statute") % 3, 1U);
  EXPECT_EQ(BestByPrior(*bundle, **embedder, "matrix theorem vector integral") % 3, 2U);
  // 9 models and 600 rows of the crowd model: narrow widths.
  EXPECT_EQ(bundle->widths.model, 0.03);
  EXPECT_EQ(bundle->widths.source_cell, 0.05);
}

TEST(BundleBuilder, ConsensusNeverLooksAtScoresOrReferences) {
  Table table = MakeTable({});
  const auto with = BuildBundle(table, {});
  for (TableRow& row : table.rows) {
    row.gold = "A";
    for (TableCell& cell : row.models) cell.score = 1 - cell.score;
  }
  const auto without = BuildBundle(table, {});
  ASSERT_TRUE(with.ok() && without.ok());
  ExpectSame(*with, *without);
}

// How much easier the region of `query` looks than the whole, in the mean over the models.
double Ease(const Table& table, RowFilter filter, const std::string& query) {
  BuildOptions options;
  options.clusters_max = 3;
  options.task_types = false;
  options.filter = filter;
  const auto bundle = BuildBundle(table, options);
  EXPECT_TRUE(bundle.ok()) << bundle.error().message;
  const auto vector = (*embed::EmbedderFor(*bundle))->Embed(query);
  const auto clusters = policy::FindMembership(*bundle, *vector).clusters;
  const auto head = policy::ProjectHead(*bundle, *vector);
  double ease = 0;
  for (std::size_t m = 0; m < bundle->models.size(); ++m) {
    ease += policy::PriorQuality(*bundle, static_cast<int>(m), clusters, {}, head) - bundle->skill(0, m);
  }
  return ease / static_cast<double>(bundle->models.size());
}

TEST(BundleBuilder, RandomAnswersMakeARegionLookHardUnlessJunkIsFiltered) {
  const Table clean = MakeTable({.rows = 600, .models = 18, .scores = false});
  Table spoiled = clean;
  SplitMix64 random(3);
  for (std::size_t i = 0; i < spoiled.rows.size(); i += 6) {  // half of the first topic
    for (TableCell& cell : spoiled.rows[i].models)
      cell.answer = std::string(1, static_cast<char>('A' + random.Below(5)));
  }
  const std::string query = "gene enzyme neuron cell tissue";
  const double truth = Ease(clean, RowFilter::kNone, query);
  const double blurred = Ease(spoiled, RowFilter::kNone, query);
  const double filtered = Ease(spoiled, RowFilter::kJunk, query);
  EXPECT_LT(blurred, truth - .05);
  EXPECT_LT(std::abs(filtered - truth), std::abs(blurred - truth) / 2) << truth << " " << blurred << " " << filtered;
}

TEST(BundleBuilder, LabelledSkillsAreNearTheTruth) {
  const Table table = MakeTable({.rows = 900, .answers = false});
  BuildOptions options;
  options.labels = Labels::kScores;
  options.clusters_max = 3;
  const auto bundle = BuildBundle(table, options);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  ASSERT_EQ(bundle->cluster_count(), 3U);
  EXPECT_EQ(bundle->cluster_sizes, (std::vector<std::uint32_t>{900, 300, 300, 300}));
  for (std::size_t k = 1; k <= 3; ++k) {
    // The topic of a cluster is that of its first model of skill .9.
    std::size_t best = 0;
    for (std::size_t m = 1; m < 3; ++m) best = bundle->skill(k, m) > bundle->skill(k, best) ? m : best;
    // A wrong draw hits the truth by luck nowhere here: scores are of the draw itself.
    for (std::size_t m = 0; m < 9; ++m) EXPECT_NEAR(bundle->skill(k, m), Accuracy(best, m), 0.09) << k << " " << m;
  }
  EXPECT_EQ(bundle->labels, "scores");
}

TEST(BundleBuilder, TaskTypesComeFromTheTaskColumnAndMayBeTurnedOff) {
  const Table table = MakeTable({});
  const auto with = BuildBundle(table, {});
  ASSERT_TRUE(with.ok());
  EXPECT_THAT(with->task_names, ::testing::ElementsAre("topic0", "topic1", "topic2"));
  const auto embedder = embed::EmbedderFor(*with);
  const auto vector = (*embedder)->Embed("polynomial theorem eigenvalue matrix");
  const auto tasks = policy::RecogniseTasks(*with, *vector);
  ASSERT_FALSE(tasks.empty());
  EXPECT_EQ(tasks[0].task, 2U);
  EXPECT_GT(tasks[0].probability, 0.8);
  BuildOptions options;
  options.task_types = false;
  const auto without = BuildBundle(table, options);
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without->task_count(), 0U);
  EXPECT_EQ(without->task_share, 0);
}

TEST(BundleBuilder, NamesOfClustersAreSharedWordsAndNeverNumbers) {
  Table table = MakeTable({});
  table.rows[0].query += " zanzibar 4930117712345678";
  const auto bundle = BuildBundle(table, {});
  ASSERT_TRUE(bundle.ok());
  for (const std::string& name : bundle->cluster_names) {
    EXPECT_EQ(name.find("zanzibar"), std::string::npos);
    if (name.rfind("cluster ", 0) == 0) continue;
    EXPECT_EQ(name.find_first_of("0123456789"), std::string::npos) << name;
    EXPECT_LE(std::count(name.begin(), name.end(), ','), 2);
  }
}

TEST(BundleBuilder, MeanPriorIsTheMeanOverTheBootstrapQueries) {
  const Table table = MakeTable({.rows = 90});
  const auto bundle = BuildBundle(table, {});
  ASSERT_TRUE(bundle.ok());
  const auto embedder = embed::EmbedderFor(*bundle);
  double sum = 0;
  for (const TableRow& row : table.rows) {
    const auto vector = (*embedder)->Embed(row.query);
    sum += policy::PriorQuality(*bundle, 4, policy::FindMembership(*bundle, *vector).clusters,
                                policy::RecogniseTasks(*bundle, *vector), policy::ProjectHead(*bundle, *vector));
  }
  EXPECT_NEAR(bundle->mean_prior[4], sum / 90, 1e-9);
}

TEST(BundleBuilder, TokenStatisticsAreOfLogLengths) {
  const auto bundle = BuildBundle(MakeTable({.rows = 60}), {});
  ASSERT_TRUE(bundle.ok());
  EXPECT_NEAR(bundle->tokens[3].mean_log, std::log1p(103.0), 1e-12);
  EXPECT_EQ(bundle->tokens[3].rows, 60);
  EXPECT_GT(bundle->tokens[3].variance_log, 0);
}

TEST(BundleBuilder, AKeptEmbedderStaysByteForByte) {
  const Table table = MakeTable({});
  BuildOptions options;
  for (std::size_t i = 0; i < 180; ++i) options.rows.push_back(i);
  const auto old = BuildBundle(table, options);
  ASSERT_TRUE(old.ok());
  options.rows.clear();
  for (std::size_t i = 180; i < 360; ++i) options.rows.push_back(i);
  options.keep_embedder_of = &*old;
  const auto next = BuildBundle(table, options);
  ASSERT_TRUE(next.ok()) << next.error().message;
  EXPECT_EQ(next->embedder, old->embedder);
  EXPECT_EQ(next->embedder_model, old->embedder_model);
  EXPECT_TRUE(next->bridge.empty());
}

TEST(BundleBuilder, ARefittedEmbedderGetsABridgeFromTheOldAnchors) {
  const Table table = MakeTable({});
  BuildOptions options;
  for (std::size_t i = 0; i < 180; ++i) options.rows.push_back(i);
  auto old = BuildBundle(table, options);
  ASSERT_TRUE(old.ok());
  old->hash.bytes[0] = 7;
  options.rows.clear();
  for (std::size_t i = 180; i < 360; ++i) options.rows.push_back(i);
  options.bridge_from = &*old;
  const auto next = BuildBundle(table, options);
  ASSERT_TRUE(next.ok()) << next.error().message;
  EXPECT_EQ(next->bridge_from, old->hash);
  EXPECT_EQ(next->bridge.size(), old->anchor_count() * next->dimension());
}

TEST(BundleBuilder, AnEmbedderThatGivesNoVectorsIsLeftWithoutABridge) {
  policy::Bundle old = *BuildBundle(MakeTable({.rows = 60}), {});
  old.hash.bytes[0] = 7;
  for (const char* kind : {"caller", "static"}) {  // takes no text; its file is not there
    old.embedder.kind = kind;
    BuildOptions options;
    options.bridge_from = &old;
    const auto next = BuildBundle(MakeTable({.rows = 60}), options);
    ASSERT_TRUE(next.ok()) << next.error().message;
    EXPECT_TRUE(next->bridge.empty());
  }
}

TEST(BundleBuilder, ACallersEmbeddingCannotBeKeptForATableOfTexts) {
  policy::Bundle caller;
  caller.embedder.kind = "caller";
  caller.embedder.dimension = 8;
  BuildOptions options;
  options.keep_embedder_of = &caller;
  const auto bundle = BuildBundle(MakeTable({.rows = 30}), options);
  ASSERT_FALSE(bundle.ok());
  EXPECT_EQ(bundle.error().code, Code::kFailedPrecondition);
}

TEST(BundleBuilder, WhatIsMissingIsNamed) {
  const Table no_answers = MakeTable({.rows = 30, .answers = false});
  const auto consensus = BuildBundle(no_answers, {});
  ASSERT_FALSE(consensus.ok());
  EXPECT_EQ(consensus.error().code, Code::kInvalidArgument);
  EXPECT_THAT(consensus.error().message, HasSubstr("answer"));
  BuildOptions options;
  options.labels = Labels::kScores;
  EXPECT_THAT(BuildBundle(MakeTable({.rows = 30, .scores = false}), options).error().message, HasSubstr("score"));
  options.labels = Labels::kConsensus;
  options.rows = {3};
  EXPECT_THAT(BuildBundle(MakeTable({}), options).error().message, HasSubstr("there are 1"));
  options.rows = {1, 100'000};
  EXPECT_EQ(BuildBundle(MakeTable({}), options).error().code, Code::kOutOfRange);
}

TEST(BundleBuilder, SmallAndLopsidedTablesWork) {
  EXPECT_TRUE(BuildBundle(MakeTable({.rows = 2}), {}).ok());
  const auto one_model = BuildBundle(MakeTable({.rows = 60, .models = 1}), {});
  ASSERT_TRUE(one_model.ok()) << one_model.error().message;
  EXPECT_EQ(one_model->widths, policy::Widths{.common = 0.15});
  EXPECT_TRUE(BuildBundle(MakeTable({.rows = 60, .models = 2}), {}).ok());
  Table holes = MakeTable({.rows = 120});
  for (std::size_t i = 0; i < 120; ++i) {
    for (std::size_t m = 0; m < 9; ++m) {
      if ((i + m) % 4 == 0) holes.rows[i].models[m] = TableCell{false, kNan, kNan, kNan, kNan, {}};
      if ((i + m) % 7 == 0) holes.rows[i].models[m].answer = "N/A";
    }
  }
  EXPECT_TRUE(BuildBundle(holes, {}).ok());
  BuildOptions labelled;
  labelled.labels = Labels::kScores;
  EXPECT_TRUE(BuildBundle(holes, labelled).ok());
}

TEST(BundleBuilder, EqualQueriesDoNotBreakIt) {
  Table table = MakeTable({.rows = 90});
  for (TableRow& row : table.rows) row.query = "the very same question";
  const auto bundle = BuildBundle(table, {});
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  EXPECT_EQ(bundle->cluster_count(), 1U);
}

TEST(BundleBuilder, FreeTextAnswersAreGroupedByTheirWords) {
  Table table = MakeTable({.rows = 120});
  for (TableRow& row : table.rows) {
    for (TableCell& cell : row.models) cell.answer = "The answer, is " + cell.answer + cell.answer + "!";
  }
  const auto bundle = BuildBundle(table, {});
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  EXPECT_EQ(bundle->widths, policy::Widths{.common = 0.15}) << "plain EM does not earn narrow widths";
}

TEST(BundleBuilder, PublishedClustersAreAnOption) {
  BuildOptions options;
  options.cluster_method = ClusterMethod::kCascal;
  options.consensus = Consensus::kPublished;
  const auto bundle = BuildBundle(MakeTable({}), options);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  EXPECT_GE(bundle->cluster_count(), 3U);
  const auto again = BuildBundle(MakeTable({}), options);
  ExpectSame(*bundle, *again);
  options.labels = Labels::kScores;
  EXPECT_TRUE(BuildBundle(MakeTable({.answers = false}), options).ok());
}

TEST(BundleBuilder, ProgressNamesItsStages) {
  std::set<std::string> stages;
  BuildOptions options;
  options.progress = [&](std::string_view stage, std::uint64_t, std::uint64_t total) {
    stages.insert(std::string(stage));
    EXPECT_GT(total, 0U);
  };
  ASSERT_TRUE(BuildBundle(MakeTable({.rows = 30}), options).ok());
  EXPECT_THAT(stages, ::testing::IsSupersetOf({"embedder", "embed", "score", "cluster", "tasks", "prior"}));
}

// Real outcomes, where they are at hand: a static router from unlabelled answers.
TEST(BundleBuilder, RealAnswersGiveAStaticRouterAboveTheMeanModel) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  const char* data = std::getenv("POINTSMAN_DATA");
  const std::filesystem::path folder = data != nullptr
                                           ? std::filesystem::path(data)
                                           : std::filesystem::path(source != nullptr ? source : ".") / "../shared/data";
  const std::filesystem::path path = folder / "mmlupro_dev.jsonl.gz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << "; set POINTSMAN_DATA to the tables' folder";
  const auto table = ReadTable(path.string());
  ASSERT_TRUE(table.ok()) << table.error().message;
  std::vector<std::size_t> complete;
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    if (table->Complete(table->rows[i])) complete.push_back(i);
  }
  SplitMix64 random(0);
  Shuffle(complete, random);
  BuildOptions options;
  options.rows.assign(complete.begin(), complete.begin() + 1500);
  const auto bundle = BuildBundle(*table, options);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  const auto embedder = embed::EmbedderFor(*bundle);
  double routed = 0;
  double mean = 0;
  double count = 0;
  for (std::size_t rank = 1500; rank < complete.size(); rank += 3) {
    const TableRow& row = table->rows[complete[rank]];
    routed += row.models[BestByPrior(*bundle, **embedder, row.query)].score;
    for (const TableCell& cell : row.models) mean += cell.score / static_cast<double>(row.models.size());
    count += 1;
  }
  EXPECT_GT(routed / count, 0.64);
  EXPECT_GT(routed / count, mean / count + 0.1);
}

}  // namespace
}  // namespace pointsman::bootstrap
