// Promises 1 and 2 under SIGKILL: what a client saw acknowledged is in the store,
// once, and the state is the fold of the log.
//
// 16 writers route and report; the daemon is killed at random moments;
// POINTSMAN_KILLS says how often (default 10). The writers' own lists are compared
// with the log read offline; nothing of the daemon's counters is believed.
#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "base/unit_draw.h"
#include "policy/learning/learner.h"
#include "store/store.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

constexpr int kWriters = 16;

// (decision, event type) -> value, as acknowledged to a client.
using Key = std::pair<std::array<std::uint8_t, 16>, int>;
struct Acknowledged {
  std::mutex mutex;
  std::map<Key, double> items;
  void Add(const std::string& token, int type, double value) {
    Key key{{}, type};
    std::memcpy(key.first.data(), token.data(), key.first.size());
    const std::lock_guard lock(mutex);
    items[key] = value;
  }
};

void WriteUntilTheEnd(const DaemonProcess& daemon, std::uint64_t seed, Acknowledged* acknowledged) {
  SplitMix64 random(seed);
  auto client = daemon.Connect();
  while (client.ok() && !client->closed()) {
    wire::Route route;
    route.set_text("How do I reverse a list in place?");
    auto routed = client->Call(route);
    if (!routed.ok()) return;
    const double value = random.Unit() < 0.5 ? 0 : 1;
    wire::Rate rate;
    rate.set_token(routed->token());
    rate.set_source("thumbs");
    rate.set_value(value);
    if (client->Call(rate).ok()) acknowledged->Add(routed->token(), 3, value);
    wire::Outcome outcome;
    outcome.set_token(routed->token());
    outcome.set_tokens_out(static_cast<std::uint32_t>(random.Below(500)));
    if (client->Call(outcome).ok()) acknowledged->Add(routed->token(), 2, outcome.tokens_out());
    if (random.Below(10) == 0) {
      wire::Gold gold;
      gold.set_token(routed->token());
      gold.set_value(0.25);
      if (client->Call(gold).ok()) acknowledged->Add(routed->token(), 5, 0.25);
    }
  }
}

struct Audit {
  std::map<Key, int> times;
  std::map<Key, double> values;
  std::uint64_t hash_from_log = 0;
  std::uint64_t hash_from_checkpoint = 0;
};

void Note(const policy::Event& event, Audit* audit) {
  const int type = policy::EventType(event.payload);
  const auto count = [&](const DecisionId& id, double value) {
    const Key key{id.bytes, type};
    ++audit->times[key];
    audit->values[key] = value;
  };
  if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) {
    count(rating->context.decision, rating->value);
  } else if (const auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) {
    count(gold->context.decision, gold->value);
  } else if (const auto* outcome = std::get_if<policy::OutcomeReported>(&event.payload)) {
    count(outcome->decision, outcome->tokens_out);
  }
}

// The hash after folding `state` up to the end of the log.
std::uint64_t Fold(const store::Store& store, policy::State state, Audit* audit) {
  auto learner = policy::Learner::Create(store, store, std::move(state));
  EXPECT_TRUE(learner.ok()) << learner.error().message;
  const LogSeq from{learner.value()->state().last_seq.value + 1};
  const Status read = store.ReadLog(from, 0, [&](const policy::Event& event) {
    if (audit != nullptr) Note(event, audit);
    return learner.value()->Learn(event);
  });
  EXPECT_TRUE(read.ok()) << read.error().message;
  return store::StateHash(learner.value()->state());
}

Audit ReadOffline(const std::string& directory) {
  Audit audit;
  auto store = store::OpenRocksStoreReadOnly(directory);
  EXPECT_TRUE(store.ok()) << store.error().message;
  if (!store.ok()) return audit;
  audit.hash_from_log = Fold(*store.value(), policy::State(), &audit);
  auto state = store.value()->LoadState();
  EXPECT_TRUE(state.ok()) << state.error().message;
  if (state.ok()) audit.hash_from_checkpoint = Fold(*store.value(), std::move(state).value(), nullptr);
  return audit;
}

int Kills() {
  const char* text = std::getenv("POINTSMAN_KILLS");
  return text == nullptr ? 10 : std::max(1, std::atoi(text));
}

// Compares the clients' list with the log, and the two ways to the state.
void ExpectKept(const std::string& directory, Acknowledged& acknowledged) {
  const Audit audit = ReadOffline(directory);
  EXPECT_EQ(audit.hash_from_log, audit.hash_from_checkpoint);
  std::size_t lost = 0;
  std::size_t changed = 0;
  std::size_t doubled = 0;
  for (const auto& [key, value] : acknowledged.items) {
    const auto found = audit.values.find(key);
    if (found == audit.values.end()) {
      ++lost;
    } else if (found->second != value) {
      ++changed;
    }
  }
  for (const auto& [key, times] : audit.times) doubled += times > 1 ? 1 : 0;
  EXPECT_EQ(lost, 0U) << "of " << acknowledged.items.size();
  EXPECT_EQ(changed, 0U);
  EXPECT_EQ(doubled, 0U);
}

TEST(Crash, NothingAcknowledgedIsLostOrDoubledBySigkillUnderLoad) {
  Folder folder;
  WriteTable(folder.File("t.jsonl"), 120);
  Acknowledged acknowledged;
  const char* given = std::getenv("POINTSMAN_SEED");
  const std::uint64_t seed = given == nullptr ? 20'260'101 : std::strtoull(given, nullptr, 10);
  SplitMix64 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  const int kills = Kills();
  for (int round = 0; round < kills; ++round) {
    SCOPED_TRACE("kill " + std::to_string(round));
    std::size_t before = 0;
    {
      const std::lock_guard lock(acknowledged.mutex);
      before = acknowledged.items.size();
    }
    {
      // Frequent checkpoints, so that kills hit them too.
      DaemonProcess daemon(folder, BasicConfig(folder, "[limits]\ncheckpoint_events = 200\n"));
      ASSERT_TRUE(daemon.Ready()) << daemon.Log();
      std::vector<std::thread> writers;
      for (int w = 0; w < kWriters; ++w) {
        const std::uint64_t own = random();
        writers.emplace_back([&daemon, own, &acknowledged] { WriteUntilTheEnd(daemon, own, &acknowledged); });
      }
      // Every other kill meets a bootstrap somewhere between its start and its end.
      if (round % 2 == 1) {
        const std::string request = "{\"table_path\":\"" + folder.File("t.jsonl") +
                                    "\",\"labels\":\"scores\",\"seed\":" + std::to_string(round) + "}";
        EXPECT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap", request).status / 100, 2);
      }
      // Never a vacuous kill: at least 200 acknowledgements and then a random pause.
      EXPECT_TRUE(Eventually([&] {
        const std::lock_guard lock(acknowledged.mutex);
        return acknowledged.items.size() >= before + 200;
      })) << daemon.Log();
      ::poll(nullptr, 0, static_cast<int>(random.Below(round % 2 == 1 ? 900 : 200)));  // the random moment
      daemon.Kill(SIGKILL);
      daemon.Wait();
      for (std::thread& writer : writers) writer.join();
    }
    ExpectKept(folder.File("store"), acknowledged);
    ASSERT_FALSE(HasFailure());
  }
  std::printf("%d kills, %zu acknowledged items, none lost or doubled\n", kills, acknowledged.items.size());
  RecordProperty("acknowledged", static_cast<int>(acknowledged.items.size()));

  // The daemon itself, on the plainest instruction set, comes to the same state.
  const Audit audit = ReadOffline(folder.File("store"));
  DaemonProcess daemon(folder, BasicConfig(folder, "[limits]\ncheckpoint_events = 200\n"),
                       {{"POINTSMAN_ISA", "baseline"}});
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto status = client->Call(wire::Status());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->state_hash(), audit.hash_from_log);
  std::printf("generation %u at the end\n", status->generation());
}

#ifdef POINTSMAN_FAULT_POINTS
// The named places of a decision, a report, a checkpoint and a publication.
class CrashAt : public ::testing::TestWithParam<const char*> {};

TEST_P(CrashAt, WhatWasAcknowledgedStays) {
  Folder folder;
  Acknowledged acknowledged;
  const std::string config = BasicConfig(folder, "[limits]\ncheckpoint_events = 20\n");
  for (const int passing : {2, 7, 23}) {
    SCOPED_TRACE(passing);
    DaemonProcess daemon(folder, config,
                         {{"POINTSMAN_FAULT", std::string(GetParam()) + "=kill@" + std::to_string(passing)}});
    if (daemon.Ready()) {
      std::vector<std::thread> writers;
      for (std::uint64_t w = 0; w < 4; ++w) {
        writers.emplace_back([&daemon, w, &acknowledged] { WriteUntilTheEnd(daemon, w + 1, &acknowledged); });
      }
      for (std::thread& writer : writers) writer.join();
    }
    EXPECT_EQ(daemon.Wait(), 128 + SIGKILL) << "the fault point was not passed\n" << daemon.Log();
    ExpectKept(folder.File("store"), acknowledged);
  }
  DaemonProcess daemon(folder, config);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
}

INSTANTIATE_TEST_SUITE_P(Places, CrashAt,
                         ::testing::Values("daemon.route.decided", "daemon.route.submitted",
                                           "daemon.feedback.validated", "store.commit.before_write",
                                           "store.commit.after_write", "store.commit.before_sync",
                                           "store.commit.after_sync", "daemon.feedback.committed",
                                           "daemon.learner.before_publish", "store.checkpoint.before_write",
                                           "store.checkpoint.after_write"),
                         [](const auto& place) {
                           std::string name = place.param;
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });
#endif

}  // namespace
}  // namespace pointsman::testing
