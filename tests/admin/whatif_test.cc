// `pointsman whatif`: the real program on a real store.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/unit_draw.h"
#include "store/store.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

class WhatIf : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("POINTSMAN_BIN");
    program_ = bin == nullptr ? "" : std::string(bin) + "/pointsman";
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "no program at POINTSMAN_BIN";
    std::string pattern = (std::filesystem::temp_directory_path() / "pmwXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    std::filesystem::create_directory(directory_ + "/store");
    auto opened = store::OpenRocksStore({.directory = directory_ + "/store", .free_space_min_bytes = 16U << 20});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = std::move(opened).value();
  }
  void TearDown() override {
    store_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void Commit(std::vector<store::Request> requests) {
    std::vector<Result<store::Receipt>> outcomes;
    ASSERT_TRUE(store_->Commit(requests, 1'700'000'000'000'000, false, &outcomes).ok());
    for (const auto& outcome : outcomes) ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  }

  // Two models, drawn evenly; the second one is right in 9 of 10 cases, the first in 5.
  void RouteAndLabel(std::size_t count) {
    Commit({{.what = policy::Payload(policy::ModelAdded{.id = ModelId{1}, .name = "alpha", .price = {1, 2}})},
            {.what = policy::Payload(policy::ModelAdded{.id = ModelId{2}, .name = "beta", .price = {3, 4}})}});
    SplitMix64 random(11);
    std::vector<store::Request> decisions;
    std::vector<store::Request> labels;
    for (std::uint64_t i = 1; i <= count; ++i) {
      policy::DecisionMade made;
      std::memcpy(made.context.decision.bytes.data(), &i, sizeof(i));
      const auto chosen = static_cast<std::uint32_t>(random.Below(2));
      made.context.model = ModelId{chosen + 1};
      made.context.decided_at_us = 1'700'000'000'000'000;
      made.context.clusters.push_back({.cluster = kBackground, .weight = 1});
      made.context.propensity = .5;
      made.context.gold_probability = 1;
      made.gold_wanted = true;
      made.eligible = 2;
      made.expires_at_us = 1'800'000'000'000'000;
      made.candidates.push_back({ModelId{1}, .5F, .6F, .001F, .5F});
      made.candidates.push_back({ModelId{2}, .5F, .7F, .003F, .4F});
      decisions.push_back({.what = made});
      policy::FeedbackReport label;
      label.decision = made.context.decision;
      label.value = random.Unit() < (chosen == 1 ? .9 : .5) ? 1 : 0;
      labels.push_back({.what = label});
    }
    Commit(std::move(decisions));
    Commit(std::move(labels));
  }

  int Run(const std::string& policy, const std::string& flags, std::string* out, std::string* err = nullptr) {
    std::ofstream(directory_ + "/policy.toml") << policy;
    const std::string command = program_ + " whatif --policy " + directory_ + "/policy.toml --store " + directory_ +
                                "/store " + flags + " >" + directory_ + "/out 2>" + directory_ + "/err";
    const int status = std::system(command.c_str());
    const auto read = [](const std::string& path) {
      std::ostringstream text;
      text << std::ifstream(path).rdbuf();
      return text.str();
    };
    *out = read(directory_ + "/out");
    if (err != nullptr) *err = read(directory_ + "/err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string program_;
  std::string directory_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(WhatIf, JudgesAFixedModelOnTheStoredLog) {
  RouteAndLabel(1200);
  std::string out;
  EXPECT_EQ(Run("model = \"beta\"\n", "", &out), 75) << "while the store is held";
  store_.reset();
  ASSERT_EQ(Run("model = \"beta\"\n", "--json", &out), 0) << out;
  const json report = json::parse(out);
  EXPECT_EQ(report["decisions"], 1200);
  EXPECT_EQ(report["answered"], 1200);
  EXPECT_EQ(report["subjects"], 1200);
  for (const char* kind : {"ips", "snips", "dr"}) EXPECT_NEAR(report[kind]["value"].get<double>(), .9, .08) << kind;
  EXPECT_GT(report["difference"]["low"].get<double>(), .1);
  EXPECT_NEAR(report["cost_usd"].get<double>(), .003, 1e-6);
  ASSERT_EQ(Run("model = \"beta\"\n", "", &out), 0);
  EXPECT_NE(out.find("better than what was done"), std::string::npos) << out;
  ASSERT_EQ(Run("weights = \"cost\"\nexplore = \"epsilon\"\nepsilon = 0.1\n", "", &out), 0) << out;
  EXPECT_NE(out.find("worse than what was done"), std::string::npos) << out;
}

TEST_F(WhatIf, RefusesWithExitOneWhereTheLogCannotTell) {
  store_.reset();
  std::string out;
  ASSERT_EQ(Run("", "--json", &out), 1);
  EXPECT_EQ(json::parse(out)["error"]["reason"], "no_decisions");
}

TEST_F(WhatIf, RefusesAModelThatTheLogDoesNotKnow) {
  RouteAndLabel(10);
  store_.reset();
  std::string out;
  ASSERT_EQ(Run("model = \"gamma\"", "--json", &out), 1);
  EXPECT_EQ(json::parse(out)["error"]["reason"], "unknown_model");
}

TEST_F(WhatIf, RefusesAPolicyFileWithUnknownKeysByNameAndLine) {
  store_.reset();
  std::string out;
  std::string err;
  ASSERT_EQ(Run("weights = \"cost\"\nwieghts = 3\n", "", &out, &err), 78);
  EXPECT_NE(err.find("policy.toml:2: wieghts"), std::string::npos) << err;
  for (const char* bad :
       {"weights = \"best\"", "weights = { quality = 1 }", "epsilon = 0.1", "explore = \"epsilon\"",
        "explore = \"epsilon\"\nepsilon = 1.5", "model = \"a\"\nweights = \"cost\"", "model = 3", "explore = 7"}) {
    ASSERT_EQ(Run(bad, "--json", &out), 78) << bad;
    EXPECT_EQ(json::parse(out)["error"]["reason"], "bad_policy") << bad;
  }
  ASSERT_EQ(Run("explore = \"thompson\"", "--json", &out), 78);
  EXPECT_EQ(json::parse(out)["error"]["reason"], "not_judgeable");
  ASSERT_EQ(Run("model = = 1", "--json", &out), 78);
  EXPECT_EQ(json::parse(out)["error"]["reason"], "not_toml");
}

}  // namespace
}  // namespace pointsman::admin
