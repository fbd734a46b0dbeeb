// Export, import and forget: whole logs as streams of events.
#include "store/transfer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "store/bundle_file.h"
#include "store/codec.h"
#include "store/folder_copy.h"
#include "store/store_builder.h"
#include "store/subject_filter.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAlice = 0x1122334455667788;
constexpr std::uint64_t kBob = 0x99aabbccddeeff01;

class Transfer : public ::testing::Test {
 protected:
  static StoreOptions Options(const std::string& directory) {
    StoreOptions options;
    options.directory = directory;
    options.free_space_min_bytes = 16U << 20;
    return options;
  }
  static std::unique_ptr<Store> Open(const std::string& directory) {
    auto opened = OpenRocksStore(Options(directory));
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  void Commit(Store& store, const std::vector<Request>& requests) {
    std::vector<Result<Receipt>> outcomes;
    const Status committed = store.Commit(requests, now_us_ += 1'000'000, true, &outcomes);
    ASSERT_TRUE(committed.ok()) << committed.error().message;
    for (const auto& outcome : outcomes) ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  }
  // What `subject` says, or in its place the note that stands for what it said.
  static Request Said(const policy::FeedbackReport& report, bool silent) {
    if (silent) return Ask(policy::Payload{policy::AdminNote{"nothing"}});
    return Ask(report);
  }
  static policy::FeedbackReport Retraction(std::uint64_t number, std::uint64_t subject) {
    policy::FeedbackReport report = RatingOf(number, 0, subject, /*revision=*/9);
    report.value.reset();
    return report;
  }

  // A log with every kind of report, an activation, an expiry and a freeze; with
  // `silent` Alice says nothing.
  void Fill(const std::string& directory, bool silent) {
    now_us_ = kNoonUs;
    auto store = Open(directory);
    ASSERT_NE(store, nullptr);
    // What one word weighs depends on who spoke before; that is what it says, and stays when somebody is forgotten.
    std::vector<Request> world = WorldRequests();
    std::get<policy::OptionsChanged>(std::get<policy::Payload>(world[0].what)).options.subject_cap = false;
    Commit(*store, world);
    Commit(*store, {Ask(DecisionOf(900, kNoonUs + 6'000'000)), Ask(RatingOf(900, 1.0, kBob))});
    for (std::uint64_t number = 1; number <= 30; ++number) {
      Commit(*store, {Ask(DecisionOf(number)), Said(RatingOf(number, 1.0, kAlice), silent)});
      if (number % 2 == 0) Commit(*store, {Ask(RatingOf(number, 0.25, kBob))});
      if (number % 3 == 0) Commit(*store, {Said(RatingOf(number, 0.5, kAlice, 1), silent), Ask(GoldOf(number, 0.0))});
      if (number % 4 == 0) Commit(*store, {Ask(RatingOf(number, 0.75, kBob, 1)), Ask(OutcomeOf(number, 300))});
      if (number % 5 == 0) Commit(*store, {Said(Retraction(number, kAlice), silent)});
      if (number % 6 == 0) Commit(*store, {Ask(Retraction(number, kBob))});
      if (number % 10 == 0) Prefer(*store, number, silent);
    }
    const policy::Bundle bundle = HashedBundle();
    ASSERT_TRUE(store->PutBundle(bundle).ok());
    Commit(*store, {AskTick()});
    Commit(*store, {Ask(policy::Payload{policy::GenerationActivated{Generation{1}, bundle.hash, "first"}})});
    Commit(*store, {Ask(DecisionOf(50)), Said(RatingOf(50, 1.0, kAlice), silent), Ask(RatingOf(50, 0.5, kBob))});
  }
  void Prefer(Store& store, std::uint64_t number, bool silent) {
    policy::PreferenceReport report;
    report.winner = IdOf(number);
    report.loser = IdOf(number - 1);
    report.subject = SubjectHash{kBob};
    Commit(store, {Ask(report)});
    report.subject = SubjectHash{kAlice};
    if (silent) {
      Commit(store, {Ask(policy::Payload{policy::AdminNote{"nothing"}})});
    } else {
      Commit(store, {Ask(report)});
    }
  }
  // Writing a bundle file sets the bundle's hash.
  policy::Bundle HashedBundle() {
    policy::Bundle bundle = SmallBundle();
    EXPECT_TRUE(WriteBundleFile(scratch / "bundle", bundle).ok());
    return bundle;
  }
  static BundleHash ActivatedIn(const std::vector<policy::Event>& events) {
    for (const policy::Event& event : events) {
      if (const auto* activated = std::get_if<policy::GenerationActivated>(&event.payload)) return activated->bundle;
    }
    return {};
  }

  static std::vector<std::string> Log(const Store& store) {
    std::vector<std::string> log;
    const Status read = store.ReadLog(LogSeq{1}, 0, [&log](const policy::Event& event) -> Status {
      log.push_back(EncodeEvent(event));
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().message;
    return log;
  }
  static std::uint64_t Folded(const Store& bundles, const policy::History& history,
                              const std::function<Status(const std::function<Status(const policy::Event&)>&)>& read) {
    auto learner = policy::Learner::Create(bundles, history, policy::State{});
    EXPECT_TRUE(learner.ok());
    const Status folded = read([&](const policy::Event& event) { return (*learner)->Learn(event); });
    EXPECT_TRUE(folded.ok()) << folded.error().message;
    return StateHash((*learner)->state());
  }
  static std::uint64_t FoldedLog(const Store& store) {
    return Folded(store, store, [&](const auto& visit) { return store.ReadLog(LogSeq{1}, 0, visit); });
  }
  static bool FilesHold(const std::string& directory, std::uint64_t subject) {
    std::string bytes(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(subject >> (8 * i));
    for (const auto& entry : fs::directory_iterator(directory)) {
      std::ostringstream whole;
      whole << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      if (whole.str().find(bytes) != std::string::npos) return true;
    }
    return false;
  }

  std::int64_t now_us_ = kNoonUs;
  ScratchDirectory scratch;
};

TEST_F(Transfer, AnImportOfAnExportIsTheSameLogAndTheSameState) {
  Fill(scratch / "s", /*silent=*/false);
  const auto written = ExportRecords(scratch / "s", scratch / "log.records");
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->bundles, 1u);
  const auto made = ImportRecords(scratch / "log.records", scratch / "t");
  ASSERT_TRUE(made.ok()) << made.error().message;
  auto first = Open(scratch / "s");
  auto second = Open(scratch / "t");
  EXPECT_EQ(Log(*first), Log(*second));
  EXPECT_EQ(FoldedLog(*first), made->state_hash);
  EXPECT_EQ(second->Statistics().state_hash, made->state_hash);
  EXPECT_EQ(second->Statistics().checkpoint_seq, first->LastSeq());
  EXPECT_EQ(second->Statistics().open_decisions, first->Statistics().open_decisions);
  EXPECT_TRUE(second->Check().ok());
  EXPECT_EQ(second->FindDecision(IdOf(30)).value(), first->FindDecision(IdOf(30)).value());
  EXPECT_FALSE(second->FindDecision(IdOf(900)).ok()) << "expired in both";
  // Both go on alike.
  for (Store* store : {first.get(), second.get()}) {
    now_us_ = kNoonUs + 1'000'000'000;
    Commit(*store, {Ask(RatingOf(29, 0.5, 77))});
  }
  EXPECT_EQ(Log(*first), Log(*second));
}

TEST_F(Transfer, AChangedByteInARecordsFileGivesNoStore) {
  Fill(scratch / "s", false);
  ASSERT_TRUE(ExportRecords(scratch / "s", scratch / "r").ok());
  std::ostringstream whole;
  whole << std::ifstream(scratch / "r", std::ios::binary).rdbuf();
  const std::string bytes = whole.str();
  for (std::size_t at = 0; at < bytes.size(); at += 1777) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    std::ofstream(scratch / "r", std::ios::binary | std::ios::trunc) << changed;
    ASSERT_FALSE(ImportRecords(scratch / "r", scratch / "t").ok()) << at;
    ASSERT_FALSE(fs::exists(scratch / "t")) << at;
  }
  std::ofstream(scratch / "r", std::ios::binary | std::ios::trunc) << bytes.substr(0, bytes.size() - 30);
  EXPECT_EQ(ImportRecords(scratch / "r", scratch / "t").error().reason, "records_damaged");
  EXPECT_FALSE(fs::exists(scratch / "t.partial"));
}

// The last event is cut out, with all its bytes, before the end.
TEST_F(Transfer, ARecordsFileThatLostEventsGivesNoStore) {
  Fill(scratch / "s", false);
  ASSERT_TRUE(ExportRecords(scratch / "s", scratch / "r").ok());
  std::size_t last_event = 0;
  {
    auto store = Open(scratch / "s");
    last_event = 5 + Log(*store).back().size();
  }
  std::ostringstream whole;
  whole << std::ifstream(scratch / "r", std::ios::binary).rdbuf();
  std::string bytes = whole.str();
  bytes.erase(bytes.size() - 21 - last_event, last_event);
  std::ofstream(scratch / "r", std::ios::binary | std::ios::trunc) << bytes;
  EXPECT_EQ(ImportRecords(scratch / "r", scratch / "t").error().reason, "records_damaged");
  EXPECT_FALSE(fs::exists(scratch / "t"));
}

TEST_F(Transfer, NothingIsReplacedByAnExportOrAnImport) {
  Fill(scratch / "s", false);
  std::ofstream(scratch / "taken") << "mine";
  EXPECT_EQ(ExportRecords(scratch / "s", scratch / "taken").error().reason, "exists");
  ASSERT_TRUE(ExportRecords(scratch / "s", scratch / "r").ok());
  EXPECT_EQ(ImportRecords(scratch / "r", scratch / "s").error().reason, "exists");
  EXPECT_EQ(ImportRecords(scratch / "none", scratch / "t").error().code, Code::kNotFound);
  fs::create_directory(scratch / "empty");
  EXPECT_TRUE(ImportRecords(scratch / "r", scratch / "empty").ok());
  auto held = Open(scratch / "s");
  EXPECT_EQ(ExportRecords(scratch / "s", scratch / "other").error().reason, "store_locked");
}

TEST_F(Transfer, AnEventThatDoesNotFollowFromThoseBeforeItIsRefused) {
  Fill(scratch / "s", false);
  auto store = Open(scratch / "s");
  std::vector<policy::Event> events;
  ASSERT_TRUE(store
                  ->ReadLog(LogSeq{1}, 0,
                            [&events](const policy::Event& event) -> Status {
                              events.push_back(event);
                              return {};
                            })
                  .ok());
  const auto bundle = store->Find(ActivatedIn(events)).value();
  const auto refused = [&](const std::function<void(std::vector<policy::Event>&)>& change) {
    std::vector<policy::Event> changed = events;
    change(changed);
    auto builder = StoreBuilder::Make(scratch / "t", {bundle});
    EXPECT_TRUE(builder.ok());
    for (const policy::Event& event : changed) {
      const Status appended = builder->Append(event);
      if (!appended.ok()) return appended.error().reason;
    }
    return std::string("taken");
  };
  const auto first_rating = [](std::vector<policy::Event>& all) -> policy::RatingGiven& {
    for (policy::Event& event : all) {
      if (auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) return *rating;
    }
    return std::get<policy::RatingGiven>(all.at(0).payload);
  };
  EXPECT_EQ(refused([](auto&) {}), "taken");
  EXPECT_EQ(refused([&](auto& all) { first_rating(all).after[0].value = 0.75; }), "event_does_not_follow");
  EXPECT_EQ(refused([&](auto& all) { first_rating(all).last_folded = LogSeq{3}; }), "event_does_not_follow");
  EXPECT_EQ(refused([&](auto& all) { first_rating(all).context.decision = IdOf(4321); }), "event_does_not_follow");
  EXPECT_EQ(refused([](auto& all) { all.erase(all.begin() + 5); }), "event_does_not_follow");
  EXPECT_EQ(refused([](auto& all) { all[6].at_us = all[5].at_us - 1; }), "event_does_not_follow");
  EXPECT_EQ(refused([](auto& all) {
              for (policy::Event& event : all) {
                if (auto* expired = std::get_if<policy::DecisionExpired>(&event.payload)) ++expired->count;
              }
            }),
            "event_does_not_follow");
}

TEST_F(Transfer, AForgottenSubjectLeavesTheStateOfNeverHavingSpoken) {
  Fill(scratch / "s", /*silent=*/false);
  Fill(scratch / "never", /*silent=*/true);
  std::ofstream(scratch / "s/token.key") << "key";
  std::ofstream(scratch / "s/boot_epoch") << "7\n";
  ASSERT_TRUE(FilesHold(scratch / "s", kAlice)) << "or the check below shows nothing";
  std::uint64_t never = 0;
  LogSeq end;
  {
    auto silent = Open(scratch / "never");
    never = FoldedLog(*silent);
    end = silent->LastSeq();
    auto store = Open(scratch / "s");
    const auto filter = SubjectFilter::Make(*store, SubjectHash{kAlice});
    ASSERT_TRUE(filter.ok());
    EXPECT_NE(FoldedLog(*store), never);
    EXPECT_EQ(Folded(*store, *filter, [&](const auto& visit) { return filter->ForEach(LogSeq{}, visit); }), never)
        << "replay --without";
  }
  const auto done = ForgetSubject(scratch / "s", SubjectHash{kAlice}, 1000, now_us_);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->events, 31u + 10u + 6u + 3u);
  EXPECT_EQ(done->store.last_seq.value, end.value + 1) << "and a note";
  EXPECT_FALSE(FilesHold(scratch / "s", kAlice));
  EXPECT_FALSE(fs::exists(scratch / "s.forgetting.partial")) << "the old files are gone";
  EXPECT_TRUE(fs::exists(scratch / "s/token.key"));
  EXPECT_TRUE(fs::exists(scratch / "s/boot_epoch"));
  auto store = Open(scratch / "s");
  auto silent = Open(scratch / "never");
  Commit(*silent, {Ask(policy::Payload{policy::AdminNote{"as in the other"}})});
  EXPECT_TRUE(store->Check().ok());
  policy::Event last;
  ASSERT_TRUE(store
                  ->ReadLog(done->store.last_seq, 0,
                            [&last](const policy::Event& event) -> Status {
                              last = event;
                              return {};
                            })
                  .ok());
  EXPECT_EQ(last.origin, policy::Origin::kOperator);
  EXPECT_EQ(last.actor_uid, 1000u);
  EXPECT_NE(std::get<policy::AdminNote>(last.payload).text.find("50 reports on 31 decisions"), std::string::npos);
  // The two go on alike, on decisions that Alice had spoken about too.
  for (Store* one : {store.get(), silent.get()}) {
    now_us_ = kNoonUs + 1'000'000'000;
    Commit(*one, {Ask(RatingOf(4, 0.5, kAlice)), Ask(RatingOf(50, 1.0, kBob, 1)), Ask(GoldOf(50, 1.0))});
  }
  EXPECT_EQ(store->FindDecision(IdOf(50)).value(), silent->FindDecision(IdOf(50)).value());
}

TEST_F(Transfer, ForgettingWhoNeverSpokeChangesNothing) {
  Fill(scratch / "s", false);
  const auto before = MarkFiles(scratch / "s").value();
  const auto done = ForgetSubject(scratch / "s", SubjectHash{4711}, 0, now_us_);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->events, 0u);
  EXPECT_EQ(MarkFiles(scratch / "s").value(), before);
  EXPECT_EQ(ForgetSubject(scratch / "s", SubjectHash{0}, 0, now_us_).error().reason, "no_subject");
  auto held = Open(scratch / "s");
  EXPECT_EQ(ForgetSubject(scratch / "s", SubjectHash{kBob}, 0, now_us_).error().code, Code::kBusy);
}

}  // namespace
}  // namespace pointsman::store
