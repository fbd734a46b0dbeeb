// `pointsman simulate` against real daemons: one that runs already, and one of its own
// that is killed.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/crash/audit.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

class SimulateDaemon : public ::testing::Test {
 protected:
  json Run(const std::string& scenario, const std::vector<std::string>& more) {
    std::ofstream(folder_.File("s.toml")) << scenario;
    const char* source = std::getenv("POINTSMAN_SOURCE");
    std::vector<std::string> all = {"simulate",   "--json",
                                    "--scenario", folder_.File("s.toml"),
                                    "--starter",  std::string(source == nullptr ? "." : source) + "/bootstrap/starter"};
    all.insert(all.end(), more.begin(), more.end());
    const Ran ran = RunProgram("pointsman", all);
    EXPECT_EQ(ran.exit, 0) << ran.out;
    return json::parse(ran.out, nullptr, /*allow_exceptions=*/false);
  }
  Folder folder_;
};

TEST_F(SimulateDaemon, OurApiSocketIsARouterUnderTestAsItIs) {
  std::string config = "[store]\ndirectory = \"" + folder_.File("store") + "\"\n[sockets]\nroute = \"" +
                       folder_.File("r.sock") + "\"\napi = \"" + folder_.File("h.sock") + "\"\nadmin = \"" +
                       folder_.File("a.sock") + "\"\n";
  const Ran pool = RunProgram("pointsman", {"simulate", "--pool"});
  ASSERT_EQ(pool.exit, 0);
  DaemonProcess daemon(folder_, config + pool.out);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const json report =
      Run("name = \"own\"\ndecisions = 200\nbootstrap_rows = 0\n[feedback]\nrating_rate = 1\n"
          "[[fault]]\nkind = \"duplicated\"\nshare = 0.5\n"
          "[[fault]]\nkind = \"price\"\nmodel = \"atlas-large\"\nfrom = 100\nfactor = 3\n"
          "[[accept]]\nline = \"delayed\"\nmeasure = \"refused\"\nat_most = 0\n",
          {"--against", "unix:" + folder_.File("h.sock"), "--against-admin", "unix:" + folder_.File("a.sock")});
  EXPECT_EQ(report["met"], 1);
  const json result = report["scenarios"][0];
  EXPECT_EQ(result["price_untold"], false);
  EXPECT_GT(result["duplicates"], 100);
  const json status = json::parse(Http(folder_.File("a.sock"), "GET", "/status", "").body);
  EXPECT_EQ(status["decisions"], 200);
  EXPECT_EQ(status["ratings"], 200);
  const json models = json::parse(Http(folder_.File("a.sock"), "GET", "/v1/models", "").body);
  for (const json& model : models["models"]) {
    if (model["name"] == "atlas-large") {
      EXPECT_EQ(model["price"]["input_usd_per_million"], 9.0) << "3 times 3, told over the admin socket";
    }
  }
}

TEST_F(SimulateDaemon, ADaemonOfItsOwnIsKilledAndKnowsWhatItAcknowledged) {
  const json report =
      Run("name = \"kill\"\ndecisions = 150\nbootstrap_rows = 200\n[feedback]\nrating_rate = 1\n"
          "[[fault]]\nkind = \"restart\"\nfrom = 100\n"
          "[[accept]]\nline = \"restart\"\nmeasure = \"lost\"\nat_most = 0\n"
          "[[accept]]\nline = \"restart\"\nmeasure = \"state_equal\"\nat_least = 1\n",
          {"--against", "daemon"});
  EXPECT_EQ(report["met"], 2) << report;
  EXPECT_EQ(report["scenarios"][0]["restarts"], 1);
}

}  // namespace
}  // namespace pointsman::testing
