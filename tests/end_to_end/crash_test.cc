// Promises 1 and 2 under SIGKILL: what a client saw acknowledged is in the store,
// once, and the state is the fold of the log. tests/crash/crash_loop.h says what is
// compared after each kill. `./dev crash` runs the same loop for longer.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/crash/crash_loop.h"
#include "tests/crash/fault_points.h"

namespace pointsman::testing {
namespace {

void ExpectSound(const CrashReport& report, const CrashOptions& options) {
  EXPECT_TRUE(report.Sound()) << report.Line() << "\nseed " << options.seed << "; " << report.fault;
  EXPECT_EQ(report.kills, options.kills);
  EXPECT_GE(report.acknowledged_least, options.acknowledged_min);
}

TEST(Crash, NothingAcknowledgedIsLostOrDoubledBySigkillUnderLoad) {
  CrashOptions options;
  options.kills = 12;
  options.kills_per_store = 6;
  options.seed = 20'260'101;
  const CrashReport report = RunCrashLoop(options);
  ExpectSound(report, options);
  EXPECT_GT(report.hashes_compared_by_socket, 0);
  EXPECT_GT(report.sent_again, 0u);
}

TEST(FaultPoints, OfStoreAndDaemonAreAllDiedAt) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "POINTSMAN_SOURCE names the source tree";
  std::set<std::string> known(kFaultPoints.begin(), kFaultPoints.end());
  known.insert(kJobFaultPoints.begin(), kJobFaultPoints.end());
  known.insert(kStoreFaultPoints.begin(), kStoreFaultPoints.end());
  const std::regex point("FAULT_POINT\\(\"([a-z_.]+)\"\\)");
  std::set<std::string> found;
  for (const char* folder : {"store", "daemon"}) {
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(source) / folder)) {
      if (entry.path().extension() != ".cc") continue;
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const std::string all = text.str();
      for (std::sregex_iterator it(all.begin(), all.end(), point), end; it != end; ++it) found.insert((*it)[1]);
    }
  }
  EXPECT_EQ(found, known);
}

// docs/FAULTS.md names the test of each fault: `Suite.Name`.
TEST(FaultTable, NamesOnlyTestsThatExist) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "POINTSMAN_SOURCE names the source tree";
  const std::filesystem::path root(source);
  std::set<std::string> tests;
  const std::regex test("TEST(?:_F|_P)?\\((\\w+), (\\w+)\\)");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "tests")) {
    if (entry.path().extension() != ".cc") continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const std::string all = text.str();
    for (std::sregex_iterator it(all.begin(), all.end(), test), end; it != end; ++it) {
      tests.insert((*it)[1].str() + "." + (*it)[2].str());
    }
  }
  std::stringstream text;
  text << std::ifstream(root / "docs/FAULTS.md").rdbuf();
  const std::string table = text.str();
  const std::regex name("`([A-Z]\\w+\\.[A-Z]\\w+)`");
  std::size_t named = 0;
  for (std::sregex_iterator it(table.begin(), table.end(), name), end; it != end; ++it, ++named) {
    EXPECT_TRUE(tests.contains((*it)[1])) << (*it)[1];
  }
  EXPECT_GT(named, 50u);
}

#ifdef POINTSMAN_FAULT_POINTS
// The named places of a decision, a report, a checkpoint and an activation.
class CrashAt : public ::testing::TestWithParam<const char*> {};

TEST_P(CrashAt, WhatWasAcknowledgedStays) {
  CrashOptions options;
  options.kills = 2;
  options.seed = 7;
  options.point = GetParam();
  options.startup_kills = false;
  ExpectSound(RunCrashLoop(options), options);
}

std::string NameOf(const ::testing::TestParamInfo<const char*>& place) {
  std::string name = place.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Places, CrashAt, ::testing::ValuesIn(kFaultPoints), NameOf);
INSTANTIATE_TEST_SUITE_P(PlacesInTheJob, CrashAt, ::testing::ValuesIn(kJobFaultPoints), NameOf);
#endif

}  // namespace
}  // namespace pointsman::testing
