// The offline verbs on the store of a real daemon: what an operator would type, and
// the exit codes that a script would see (docs/OPERATIONS.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/crash/audit.h"
#include "tests/crash/oracle.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

class Verbs : public ::testing::Test {
 protected:
  // Lets a daemon serve `rounds` rated routes and drains it.
  void Serve(int rounds) {
    DaemonProcess daemon(folder_, BasicConfig(folder_));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < rounds; ++i) {
      wire::Route route;
      route.set_text("How do I reverse a list in place?");
      auto routed = client->Call(route);
      ASSERT_TRUE(routed.ok());
      const Operation rating{Kind::kRating, routed->token(), "", "thumbs", 1, 0};
      ASSERT_TRUE(Send(*client, rating).ok());
      oracle_.Acknowledged(rating);
    }
    daemon.Kill(SIGTERM);
    ASSERT_EQ(daemon.Wait(), 0) << daemon.Log();
  }
  json Run(const std::vector<std::string>& arguments, int exit) const {
    std::vector<std::string> all = arguments;
    all.emplace_back("--json");
    const Ran ran = RunProgram("pointsman", all);
    EXPECT_EQ(ran.exit, exit) << ran.out;
    return json::parse(ran.out, nullptr, /*allow_exceptions=*/false);
  }
  std::string Store() const { return folder_.File("store"); }

  Folder folder_;
  Oracle oracle_;
};

TEST_F(Verbs, ABackupRestoredElsewhereHoldsWhatWasAcknowledgedAndTheSameState) {
  Serve(30);
  const json checked = Run({"check", "--store", Store()}, 0);
  const json backed = Run({"backup", "--store", Store(), "--to", folder_.File("b")}, 0);
  EXPECT_EQ(checked["last_sequence"], backed["last_sequence"]);
  Run({"restore", "--from", folder_.File("b"), "--store", folder_.File("r")}, 0);
  const Exported exported = Export(folder_.File("r"));
  ASSERT_EQ(exported.fault, "");
  EXPECT_EQ(oracle_.Compare(exported).lost, 0u);
  const json same = Run({"state", "diff", "--store", Store(), "--other", folder_.File("r")}, 0);
  EXPECT_EQ(same["equal"], true);
  EXPECT_EQ(same["first"]["state_hash"], Replay(Store(), "").state_hash);
}

TEST_F(Verbs, AnOlderBackupNeedsAWordAndItsStoreThenServes) {
  Serve(10);
  Run({"backup", "--store", Store(), "--to", folder_.File("b")}, 0);
  Serve(10);
  const json refused = Run({"restore", "--from", folder_.File("b"), "--store", Store()}, 1);
  EXPECT_EQ(refused["error"]["reason"], "store_exists");
  const json done = Run({"restore", "--from", folder_.File("b"), "--store", Store(), "--accept-rollback"}, 0);
  EXPECT_TRUE(std::filesystem::exists(done["set_aside"].get<std::string>()));
  oracle_ = Oracle();
  Serve(5);
  EXPECT_EQ(oracle_.Compare(Export(Store())).lost, 0u);
}

TEST_F(Verbs, TheStateAtAnEventIsTheFoldUpToItAndBeyondTheLogIsANegativeAnswer) {
  Serve(20);
  const Replayed whole = Replay(Store(), "");
  const json at_end = Run({"state", "at", std::to_string(whole.events), "--store", Store()}, 0);
  EXPECT_EQ(at_end["state_hash"], whole.state_hash);
  const json earlier = Run({"state", "at", "12", "--store", Store()}, 0);
  EXPECT_EQ(earlier["sequence"], 12);
  EXPECT_NE(earlier["state_hash"], whole.state_hash);
  const json beyond = Run({"state", "at", std::to_string(whole.events + 1), "--store", Store()}, 1);
  EXPECT_EQ(beyond["error"]["reason"], "after_the_end");
  const json differ = Run({"state", "diff", "--store", Store(), "--from", "12"}, 1);
  EXPECT_EQ(differ["equal"], false);
}

TEST_F(Verbs, NoneOfThemTouchesAStoreThatADaemonHas) {
  Serve(1);
  DaemonProcess daemon(folder_, BasicConfig(folder_));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  Run({"check", "--store", Store()}, 75);
  Run({"backup", "--store", Store(), "--to", folder_.File("b")}, 75);
  Run({"repair", "--store", Store(), "--to", folder_.File("b")}, 75);
  Run({"state", "at", "1", "--store", Store()}, 75);
  EXPECT_FALSE(std::filesystem::exists(folder_.File("b")));
}

// A user asks to be forgotten; an operator looks first, then does it, and the daemon
// goes on with the new store.
TEST_F(Verbs, ASubjectIsForgottenByNameAndTheStoreServesOn) {
  const Folder& folder = folder_;
  const std::string store = Store();
  {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 6; ++i) {
      wire::Route route;
      route.set_text("How do I reverse a list in place?");
      route.set_tenant("shop");
      auto routed = client->Call(route);
      ASSERT_TRUE(routed.ok());
      for (const char* subject : {"alice", "bob"}) {
        wire::Rate rate;
        rate.set_token(routed->token());
        rate.set_tenant("shop");
        rate.set_source("thumbs");
        rate.set_subject(subject);
        rate.set_value(subject[0] == 'a' ? 1 : 0);
        ASSERT_TRUE(client->Call(rate).ok());
      }
    }
    daemon.Kill(SIGTERM);
    ASSERT_EQ(daemon.Wait(), 0) << daemon.Log();
  }
  const std::vector<std::string> alice = {"alice", "--tenant", "shop", "--store", store, "--json"};
  const auto run = [&](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram("pointsman", words);
  };
  const Ran looked = run({"replay", "--without"}, alice);
  ASSERT_EQ(looked.exit, 0) << looked.out;
  const json before = json::parse(looked.out);
  EXPECT_EQ(before["subject_events"], 6);
  EXPECT_NE(before["state_hash"], before["state_hash_without"]);
  EXPECT_EQ(run({"forget", "--subject"}, {"carol", "--tenant", "shop", "--store", store}).exit, 1) << "said nothing";
  EXPECT_EQ(run({"forget", "--subject"}, {"alice", "--store", store}).exit, 2) << "whose alice?";
  const Ran forgot = run({"forget", "--subject"}, alice);
  ASSERT_EQ(forgot.exit, 0) << forgot.out;
  EXPECT_EQ(json::parse(forgot.out)["forgotten_events"], 6);
  EXPECT_EQ(json::parse(run({"replay", "--without"}, alice).out)["subject_events"], 0);
  EXPECT_TRUE(Replay(store, "").equal);
  {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    wire::Route route;
    route.set_text("Which emperor followed Nero?");
    EXPECT_TRUE(client->Call(route).ok());
    daemon.Kill(SIGTERM);
    ASSERT_EQ(daemon.Wait(), 0) << daemon.Log();
  }
  // The log moves elsewhere, whole.
  const std::string records = folder.File("log.records");
  ASSERT_EQ(RunProgram("pointsman", {"export", "--records", records, "--store", store}).exit, 0);
  const Ran imported =
      RunProgram("pointsman", {"import", "--from", records, "--store", folder.File("other"), "--json"});
  ASSERT_EQ(imported.exit, 0) << imported.out;
  EXPECT_EQ(json::parse(imported.out)["state_hash"], Replay(store, "").state_hash);
  EXPECT_EQ(RunProgram("pointsman", {"check", "--store", folder.File("other")}).exit, 0);
}

}  // namespace
}  // namespace pointsman::testing
