// `pointsman replay --what-if`: the real program on a real store.
#include <gmock/gmock.h>
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
using ::testing::HasSubstr;

constexpr std::int64_t kStart = 1'700'000'000'000'000;

class ReplayWhatIf : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("POINTSMAN_BIN");
    program_ = bin == nullptr ? "" : std::string(bin) + "/pointsman";
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "no program at POINTSMAN_BIN";
    std::string pattern = (std::filesystem::temp_directory_path() / "pmrXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    std::filesystem::create_directory(directory_ + "/store");
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  // Two models at a prior of .5; alpha is right in 9 of 10 cases, beta in 1 of 10; half of
  // the decisions have gold. Ratings of source `judge` always say 1.
  void Fill(std::uint64_t decisions) {
    auto opened = store::OpenRocksStore({.directory = directory_ + "/store", .free_space_min_bytes = 16U << 20});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    if (decisions == 0) return;
    const auto commit = [&](std::vector<store::Request> requests) {
      std::vector<Result<store::Receipt>> outcomes;
      ASSERT_TRUE((*opened)->Commit(requests, kStart, false, &outcomes).ok());
      for (const auto& outcome : outcomes) ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    };
    policy::OptionsChanged options;
    options.options.sources = {"thumbs", "judge"};
    commit({{.what = policy::Payload(options)},
            {.what = policy::Payload(policy::ModelAdded{.id = ModelId{1}, .name = "alpha", .price = {1, 2}})},
            {.what = policy::Payload(policy::ModelAdded{.id = ModelId{2}, .name = "beta", .price = {3, 4}})}});
    SplitMix64 random(3);
    for (std::uint64_t i = 1; i <= decisions; ++i) {
      policy::DecisionMade made;
      std::memcpy(made.context.decision.bytes.data(), &i, sizeof(i));
      made.context.model = ModelId{static_cast<std::uint32_t>(i % 2 + 1)};
      made.context.decided_at_us = kStart;
      made.context.clusters.push_back({.cluster = kBackground, .weight = 1});
      made.context.prior = .5;
      made.context.propensity = .5;
      made.context.gold_probability = .5;
      made.eligible = 2;
      made.expires_at_us = 2 * kStart;
      commit({{.what = made}});
      policy::FeedbackReport report;
      report.decision = made.context.decision;
      report.channel = 2;
      report.value = 1;
      commit({{.what = report}});
      report.channel = 0;
      report.value = random.Unit() < (i % 2 == 0 ? .9 : .1) ? 1 : 0;
      if (i % 4 < 2) commit({{.what = report}});
    }
  }

  int Run(const std::string& file, const std::string& flags) {
    std::ofstream(directory_ + "/other.toml") << file;
    const std::string command = program_ + " replay --store " + directory_ + "/store " + flags + " >" + directory_ +
                                "/out 2>" + directory_ + "/err";
    const int status = std::system(command.c_str());
    const auto read = [](const std::string& path) {
      std::ostringstream text;
      text << std::ifstream(path).rdbuf();
      return text.str();
    };
    out_ = read(directory_ + "/out");
    err_ = read(directory_ + "/err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string Flag() const { return "--what-if " + directory_ + "/other.toml "; }

  std::string program_, directory_, out_, err_;
};

TEST_F(ReplayWhatIf, TheSameOptionsChangeNothingAndNothingIsWritten) {
  Fill(200);
  ASSERT_EQ(Run("", "--json"), 0) << err_;
  const std::string hash = json::parse(out_)["state_hash"];
  ASSERT_EQ(Run("[learning]\nsources = [\"thumbs\"]\n", Flag() + "--json"), 0) << err_;
  const json same = json::parse(out_);
  EXPECT_EQ(same["labels"], 100);
  EXPECT_EQ(same["rmse"], same["rmse_what_if"]) << "the log's numbers of sources stay, whatever the file names";
  EXPECT_EQ(same["squared_error_gain"], 0);
  EXPECT_EQ(same["decisions_with_another_leader"], 0);
  ASSERT_EQ(Run("", "--json"), 0);
  EXPECT_EQ(json::parse(out_)["state_hash"], hash);
}

TEST_F(ReplayWhatIf, WiderLevelsLearnFasterWhereThePriorIsWrong) {
  Fill(400);
  const std::string wide = "[learning]\nchange_detection = false\n[learning.widths]\nmodel = 0.5\n";
  ASSERT_EQ(Run(wide, Flag() + "--json"), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["labels"], 200);
  EXPECT_LT(report["rmse_what_if"], report["rmse"]);
  EXPECT_GT(report["squared_error_gain"], 2 * report["squared_error_gain_error"].get<double>());
  ASSERT_EQ(report["models"].size(), 2U);
  for (const json& model : report["models"]) {
    const bool good = model["model"] == "beta";  // even decisions
    EXPECT_EQ(good, model["level_what_if"] < model["level"]) << model;
  }
  EXPECT_EQ(report["alarms_what_if"], 0);
  ASSERT_EQ(Run(wide, Flag()), 0);
  EXPECT_THAT(out_, HasSubstr("gold labels scored before learnt"));
  EXPECT_THAT(out_, HasSubstr("of the latest 400 decisions would have another leading model"));
}

TEST_F(ReplayWhatIf, RefusesAnEmptyLogBadFilesAndOtherModes) {
  Fill(0);
  EXPECT_EQ(Run("", Flag()), 1);
  EXPECT_THAT(err_, HasSubstr("no_events"));
  EXPECT_EQ(Run("[learning]\ngold_rat = 1\n", Flag()), 78);
  EXPECT_THAT(err_, HasSubstr(":2: learning.gold_rat: unknown key; the nearest known one is \"gold_rate\""));
  EXPECT_EQ(Run("[learning]\ngold_rate = 7\n", Flag()), 78);
  EXPECT_EQ(Run("", Flag() + "--verify"), 2);
  EXPECT_EQ(Run("", "--what-if /nowhere.toml"), 1);
}

}  // namespace
}  // namespace pointsman::admin
