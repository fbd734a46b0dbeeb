// What an embedder is worth for routing: bundles from the scores of three fifths of a
// table, differing in the embedder alone, judged by the true score of the model that
// their priors put first on the rest. POINTSMAN_DATA names the folder of the tables;
// `./dev fetch` brings the word vectors and the sentence encoder.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/unit_draw.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/bundle_builder.h"
#include "embed/http_embedder.h"
#include "embed/static_vectors.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

extern char** environ;

namespace pointsman::bootstrap {
namespace {

using Make = std::function<Result<embed::FittedEmbedder>(std::span<const std::string>)>;

std::string Cache(const std::string& name) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  return std::string(source == nullptr ? "." : source) + "/build/cache/" + name;
}

// Mean true score over the test rows of the model that the prior puts first.
double RoutedScore(const Table& table, const std::vector<std::size_t>& test, const policy::Bundle& bundle) {
  const auto embedder = embed::EmbedderFor(bundle);
  EXPECT_TRUE(embedder.ok());
  std::vector<std::string> texts;
  for (const std::size_t r : test) texts.push_back(table.rows[r].query);
  const auto vectors = (*embedder)->EmbedMany(texts);
  EXPECT_TRUE(vectors.ok());
  if (!vectors.ok()) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < test.size(); ++i) {
    const std::vector<float>& embedding = (*vectors)[i];
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
    sum += table.rows[test[i]].models[best].score;
  }
  return sum / static_cast<double>(test.size());
}

// Rows with every model's answer, shuffled; the first three fifths are fitted on.
std::vector<std::size_t> ShuffledRows(const Table& table, std::uint64_t seed) {
  std::vector<std::size_t> rows;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    if (table.Complete(table.rows[r])) rows.push_back(r);
  }
  SplitMix64 random(seed);
  Shuffle(rows, random);
  return rows;
}

// Routed score with lsa and with another embedder, on one split.
std::array<double, 2> Compared(const Table& table, std::uint64_t seed, const Make& other) {
  const std::vector<std::size_t> rows = ShuffledRows(table, seed);
  const auto train = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() * 3 / 5);
  std::array<double, 2> scores{};
  for (const std::size_t which : {0U, 1U}) {
    BuildOptions build;
    build.labels = Labels::kScores;
    build.task_types = false;
    build.rows.assign(rows.begin(), train);
    if (which == 1) build.make_embedder = other;
    const auto bundle = BuildBundle(table, build);
    EXPECT_TRUE(bundle.ok()) << bundle.error().message;
    if (bundle.ok()) scores[which] = RoutedScore(table, {train, rows.end()}, bundle.value());
  }
  return scores;
}

void CompareOnRealTables(const char* name, const Make& other, std::size_t rows_max) {
  const std::string data = std::getenv("POINTSMAN_DATA");
  for (const char* file : {"mmlupro_dev.jsonl.gz", "llmrouter.jsonl.gz"}) {
    auto table = ReadTable(data + "/" + file);
    ASSERT_TRUE(table.ok());
    if (table->rows.size() > rows_max) table->rows.resize(rows_max);
    double mean[2] = {0, 0};
    double squares = 0;
    constexpr int kSeeds = 3;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      const auto scores = Compared(table.value(), static_cast<std::uint64_t>(seed), other);
      for (const std::size_t which : {0U, 1U}) mean[which] += scores[which] / kSeeds;
      squares += (scores[1] - scores[0]) * (scores[1] - scores[0]) / kSeeds;
    }
    const double difference = mean[1] - mean[0];
    const double se = std::sqrt(std::max(squares - difference * difference, 0.0) / (kSeeds - 1));
    std::printf("%s: lsa %.4f, %s %.4f; difference %+.4f +- %.4f over %d seeds\n", file, mean[0], name, mean[1],
                difference, se, kSeeds);
    EXPECT_NEAR(mean[0], mean[1], 0.03) << "neither is useless";
  }
}

bool TablesAreThere() {
  const char* data = std::getenv("POINTSMAN_DATA");
  return data != nullptr && std::filesystem::is_directory(data);
}

TEST(EmbedderQuality, OfLsaAndGloVeOnRealTables) {
  const std::string vectors = Cache("glove-100d.bin");
  if (!TablesAreThere()) GTEST_SKIP() << "POINTSMAN_DATA names no folder";
  if (!std::filesystem::exists(vectors)) GTEST_SKIP() << "`./dev fetch` brings the word vectors";
  CompareOnRealTables(
      "GloVe 100-d", [&](std::span<const std::string> texts) { return embed::MakeStatic(vectors, texts); }, SIZE_MAX);
}

// tests/support/embedding_server.mjs; ends with this object.
class EncoderServer {
 public:
  EncoderServer() {
    std::array<int, 2> out{};
    std::array<int, 2> in{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(in.data(), O_CLOEXEC) != 0) return;
    const char* source = std::getenv("POINTSMAN_SOURCE");
    std::string node = "node";
    std::string script = std::string(source == nullptr ? "." : source) + "/tests/support/embedding_server.mjs";
    std::string folder = Cache("encoder");
    std::array<char*, 4> argv{node.data(), script.data(), folder.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (posix_spawnp(&pid_, "node", &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    stdin_ = in[1];
    for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) port_ += c;
    close(out[0]);
  }
  ~EncoderServer() {
    close(stdin_);
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  EncoderServer(const EncoderServer&) = delete;
  EncoderServer& operator=(const EncoderServer&) = delete;
  std::string BaseUrl() const { return "http://127.0.0.1:" + port_ + "/v1"; }
  bool Serves() const { return !port_.empty(); }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  std::string port_;
};

// The encoder takes up to 80 ms a text the first time.
constexpr std::size_t kEncoderRows = 3'000;

// A real model behind the real protocol: what `http` is worth is what its model is worth.
TEST(EmbedderQuality, OfASentenceEncoderBehindAnEndpointOnRealTables) {
  if (!TablesAreThere()) GTEST_SKIP() << "POINTSMAN_DATA names no folder";
  if (!std::filesystem::exists(Cache("encoder"))) GTEST_SKIP() << "`./dev fetch` brings the sentence encoder";
  const EncoderServer server;
  ASSERT_TRUE(server.Serves()) << "node and the encoder in build/cache/encoder";
  const embed::HttpEmbedderOptions endpoint{.base_url = server.BaseUrl(), .model = "use-lite", .key_env = ""};
  CompareOnRealTables(
      "sentence encoder 512-d", [&](std::span<const std::string>) { return embed::MakeHttpEmbedder(endpoint); },
      kEncoderRows);
}

}  // namespace
}  // namespace pointsman::bootstrap
