// What an embedder is worth for routing: bundles from the scores of three fifths of a
// table, differing in the embedder alone, judged by the true score of the model that
// their priors put first on the rest. POINTSMAN_DATA names the folder of the tables;
// `./dev fetch` brings the word vectors.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/unit_draw.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/bundle_builder.h"
#include "embed/static_vectors.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::bootstrap {
namespace {

// Mean true score over the test rows of the model that the prior puts first.
double RoutedScore(const Table& table, const std::vector<std::size_t>& test, const policy::Bundle& bundle) {
  const auto embedder = embed::EmbedderFor(bundle);
  EXPECT_TRUE(embedder.ok());
  double sum = 0;
  for (const std::size_t r : test) {
    const auto vector = (*embedder)->Embed(table.rows[r].query);
    const std::vector<float> embedding = vector.ok() ? vector.value() : std::vector<float>{};
    const auto membership = policy::FindMembership(bundle, embedding);
    const auto tasks = policy::RecogniseTasks(bundle, embedding);
    const auto head = policy::ProjectHead(bundle, embedding);
    std::size_t best = 0;
    double best_prior = -1;
    for (std::size_t c = 0; c < bundle.models.size(); ++c) {
      const double prior = policy::PriorQuality(bundle, static_cast<int>(c), membership.clusters, tasks, head);
      if (prior <= best_prior) continue;
      best_prior = prior;
      best = c;
    }
    sum += table.rows[r].models[best].score;
  }
  return sum / static_cast<double>(test.size());
}

TEST(EmbedderQuality, OfLsaAndGloVeOnRealTables) {
  const char* data = std::getenv("POINTSMAN_DATA");
  const char* source = std::getenv("POINTSMAN_SOURCE");
  const std::string vectors = std::string(source == nullptr ? "." : source) + "/build/cache/glove-100d.bin";
  if (data == nullptr || !std::filesystem::is_directory(data)) GTEST_SKIP() << "POINTSMAN_DATA names no folder";
  if (!std::filesystem::exists(vectors)) GTEST_SKIP() << "`./dev fetch` brings the word vectors";
  for (const char* name : {"mmlupro_dev.jsonl.gz", "llmrouter.jsonl.gz"}) {
    const auto table = ReadTable(std::string(data) + "/" + name);
    ASSERT_TRUE(table.ok());
    double mean[2] = {0, 0};
    double difference = 0;
    double squares = 0;
    constexpr int kSeeds = 3;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      std::vector<std::size_t> rows;
      for (std::size_t r = 0; r < table->rows.size(); ++r) {
        if (table->Complete(table->rows[r])) rows.push_back(r);
      }
      SplitMix64 random(static_cast<std::uint64_t>(seed));
      Shuffle(rows, random);
      const std::size_t train = rows.size() * 3 / 5;
      double scores[2];
      for (int which = 0; which < 2; ++which) {
        BuildOptions build;
        build.labels = Labels::kScores;
        build.task_types = false;
        build.rows.assign(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(train));
        if (which == 1) {
          build.make_embedder = [&](std::span<const std::string> texts) { return embed::MakeStatic(vectors, texts); };
        }
        const auto bundle = BuildBundle(table.value(), build);
        ASSERT_TRUE(bundle.ok()) << bundle.error().message;
        scores[which] =
            RoutedScore(table.value(), {rows.begin() + static_cast<std::ptrdiff_t>(train), rows.end()}, bundle.value());
        mean[which] += scores[which] / kSeeds;
      }
      difference += (scores[1] - scores[0]) / kSeeds;
      squares += (scores[1] - scores[0]) * (scores[1] - scores[0]) / kSeeds;
    }
    const double se = std::sqrt(std::max(squares - difference * difference, 0.0) / (kSeeds - 1));
    std::printf("%s: lsa %.4f, GloVe 100-d %.4f; difference %+.4f +- %.4f over %d seeds\n", name, mean[0], mean[1],
                difference, se, kSeeds);
    EXPECT_NEAR(mean[0], mean[1], 0.03) << "neither is useless";
  }
}

}  // namespace
}  // namespace pointsman::bootstrap
