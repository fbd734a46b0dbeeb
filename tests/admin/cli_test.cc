// The program `pointsman` as a user runs it: the real binary, real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "admin/http_server.h"
#include "tests/admin/fake_ports.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class Cli : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("POINTSMAN_BIN");
    program_ = bin == nullptr ? "" : std::string(bin) + "/pointsman";
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "no program at POINTSMAN_BIN";
    std::string pattern = (std::filesystem::temp_directory_path() / "pmcXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    server_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  void StartDaemon() {
    HttpOptions options;
    options.socket_path = directory_ + "/admin.sock";
    auto started = HttpServer::Start(options, ports_, Role::kAdmin);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = std::move(started).value();
  }
  // Both sockets lie in this test's folder. `arguments` are shell words.
  Ran Run(const std::string& arguments, const std::string& input = "") {
    std::ofstream(directory_ + "/in") << input;
    const std::string command = "POINTSMAN_SOCKET=" + directory_ + "/route.sock POINTSMAN_ADMIN_SOCKET=" + directory_ +
                                "/admin.sock " + program_ + " " + arguments + " <" + directory_ + "/in >" + directory_ +
                                "/out 2>" + directory_ + "/err";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Contents(directory_ + "/out"), Contents(directory_ + "/err")};
  }

  std::string program_;
  std::string directory_;
  FakePorts ports_;
  std::unique_ptr<HttpServer> server_;
};

constexpr std::array kLeafVerbs = {"route",
                                   "outcome",
                                   "rate",
                                   "prefer",
                                   "gold",
                                   "retract",
                                   "ping",
                                   "status",
                                   "models list",
                                   "models tree",
                                   "models show",
                                   "models add",
                                   "models price",
                                   "models drain",
                                   "models retire",
                                   "clusters list",
                                   "clusters show",
                                   "generations list",
                                   "generations activate",
                                   "generations rollback",
                                   "bootstrap run",
                                   "bootstrap status",
                                   "bootstrap cancel",
                                   "explain",
                                   "compact",
                                   "freeze",
                                   "resume",
                                   "replay",
                                   "export",
                                   "check",
                                   "backup",
                                   "restore",
                                   "repair",
                                   "state at",
                                   "state diff",
                                   "config check",
                                   "eval"};

TEST_F(Cli, HelpNamesTheThreeFamiliesAndTheExitCodes) {
  const Ran ran = Run("--help");
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.out, HasSubstr("Client verbs"));
  EXPECT_THAT(ran.out, HasSubstr("Operator verbs"));
  EXPECT_THAT(ran.out, HasSubstr("Offline verbs"));
  EXPECT_THAT(ran.out, HasSubstr("69 daemon not reachable"));
}

TEST_F(Cli, TheHelpOfEveryVerbHasAnExampleThatNamesTheVerbAndJson) {
  for (const char* verb : kLeafVerbs) {
    const Ran ran = Run(std::string(verb) + " --help");
    EXPECT_EQ(ran.exit, 0) << verb;
    EXPECT_THAT(ran.out, HasSubstr(std::string("Example:\n  pointsman ") + verb)) << verb;
    EXPECT_THAT(ran.out, HasSubstr("--json")) << verb;
  }
}

TEST_F(Cli, WrongUsageIsTwoAndSaysSoOnStandardError) {
  for (const char* arguments : {"", "nonsense", "models", "rate", "rate d1_x", "route", "route x --weights 1",
                                "clusters show x", "bootstrap run --table t --labels guess", "status --nonsense"}) {
    const Ran ran = Run(arguments);
    EXPECT_EQ(ran.exit, 2) << arguments;
    EXPECT_EQ(ran.out, "") << arguments;
    EXPECT_NE(ran.err, "") << arguments;
  }
}

TEST_F(Cli, AMalformedTokenOrEmbeddingIsWrongUsageBeforeAnythingIsSent) {
  EXPECT_EQ(Run("rate d1_x 1 --source thumbs").exit, 2);
  EXPECT_EQ(Run("route --embedding -", "0.5 nan").exit, 2);
  EXPECT_EQ(Run("route --embedding -", "[1, 2, x]").exit, 2);
  EXPECT_EQ(Run("route --embedding -", "").exit, 2);
}

TEST_F(Cli, ADaemonThatIsNotThereIsSixtyNineForClientAndOperatorVerbs) {
  for (const char* verb : {"ping", "route hello", "status", "models list", "freeze"}) {
    const Ran ran = Run(std::string(verb) + " --json");
    EXPECT_EQ(ran.exit, 69) << verb << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("pointsman: ")) << verb;
    const json out = json::parse(ran.out, nullptr, false);
    ASSERT_TRUE(out.is_object()) << verb << ran.out;
    EXPECT_EQ(out["error"]["retry"], "after_backoff") << verb;
  }
}

TEST_F(Cli, EveryOperatorVerbPrintsOneJsonObject) {
  StartDaemon();
  for (const char* verb :
       {"status", "models list", "models tree", "models show alpha", "models add x --input-price 1 --output-price 2",
        "models price vendor/beta --input-price 1 --output-price 2", "models retire alpha", "clusters list",
        "clusters show 1", "generations list", "generations activate 2", "generations rollback",
        "bootstrap run --table t.jsonl", "bootstrap status", "explain 0123", "compact", "freeze", "resume"}) {
    const Ran ran = Run(std::string(verb) + " --json");
    EXPECT_EQ(ran.exit, 0) << verb << ran.err;
    EXPECT_TRUE(json::parse(ran.out, nullptr, false).is_object()) << verb << ran.out;
    EXPECT_EQ(ran.err, "") << verb;
  }
}

TEST_F(Cli, TablesAreForPeopleAndHoldNoEscapesWhereNoTerminalIs) {
  StartDaemon();
  for (const char* verb : {"status", "models list", "models tree", "models show alpha", "clusters list",
                           "clusters show 1", "generations list", "explain 0123", "bootstrap status"}) {
    const Ran ran = Run(verb);
    EXPECT_EQ(ran.exit, 0) << verb << ran.err;
    EXPECT_THAT(ran.out, Not(HasSubstr("\x1b"))) << verb;
    EXPECT_FALSE(json::accept(ran.out)) << verb;
  }
  EXPECT_THAT(Run("models list").out, HasSubstr("vendor/beta"));
  EXPECT_THAT(Run("models show alpha").out, HasSubstr("algebra"));
  EXPECT_THAT(Run("models show alpha").out, HasSubstr("'thumbs' are off by +0.125 +- 0.062"));
  EXPECT_THAT(Run("status").out, HasSubstr("warning: ratings stand on prior bias only"));
}

TEST_F(Cli, ARefusalOfTheDaemonKeepsItsCodeReasonAndExit) {
  StartDaemon();
  const Ran conflict = Run("models add alpha --input-price 1 --output-price 2 --json");
  EXPECT_EQ(conflict.exit, 1);
  EXPECT_EQ(json::parse(conflict.out)["error"]["reason"], "live_epoch");
  EXPECT_THAT(conflict.err, HasSubstr("retire it first"));
  EXPECT_EQ(Run("clusters show 77").exit, 1);
  EXPECT_EQ(Run("models show nobody").exit, 1);
}

TEST_F(Cli, BootstrapRunSendsAnAbsolutePathAndWaitShowsProgressOnStandardError) {
  StartDaemon();
  const Ran ran =
      Run("bootstrap run --table t.jsonl --labels scores --seed 7 --clusters 9 --no-activate --wait --json");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(json::parse(ran.out)["state"], "done");
  EXPECT_THAT(ran.err, HasSubstr("clusters"));
  const std::string expected = "bootstrap " + (std::filesystem::current_path() / "t.jsonl").string() + " scores 9 7";
  ASSERT_FALSE(ports_.calls().empty());
  EXPECT_EQ(ports_.calls().front().what, expected);
}

TEST_F(Cli, BootstrapRunSendsHowTheBundleIsToBeBuilt) {
  StartDaemon();
  EXPECT_EQ(Run("bootstrap run --table /t --method scaled --filter not-by-chance --recogniser dual").exit, 0);
  ASSERT_FALSE(ports_.calls().empty());
  EXPECT_EQ(ports_.calls().front().what, "bootstrap /t consensus 32 0 scaled not-by-chance dual activate");
  EXPECT_EQ(Run("bootstrap run --table /t --filter guess").exit, 2);
}

TEST_F(Cli, AConfigurationThatIsRightIsZeroAndOneThatIsWrongIsSeventyEight) {
  std::ofstream(directory_ + "/good.toml") << "";
  std::ofstream(directory_ + "/bad.toml") << "[store]\nno_such_key = 1\n[limits]\nconnections = -4\n";
  EXPECT_EQ(Run("config check " + directory_ + "/good.toml").exit, 0);
  const Ran bad = Run("config check " + directory_ + "/bad.toml");
  EXPECT_EQ(bad.exit, 78);
  EXPECT_THAT(bad.err, HasSubstr("no_such_key"));
  EXPECT_THAT(bad.err, HasSubstr("connections"));
  EXPECT_EQ(Run("config check " + directory_ + "/missing.toml").exit, 78);
}

TEST_F(Cli, OfflineVerbsOnAMissingStoreAreANegativeAnswer) {
  EXPECT_EQ(Run("replay --verify --store " + directory_ + "/none").exit, 1);
  EXPECT_EQ(Run("export --store " + directory_ + "/none").exit, 1);
}

}  // namespace
}  // namespace pointsman::admin
