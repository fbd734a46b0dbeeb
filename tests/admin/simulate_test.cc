// `pointsman simulate`: the real program, on files, and on a router that is not ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

namespace pointsman::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class SimulateProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("POINTSMAN_BIN");
    program_ = bin == nullptr ? "" : std::string(bin) + "/pointsman";
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "no program at POINTSMAN_BIN";
    const char* source = std::getenv("POINTSMAN_SOURCE");
    source_ = source == nullptr ? "." : source;
    std::string pattern = (std::filesystem::temp_directory_path() / "pmsXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  struct Ran {
    int code = -1;
    std::string out, err;
  };
  Ran Run(const std::string& flags) {
    const std::string command = "POINTSMAN_STARTER=" + source_ + "/bootstrap/starter " + program_ + " simulate " +
                                flags + " >" + directory_ + "/out 2>" + directory_ + "/err";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Read("out"), Read("err")};
  }
  std::string Write(const std::string& text) {
    std::ofstream(directory_ + "/s.toml") << text;
    return directory_ + "/s.toml";
  }
  std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(directory_ + "/" + name).rdbuf();
    return text.str();
  }

  std::string program_, source_, directory_;
};

TEST_F(SimulateProgram, RefusesUnknownKeysAndWrongTypesWithTheirLines) {
  const std::string file = Write(
      "name = \"x\"\nseedz = 2\n[truth]\ncell_deviation = \"a\"\n[[fault]]\nkind = \"late\"\nshare = 0.2\nby = 3\n"
      "[[fault]]\nkind = \"flood\"\n[[accept]]\nline = \"a\"\nmeasure = \"luck\"\n");
  const Ran ran = Run("--scenario " + file);
  EXPECT_EQ(ran.code, 78);
  EXPECT_THAT(ran.err, HasSubstr(":2: seedz: unknown key; the nearest known one is \"seed\""));
  EXPECT_THAT(ran.err, HasSubstr(":4: truth.cell_deviation: must be a number"));
  EXPECT_THAT(ran.err, HasSubstr(":8: fault[0].by: unknown key")) << "late reports have no by";
  EXPECT_THAT(ran.err, HasSubstr(":10: fault[1].kind: must be one of drift"));
  EXPECT_THAT(ran.err, HasSubstr(":13: accept[0].measure: must be one of gap_share"));
  EXPECT_EQ(Run("--scenario " + Write("name = \n")).code, 78);
  EXPECT_EQ(Run("--scenario " + directory_ + "/none").code, 1);
  EXPECT_EQ(Run("").code, 2);
}

TEST_F(SimulateProgram, ReadsEveryShippedScenario) {
  std::set<std::string> lines;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_ + "/eval/scenarios")) {
    ++files;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("line = ")) lines.insert(line.substr(7));
    }
  }
  EXPECT_GE(files, 13);
  for (const char* line :
       {"cold start", "drift", "sparse", "delayed", "censored", "poisoned", "restart", "bounded state"}) {
    EXPECT_TRUE(lines.contains("\"" + std::string(line) + "\"")) << line << " is in no shipped scenario";
  }
  // All files are read before the first world, whose router has no address.
  const Ran ran = Run("--scenario " + source_ + "/eval/scenarios --against nowhere --seeds 1");
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("bad_address"));
}

constexpr char kSmall[] = R"(name = "small"
decisions = 120
bootstrap_rows = 0
[feedback]
rating_rate = 1
gold_rate = 0.5
[[fault]]
kind = "duplicated"
share = 0.5
[[fault]]
kind = "price"
model = "atlas-large"
from = 50
factor = 2
[[fault]]
kind = "restart"
from = 60
[[accept]]
line = "delayed"
measure = "refused"
at_most = 0
[[accept]]
line = "restart"
measure = "lost"
at_most = 0
)";

TEST_F(SimulateProgram, PrintsOneObjectTheSameBytesEachTime) {
  const std::string file = Write(kSmall);
  const Ran first = Run("--json --scenario " + file);
  EXPECT_EQ(first.code, 0) << first.err;
  const json report = json::parse(first.out);
  EXPECT_EQ(report["met"], 2);
  EXPECT_EQ(report["scenarios"][0]["restarts"], 1);
  EXPECT_GT(report["scenarios"][0]["duplicates"], 20);
  EXPECT_EQ(Run("--json --scenario " + file).out, first.out);
  EXPECT_THAT(Run("--scenario " + file).out, HasSubstr("2 met, 0 not met, 0 not measured"));
  const std::string strict =
      Write(std::string(kSmall) + "[[accept]]\nline = \"x\"\nmeasure = \"quality\"\nat_least = 1\n");
  EXPECT_EQ(Run("--scenario " + strict).code, 1) << "a bar that is not met";
}

// A router of somebody else's: always the first model, three paths, no gold rule.
class OtherRouter {
 public:
  OtherRouter() {
    server_.Post("/x/v1/route", [this](const httplib::Request& request, httplib::Response& response) {
      const json body = json::parse(request.body);
      EXPECT_TRUE(body["text"].is_string());
      EXPECT_EQ(body["weights"]["quality"], 1.0);
      response.set_content(json{{"model", "atlas-large"}, {"token", std::to_string(routed++)}}.dump(),
                           "application/json");
    });
    server_.Post("/x/v1/outcome", [this](const httplib::Request& request, httplib::Response& response) {
      EXPECT_TRUE(json::parse(request.body)["tokens_out"].is_number());
      ++outcomes;
      response.set_content("{}", "application/json");
    });
    server_.Post("/x/v1/feedback", [this](const httplib::Request& request, httplib::Response& response) {
      const json body = json::parse(request.body);
      const bool gold = body["source"] == "gold";
      EXPECT_EQ(gold, !body.contains("subject"));
      const std::lock_guard lock(mutex_);
      const bool fresh = known_.insert(request.body).second;
      if (fresh) ++(gold ? golds : ratings);
      response.set_content(json{{"code", fresh ? "OK" : "DUPLICATE_OK"}}.dump(), "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~OtherRouter() {
    server_.stop();
    thread_.join();
  }
  std::string Address() const { return "http://127.0.0.1:" + std::to_string(port_) + "/x/"; }

  std::atomic<int> routed{0}, outcomes{0}, ratings{0}, golds{0};

 private:
  httplib::Server server_;
  std::mutex mutex_;
  std::set<std::string> known_;
  int port_ = 0;
  std::thread thread_;
};

TEST_F(SimulateProgram, PlaysAgainstAnyRouterThatAnswersThreePaths) {
  OtherRouter router;
  const Ran ran = Run("--json --seeds 3 --scenario " + Write(kSmall) + " --against " + router.Address());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("cannot be taken back"));
  EXPECT_EQ(router.routed, 120);
  EXPECT_GT(router.outcomes, 120) << "some are said twice";
  EXPECT_EQ(router.ratings, 120);
  EXPECT_NEAR(router.golds, 60, 25) << "it asks for none, so the scenario's rate decides";
  const json result = json::parse(ran.out)["scenarios"][0];
  EXPECT_EQ(result["shares"]["atlas-large"], 1.0);
  EXPECT_EQ(result["price_untold"], true);
  EXPECT_EQ(result["seeds"], 1);
  EXPECT_EQ(result["acceptance"][1]["verdict"], "not measured") << "nobody may restart it";
  EXPECT_TRUE(result["acceptance"][1]["figure"].is_null());
  const Ran restarted =
      Run("--json --scenario " + Write(kSmall) + " --restart-command true --against " + router.Address());
  EXPECT_EQ(json::parse(restarted.out)["scenarios"][0]["acceptance"][1]["verdict"], "met") << restarted.err;
  EXPECT_EQ(Run("--scenario " + Write(kSmall) + " --restart-command false --against " + router.Address()).code, 75);
}

TEST_F(SimulateProgram, SaysWhatIsWrongWithARouter) {
  httplib::Server server;
  std::string answer = R"({"model":"gpt","token":"1"})";
  server.Post("/v1/route", [&](const httplib::Request&, httplib::Response& response) {
    response.set_content(answer, "application/json");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  const std::string against = " --against http://127.0.0.1:" + std::to_string(port);
  const std::string file = Write(kSmall);
  EXPECT_THAT(Run("--scenario " + file + against).err, HasSubstr("unknown_model"));
  answer = "[]";
  EXPECT_THAT(Run("--scenario " + file + against).err, HasSubstr("bad_reply"));
  EXPECT_THAT(Run("--scenario " + file + against + "/elsewhere").err, HasSubstr("refused /v1/route with 404"));
  server.stop();
  thread.join();
  EXPECT_THAT(Run("--scenario " + file + " --against unix:/nowhere.sock").err, HasSubstr("unreachable"));
  EXPECT_THAT(Run("--scenario " + file + " --against ftp://x").err, HasSubstr("bad_address"));
}

}  // namespace
}  // namespace pointsman::admin
