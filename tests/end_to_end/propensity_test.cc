// Propensities through the real socket: two hundred thousand decisions while snapshots
// are swapped and prices change, judged by the probability-integral transform.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

constexpr std::uint64_t kSeed = 20'261'122;
constexpr int kBatch = 250;
constexpr int kBatches = 400;  // for each kind
constexpr int kBins = 50;

// Decisions against the distributions that came with them.
struct Judged {
  std::vector<double> bins = std::vector<double>(kBins);  // of the transform
  std::map<std::string, double> chosen, expected, variance;
  double decisions = 0;
  std::set<std::uint64_t> prices;  // distinct expected costs seen of one model
  void Take(const wire::RouteReply& reply, double unit) {
    double before = 0;
    double mine = -1;
    double sum = 0;
    for (const auto& one : reply.ranked()) {
      if (mine < 0 && one.name() == reply.model()) mine = one.probability();
      if (mine < 0) before += one.probability();
      sum += one.probability();
      expected[one.name()] += one.probability();
      variance[one.name()] += one.probability() * (1 - one.probability());
      if (one.name() == "large") prices.insert(static_cast<std::uint64_t>(one.cost_usd() * 1e12));
    }
    ASSERT_NEAR(sum, 1, 1e-9);
    ASSERT_EQ(mine, reply.propensity()) << "what is told is what was drawn with";
    ASSERT_GT(mine, 0);
    const double place = std::min(before + unit * mine, 1 - 1e-12);
    bins[static_cast<std::size_t>(place * kBins)] += 1;
    chosen[reply.model()] += 1;
    decisions += 1;
  }
};

void Judge(const Judged& judged, const std::string& kind) {
  double chi_square = 0;
  const double each = judged.decisions / kBins;
  for (const double seen : judged.bins) chi_square += (seen - each) * (seen - each) / each;
  EXPECT_LT(chi_square, (kBins - 1) + 5 * std::sqrt(2.0 * (kBins - 1))) << kind << ", seed " << kSeed;
  for (const auto& [model, expected] : judged.expected) {
    const auto seen = judged.chosen.find(model);
    const double count = seen == judged.chosen.end() ? 0 : seen->second;
    EXPECT_NEAR(count, expected, 5 * std::sqrt(judged.variance.at(model)) + 1e-6) << kind << ": " << model;
  }
}

// Ratings on some of the batch, so that the belief moves and snapshots follow.
std::vector<wire::Rate> Opinions(const wire::RouteBatchReply& replies, SplitMix64& random) {
  std::vector<wire::Rate> opinions;
  for (const auto& item : replies.items()) {
    if (random.Unit() >= .05) continue;
    wire::Rate& rate = opinions.emplace_back();
    rate.set_token(item.reply().token());
    rate.set_source("thumbs");
    rate.set_value(random.Unit() < .5 ? 1 : 0);
  }
  return opinions;
}

class Kind : public ::testing::TestWithParam<const char*> {};

TEST_P(Kind, DecisionsThroughTheSocketFollowTheirPropensities) {
  const std::string kind = GetParam();
  Folder folder;
  const bool canary = kind == "canary";
  std::string config =
      BasicConfig(folder, canary ? "[rollout]\nmode = \"canary\"\nshare = 0.3\nincumbent = \"large\"\n" : "");
  const std::string sources = "sources = [\"thumbs\", \"judge\"]\n";
  config.replace(config.find(sources), sources.size(),
                 sources + "exploration = \"" + (canary ? "thompson" : kind) +
                     "\"\ngold_rate = 0.1\naudit_rate_start = 0.1\naudit_rate = 0.1\n");
  DaemonProcess daemon(folder, config);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  SplitMix64 random(kSeed);
  Judged judged;
  std::set<std::uint64_t> learned;
  for (int batch = 0; batch < kBatches; ++batch) {
    wire::RouteBatch request;
    for (int i = 0; i < kBatch; ++i) {
      wire::Route* route = request.add_routes();
      route->set_text("query");
      route->set_tokens_in(static_cast<std::uint32_t>(1 + random.Below(2000)));
      const double quality = .8 + .2 * random.Unit();
      route->mutable_weights()->set_quality(quality);
      route->mutable_weights()->set_cost(1 - quality);
    }
    auto replies = client->Call(request);
    ASSERT_TRUE(replies.ok()) << replies.failure().message;
    for (const auto& item : replies->items()) {
      ASSERT_TRUE(item.has_reply()) << item.error().message();
      judged.Take(item.reply(), random.Unit());
      if (HasFatalFailure()) return;
    }
    for (const auto& acknowledged : client->Pipeline(Opinions(*replies, random))) {
      ASSERT_TRUE(acknowledged.ok()) << acknowledged.failure().message;
    }
    if (batch % 10 == 5) {
      const double price = .5 + 4 * random.Unit();
      const HttpAnswer changed = Http(folder.File("a.sock"), "POST", "/v1/models/large/price",
                                      R"({"input_usd_per_million":)" + std::to_string(price) +
                                          R"(,"output_usd_per_million":)" + std::to_string(4 * price) + "}");
      ASSERT_EQ(changed.status, 200) << changed.body;
      auto status = client->Call(wire::Status());
      ASSERT_TRUE(status.ok());
      learned.insert(status->learned_sequence());
    }
  }
  EXPECT_EQ(judged.decisions, kBatch * kBatches);
  EXPECT_GT(learned.size(), 20U) << "snapshots must have been swapped meanwhile";
  EXPECT_GT(judged.prices.size(), 1000U);
  Judge(judged, kind);
}

INSTANTIATE_TEST_SUITE_P(Propensity, Kind, ::testing::Values("greedy_audits", "thompson", "canary"));

}  // namespace
}  // namespace pointsman::testing
