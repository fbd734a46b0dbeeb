// Offline verbs of the real program on a real store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "policy/learning/learner.h"
#include "store/store.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

class Offline : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("POINTSMAN_BIN");
    program_ = bin == nullptr ? "" : std::string(bin) + "/pointsman";
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "no program at POINTSMAN_BIN";
    std::string pattern = (std::filesystem::temp_directory_path() / "pmoXXXXXX").string();
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

  void Commit(policy::Payload payload) {
    const store::Request request{.what = std::move(payload), .origin = policy::Origin::kOperator, .actor_uid = 7};
    std::vector<Result<store::Receipt>> outcomes;
    const Status committed = store_->Commit(std::span(&request, 1), 1'700'000'000'000'000, true, &outcomes);
    ASSERT_TRUE(committed.ok()) << committed.error().message;
    ASSERT_EQ(outcomes.size(), 1u);
    ASSERT_TRUE(outcomes[0].ok()) << outcomes[0].error().message;
  }
  void CommitThreeEvents() {
    Commit(policy::ModelAdded{.id = ModelId{1}, .name = "alpha", .price = {1, 2}, .context_tokens = 8});
    Commit(policy::AdminNote{.text = "a note"});
    Commit(policy::LearningSwitched{.frozen = true});
  }
  // The fold of the whole log, every row marked for the next checkpoint.
  policy::State Folded() {
    auto learner = policy::Learner::Create(*store_, *store_, policy::State{});
    EXPECT_TRUE(learner.ok());
    const Status read =
        store_->ReadLog(LogSeq{1}, 0, [&](const policy::Event& event) { return learner.value()->Learn(event); });
    EXPECT_TRUE(read.ok());
    return learner.value()->state();
  }
  int Run(const std::string& verb, std::string* out = nullptr) {
    const std::string command =
        program_ + " " + verb + " --store " + directory_ + "/store >" + directory_ + "/out 2>" + directory_ + "/err";
    const int status = std::system(command.c_str());
    if (out != nullptr) {
      std::ostringstream text;
      text << std::ifstream(directory_ + "/out").rdbuf();
      *out = text.str();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string program_;
  std::string directory_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(Offline, VerbsRefuseWhileAProcessHoldsTheStore) {
  CommitThreeEvents();
  EXPECT_EQ(Run("replay --verify"), 75);
  EXPECT_EQ(Run("export"), 75);
}

TEST_F(Offline, ReplayOfAStoreWithAndWithoutACheckpointIsEqual) {
  CommitThreeEvents();
  policy::State state = Folded();
  ASSERT_TRUE(store_->WriteCheckpoint(state).ok());
  Commit(policy::LearningSwitched{.frozen = false});
  const std::uint64_t hash = store::StateHash(Folded());
  store_.reset();
  std::string out;
  EXPECT_EQ(Run("replay --verify --json", &out), 0);
  const json report = json::parse(out);
  EXPECT_EQ(report["events"], 4);
  EXPECT_EQ(report["equal"], true);
  EXPECT_EQ(report["checkpoint_sequence"], 3);
  EXPECT_EQ(std::stoull(report["state_hash"].get<std::string>(), nullptr, 16), hash);
}

TEST_F(Offline, CheckBackupAndRestoreSayOnStandardErrorHowFarTheyAre) {
  CommitThreeEvents();
  store_.reset();
  const auto said = [this] {
    std::ostringstream text;
    text << std::ifstream(directory_ + "/err").rdbuf();
    return text.str();
  };
  std::string out;
  EXPECT_EQ(Run("check --json", &out), 0);
  EXPECT_EQ(json::parse(out)["last_sequence"], 3);
  EXPECT_THAT(said(), ::testing::HasSubstr("  0% reading the log\n"));
  EXPECT_EQ(Run("backup --to " + directory_ + "/copy"), 0);
  EXPECT_THAT(said(), ::testing::HasSubstr(" 50% copying the files\n"));
  std::filesystem::remove_all(directory_ + "/store");
  EXPECT_EQ(Run("restore --from " + directory_ + "/copy"), 0);
  EXPECT_THAT(said(), ::testing::HasSubstr("verifying the table files\n"));
}

TEST_F(Offline, ReplayFindsAStoredStateThatIsNotTheFoldOfTheLog) {
  CommitThreeEvents();
  policy::State state = Folded();
  state.counters.decisions = 99;
  policy::ForEachStateRow(state, [&](std::string_view key, std::string_view) { state.dirty_rows.insert(std::string(key)); });
  ASSERT_TRUE(store_->WriteCheckpoint(state).ok());
  store_.reset();
  EXPECT_EQ(Run("replay --verify"), 1);
}

TEST_F(Offline, ExportWritesEveryEventWithItsFields) {
  CommitThreeEvents();
  store_.reset();
  std::string out;
  ASSERT_EQ(Run("export", &out), 0);
  std::istringstream lines(out);
  std::vector<json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(json::parse(line));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["seq"], 1);
  EXPECT_EQ(events[0]["type"], "ModelAdded");
  EXPECT_EQ(events[0]["origin"], "operator");
  EXPECT_EQ(events[0]["actor_uid"], 7);
  EXPECT_EQ(events[0]["event"]["name"], "alpha");
  EXPECT_EQ(events[0]["event"]["price"]["output_usd_per_million"], 2.0);
  EXPECT_EQ(events[2]["event"]["frozen"], true);
  ASSERT_EQ(Run("export --summary --json", &out), 0);
  EXPECT_EQ(json::parse(out)["events"], 3);
}

}  // namespace
}  // namespace pointsman::admin
