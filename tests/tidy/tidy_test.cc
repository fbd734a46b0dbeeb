#include "tests/tidy/tidy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace pointsman::tidy {
namespace {

namespace fs = std::filesystem;

// A small tree in a temporary directory that breaks what a test wants broken.
class Tidy : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tidyXXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  // The only finding's message, or a list of all.
  std::string Only() {
    const auto findings = CheckTree(root_.string());
    std::string all;
    for (const auto& finding : findings) all += finding.place + ": " + finding.message + "\n";
    return all;
  }

  fs::path root_;
};

constexpr const char* kContract = "// What it is for.\n// Threads: any.\n#pragma once\n";

TEST_F(Tidy, AcceptsACleanTree) {
  Write("policy/a.h", std::string(kContract) + "#include \"base/result.h\"\n");
  EXPECT_EQ(Only(), "");
}

TEST_F(Tidy, RefusesAnIncludeAgainstTheArrows) {
  Write("policy/a.cc", "#include \"store/store.h\"\n");
  EXPECT_NE(Only().find("policy/a.cc:1: arrow against the house"), std::string::npos) << Only();
}

TEST_F(Tidy, RefusesAClockInThePureFolder) {
  Write("policy/a.cc", "#include \"base/clock.h\"\n");
  EXPECT_NE(Only().find("policy is pure"), std::string::npos) << Only();
}

TEST_F(Tidy, LetsACompositionRootSeeAll) {
  Write("daemon/app.cc", "#include \"store/bundle_file.h\"\n#include \"admin/http_server.h\"\n");
  EXPECT_EQ(Only(), "");
}

TEST_F(Tidy, RefusesAThirdPartyHeaderOutsideItsRoom) {
  Write("daemon/session.cc", "#include <rocksdb/db.h>\n");
  EXPECT_NE(Only().find("RocksDB belongs to store/"), std::string::npos) << Only();
}

TEST_F(Tidy, RefusesALinkAgainstTheArrows) {
  Write("policy/CMakeLists.txt", "pointsman_library(policy\n  SOURCES a.cc\n  LINKS pointsman_base pointsman_store)\n");
  EXPECT_NE(Only().find("policy may not link store"), std::string::npos) << Only();
}

TEST_F(Tidy, RefusesBannedCallsButNotTheirMention) {
  Write("embed/a.cc", "// std::rand is banned\nconst char* text = \"std::rand()\";\nint x = std::rand();\n");
  const std::string all = Only();
  EXPECT_NE(all.find("embed/a.cc:3: banned call"), std::string::npos) << all;
  EXPECT_EQ(all.find("embed/a.cc:1"), std::string::npos) << all;
  EXPECT_EQ(all.find("embed/a.cc:2"), std::string::npos) << all;
}

TEST_F(Tidy, RefusesUnfinishedWorkAndPathsOfOneMachine) {
  Write("embed/a.cc", std::string("// TO") + "DO later\nconst char* path = \"/ho" + "me/me/x\";\n");
  const std::string all = Only();
  EXPECT_NE(all.find("embed/a.cc:1: unfinished work"), std::string::npos) << all;
  EXPECT_NE(all.find("embed/a.cc:2: a path of one machine"), std::string::npos) << all;
}

TEST_F(Tidy, RefusesAHeaderWithoutAContract) {
  Write("embed/a.h", "#pragma once\n");
  EXPECT_NE(Only().find("begins with its contract"), std::string::npos) << Only();
}

TEST_F(Tidy, RefusesAFunctionOfMoreThanSeventyLines) {
  std::string body = "void Long() {\n";
  for (int i = 0; i < 70; ++i) body += "  Step();\n";
  Write("embed/a.cc", body + "}\n");
  EXPECT_NE(Only().find("function of 72 lines"), std::string::npos) << Only();
}

TEST_F(Tidy, RefusesAFileOfMoreThanSixHundredLines) {
  std::string text;
  for (int i = 0; i < 601; ++i) text += "int x" + std::to_string(i) + ";\n";
  Write("embed/a.cc", text);
  EXPECT_NE(Only().find("more than 600 lines"), std::string::npos) << Only();
}

TEST_F(Tidy, RefusesALongMain) {
  std::string text;
  for (int i = 0; i < 41; ++i) text += "int x" + std::to_string(i) + ";\n";
  Write("daemon/main.cc", text);
  EXPECT_NE(Only().find("main is at most 40 lines"), std::string::npos) << Only();
}

TEST(TidyTree, TheProjectKeepsItsOwnRules) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  ASSERT_NE(source, nullptr) << "run by ctest, which sets POINTSMAN_SOURCE";
  const auto findings = CheckTree(source);
  for (const auto& finding : findings) ADD_FAILURE() << finding.place << ": " << finding.message;
}

}  // namespace
}  // namespace pointsman::tidy
