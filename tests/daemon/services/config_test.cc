// The configuration, the job's progress lines, the notifier and the metrics text.
#include "daemon/config.h"
#include "daemon/config_diff.h"
#include "daemon/config_text.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>

#include "daemon/boot_epoch.h"
#include "daemon/job.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"

namespace pointsman::daemon {
namespace {

TEST(Config, AnEmptyFileIsValid) {
  const auto config = ParseConfig("", "x.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->options.sources, std::vector<std::string>{"thumbs"});
  EXPECT_TRUE(policy::ValidateOptions(config->options).ok());
}

TEST(Config, TheShippedExampleIsValid) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "POINTSMAN_SOURCE is not set";
  const auto config = LoadConfig(std::string(source) + "/daemon/pointsman.toml");
  EXPECT_TRUE(config.ok()) << config.error().message;
}

TEST(Config, ReportsEveryFaultWithLineAndNearestKey) {
  const auto config = ParseConfig(
      "[store]\ndirectry = \"/x\"\n[learning]\ngold_rate = 2\nsources = 3\n[[models]]\nname = \"a\"\n"
      "[[models]]\nname = \"a\"\ninput_usd_per_million = \"cheap\"\n[sockets]\nroute = \"relative\"\n",
      "x.toml");
  ASSERT_FALSE(config.ok());
  const std::string& message = config.error().message;
  EXPECT_NE(message.find("x.toml:2: store.directry: unknown key; the nearest known one is \"directory\""),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("x.toml:4: learning.gold_rate: is 2; must be from 0 to 1"), std::string::npos) << message;
  EXPECT_NE(message.find("learning.sources"), std::string::npos) << message;
  EXPECT_NE(message.find("listed twice"), std::string::npos) << message;
  EXPECT_NE(message.find("models[1].input_usd_per_million: must be a number"), std::string::npos) << message;
  EXPECT_NE(message.find("absolute path"), std::string::npos) << message;
}

TEST(Config, GoldIsChosenAtRandomOrPlanned) {
  EXPECT_FALSE(ParseConfig("", "x.toml")->planned_gold);
  const auto planned = ParseConfig("[learning]\ngold_choice = \"planned\"\n", "x.toml");
  ASSERT_TRUE(planned.ok());
  EXPECT_TRUE(planned->planned_gold);
  EXPECT_TRUE(ParseConfig(ConfigText(planned.value()), "x.toml")->planned_gold);
  Config random = planned.value();
  random.planned_gold = false;
  EXPECT_EQ(NeedsRestart(random, planned.value()), std::vector<std::string>{"learning.gold_choice"});
  const auto wrong = ParseConfig("[learning]\ngold_choice = \"best\"\n", "x.toml");
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find("x.toml:2: learning.gold_choice: must be \"random\" or \"planned\""),
            std::string::npos);
}

TEST(Config, SaysWhereTheFileIsNotToml) {
  const auto config = ParseConfig("[store\n", "x.toml");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().message.find("x.toml:1: not valid TOML"), std::string::npos) << config.error().message;
}

TEST(Job, ProgressLinesComeBackAsTheyWent) {
  const auto parsed = ParseProgressLine(ProgressLine({"cluster", 3, 10, "a \"b\" \\ c"}));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->stage, "cluster");
  EXPECT_EQ(parsed->done, 3U);
  EXPECT_EQ(parsed->total, 10U);
  EXPECT_EQ(parsed->message, "a \"b\" \\ c");
  EXPECT_FALSE(ParseProgressLine("warning: something").has_value());
}

TEST(Notifier, SendsADatagramToAnAbstractSocket) {
  const std::string name = "pointsman-test-" + std::to_string(getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name.c_str());
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  EXPECT_TRUE(Notifier("@" + name, 0).Send("READY=1"));
  std::array<char, 64> got{};
  EXPECT_EQ(recv(descriptor, got.data(), got.size(), 0), 7);
  EXPECT_STREQ(got.data(), "READY=1");
  close(descriptor);
  EXPECT_FALSE(Notifier("", 0).Send("READY=1"));
}

TEST(BootEpoch, RisesWithEachStart) {
  std::string folder = (std::filesystem::temp_directory_path() / "pmXXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto first = NextBootEpoch(folder + "/boot_epoch");
  const auto second = NextBootEpoch(folder + "/boot_epoch");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(second.value(), (first.value() + 1) % kBootEpochs);
  std::filesystem::remove_all(folder);
}

TEST(Metrics, EverySeriesIsThereBeforeTheFirstRequest) {
  Metrics metrics;
  metrics.CountRequest(FrameKind::kRate);
  metrics.ObserveRoute(3e-5);
  const std::string text = metrics.Text({}, {});
  EXPECT_NE(text.find("pointsman_requests_total{kind=\"rate\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("pointsman_requests_total{kind=\"gold\"} 0"), std::string::npos);
  EXPECT_NE(text.find("pointsman_refused_total{code=\"DATA_LOSS\"} 0"), std::string::npos);
  EXPECT_NE(text.find("pointsman_route_seconds_count 1"), std::string::npos);
}

}  // namespace
}  // namespace pointsman::daemon
