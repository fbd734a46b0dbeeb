// Requests, good and bad, through the dispatcher.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <future>
#include <limits>
#include <thread>

#include "tests/daemon/services/services_support.h"

namespace pointsman::daemon::testing {
namespace {

wire::Rate RateOf(const std::string& token, double value, std::uint32_t revision = 0) {
  wire::Rate rate;
  rate.set_token(token);
  rate.set_source("thumbs");
  rate.set_value(value);
  rate.set_revision(revision);
  return rate;
}

wire::Route VectorRoute(std::initializer_list<float> numbers) {
  wire::Route route;
  for (const float number : numbers) route.add_embedding(number);
  return route;
}

constexpr uid_t kStranger = 54'321;

TEST(RouteService, AnswersWithTokenRankingAndReasons) {
  Services services;
  services.ActivateTwoClusters();
  wire::Route route = VectorRoute({2, 0});
  route.set_explain(8);
  route.set_preset("quality");
  route.set_no_explore(true);
  const auto reply = services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>();
  EXPECT_EQ(reply.token().size(), 32U);
  EXPECT_EQ(reply.model(), "large");
  EXPECT_EQ(reply.propensity(), 1);
  ASSERT_EQ(reply.ranked_size(), 2);
  EXPECT_GT(reply.ranked(0).quality(), reply.ranked(1).quality());
  EXPECT_EQ(reply.generation(), 1U);
  EXPECT_EQ(reply.durability(), 0U) << "the decision is in memory only";
  ASSERT_GT(reply.clusters_size(), 0);
  EXPECT_EQ(reply.clusters(0).name(), "east");
}

// Another generation goes live while a request is in the midst of being answered: when it
// asks what time it is, which it does once it has its snapshot.
class ActivatesMeanwhile final : public Clock {
 public:
  explicit ActivatesMeanwhile(SnapshotCell& cell) : cell_(cell) {}
  std::int64_t MonotonicNanos() const override { return 0; }
  std::int64_t WallMicros() const override {
    LiveView later = *cell_.Load();
    auto snapshot = std::make_shared<policy::Snapshot>(*later.snapshot);
    ++snapshot->generation.value;
    later.snapshot = std::move(snapshot);
    cell_.Store(std::make_shared<const LiveView>(std::move(later)));
    return 1'700'000'000'000'000;
  }

 private:
  SnapshotCell& cell_;
};

TEST(RouteService, NamesTheGenerationThatItsAnswerIsFromThoughALaterOneIsLiveByThen) {
  Services services;
  services.ActivateTwoClusters();
  const ServiceContext& usual = services.context();
  SnapshotCell cell;
  cell.Store(services.cell().Load());
  const ActivatesMeanwhile clock(cell);
  ServiceContext context{.clock = clock,
                         .cell = cell,
                         .store = usual.store,
                         .queue = usual.queue,
                         .mint = usual.mint,
                         .subject_key = usual.subject_key,
                         .metrics = usual.metrics,
                         .not_logged = usual.not_logged,
                         .rules = {},
                         .default_weights = {},
                         .decision_ttl_us = usual.decision_ttl_us};
  ServiceDispatcher dispatcher(context, services.learner());
  auto answer = std::make_shared<Answer>();
  TestChannel channel(answer);
  dispatcher.Handle(Peer{::getuid(), 0, 1}, {FrameKind::kRoute, 1, VectorRoute({2, 0}).SerializeAsString()}, channel);
  ASSERT_TRUE(answer->Wait());
  EXPECT_EQ(answer->As<wire::RouteReply>().generation(), 1U);
  EXPECT_EQ(cell.Load()->snapshot->generation.value, 2U);
}

TEST(RouteService, RefusesWhatIsNotAQueryAndSaysWhy) {
  Services services;
  services.ActivateTwoClusters();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto refused = [&](const wire::Route& route, Code code) {
    const std::uint64_t before = services.metrics().refused(code);
    const auto answer = services.Ask(FrameKind::kRoute, route);
    EXPECT_EQ(answer->code(), code) << route.ShortDebugString();
    EXPECT_FALSE(answer->error() && answer->error()->message.empty());
    EXPECT_EQ(services.metrics().refused(code), before + 1);
  };
  refused(VectorRoute({1, 0, 0}), Code::kInvalidArgument);
  refused(VectorRoute({nan, 0}), Code::kInvalidArgument);
  refused(VectorRoute({infinity, 0}), Code::kInvalidArgument);
  refused(VectorRoute({0, 0}), Code::kInvalidArgument);
  refused(wire::Route(), Code::kInvalidArgument);
  wire::Route text;
  text.set_text("words, but the bundle takes vectors only");
  refused(text, Code::kFailedPrecondition);
  text.set_text(std::string(kTextBytesMax + 1, 'a'));
  refused(text, Code::kInvalidArgument);
  wire::Route weights = VectorRoute({1, 0});
  weights.mutable_weights()->set_quality(0.9);
  weights.mutable_weights()->set_cost(0.9);
  refused(weights, Code::kOutOfRange);
  wire::Route cap = VectorRoute({1, 0});
  cap.set_cost_cap_usd(-1);
  refused(cap, Code::kOutOfRange);
  wire::Route unknown = VectorRoute({1, 0});
  unknown.add_allowed("nobody");
  refused(unknown, Code::kNotFound);
  wire::Route tenant = VectorRoute({1, 0});
  tenant.set_tenant(std::string(1 << 16, 't'));
  refused(tenant, Code::kInvalidArgument);
  EXPECT_EQ(services.Send(FrameKind::kRoute, "\xff\xff\xff")->code(), Code::kInvalidArgument);
  EXPECT_EQ(services.Ask(FrameKind::kRoute, VectorRoute({1, 0}))->code(), Code::kOk) << "the service lives on";
}

TEST(RouteService, ABatchAnswersEachQueryForItself) {
  Services services;
  services.ActivateTwoClusters();
  wire::RouteBatch batch;
  *batch.add_routes() = VectorRoute({0, 1});
  *batch.add_routes() = VectorRoute({1, 2, 3});
  const auto reply = services.Ask(FrameKind::kRouteBatch, batch)->As<wire::RouteBatchReply>();
  ASSERT_EQ(reply.items_size(), 2);
  EXPECT_TRUE(reply.items(0).has_reply());
  EXPECT_FALSE(reply.items(1).has_reply());
  EXPECT_EQ(reply.items(1).error().code(), static_cast<std::uint32_t>(Code::kInvalidArgument));
  EXPECT_EQ(services.Ask(FrameKind::kRouteBatch, wire::RouteBatch())->code(), Code::kInvalidArgument);
}

TEST(FeedbackService, ARatingCountsOnceHoweverOftenItIsSent) {
  Services services;
  const std::string token = services.RouteToken();
  const auto first = services.Ask(FrameKind::kRate, RateOf(token, 1))->As<wire::Ack>();
  EXPECT_EQ(first.code(), 0U);
  EXPECT_GT(first.sequence(), 0U);
  EXPECT_EQ(first.durability(), static_cast<std::uint32_t>(store::Durability::kSynced)) << "nothing less by default";
  const auto again = services.Ask(FrameKind::kRate, RateOf(token, 1))->As<wire::Ack>();
  EXPECT_EQ(again.code(), 1U);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 0))->code(), Code::kConflict);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 0, 1))->code(), Code::kOk);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 1, 0))->code(), Code::kConflict);
}

TEST(FeedbackService, AfterARetractionOnlyAHigherRevisionIsTaken) {
  Services services;
  const std::string token = services.RouteToken();
  ASSERT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 1))->code(), Code::kOk);
  wire::Retract retract;
  retract.set_token(token);
  retract.set_source("thumbs");
  retract.set_revision(1);
  EXPECT_EQ(services.Ask(FrameKind::kRetract, retract)->code(), Code::kOk);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 1, 1))->code(), Code::kConflict);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 1, 2))->code(), Code::kOk);
}

TEST(FeedbackService, RefusesForgedForeignMalformedAndExpiredTokens) {
  Services services;
  const std::string token = services.RouteToken();
  for (std::size_t i = 1; i < token.size(); ++i) {
    std::string forged = token;
    forged[i] = static_cast<char>(forged[i] ^ 1);
    EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(forged, 1))->code(), Code::kNotFound) << i;
  }
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 1), kStranger)->code(), Code::kNotFound);
  wire::Rate tenant = RateOf(token, 1);
  tenant.set_tenant("other");
  EXPECT_EQ(services.Ask(FrameKind::kRate, tenant)->code(), Code::kNotFound);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf("short", 1))->code(), Code::kInvalidArgument);
  services.clock().Advance(std::int64_t{60'000'000} * 62);
  EXPECT_EQ(services.Ask(FrameKind::kRate, RateOf(token, 1))->code(), Code::kExpired);
  EXPECT_EQ(services.metrics().refused(Code::kExpired), 1U);
}

TEST(FeedbackService, RefusesRangeSourceAndAuthority) {
  Services services;
  const std::string token = services.RouteToken();
  for (const double value : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    const auto refused = services.Ask(FrameKind::kRate, RateOf(token, value));
    EXPECT_EQ(refused->code(), Code::kOutOfRange) << value;
    EXPECT_EQ(refused->error()->reason, "value") << "refused before it is on its way to the log";
  }
  wire::Rate unknown = RateOf(token, 1);
  unknown.set_source("stars");
  const auto answer = services.Ask(FrameKind::kRate, unknown);
  EXPECT_EQ(answer->code(), Code::kNotFound);
  EXPECT_NE(answer->error()->message.find("thumbs"), std::string::npos) << "the known sources are listed";

  const std::string foreign = services.RouteToken(kStranger);
  wire::Gold gold;
  gold.set_token(foreign);
  gold.set_value(1);
  EXPECT_EQ(services.Ask(FrameKind::kGold, gold, kStranger)->code(), Code::kPermissionDenied);
  gold.set_token(token);
  EXPECT_EQ(services.Ask(FrameKind::kGold, gold)->code(), Code::kOk);
  wire::Retract retract;
  retract.set_token(foreign);
  retract.set_source("gold");
  EXPECT_EQ(services.Ask(FrameKind::kRetract, retract, kStranger)->code(), Code::kPermissionDenied);
  wire::Outcome outcome;
  outcome.set_token(token);
  outcome.set_latency_ms(-1);
  EXPECT_EQ(services.Ask(FrameKind::kOutcome, outcome)->code(), Code::kOutOfRange);
}

TEST(FeedbackService, APeerThatMayNotRateForManyIsOneSubjectWhateverItNames) {
  constexpr uid_t kService = 3001;
  constexpr uid_t kOther = 3002;
  Services services;
  services.context().rules.subject_uids = {kService};
  const auto subject_of = [&](uid_t uid, const std::string& name) {
    wire::Rate rate;
    rate.set_token(services.RouteToken(uid));
    rate.set_source("thumbs");
    rate.set_value(1);
    rate.set_subject(name);
    const auto ack = services.Ask(FrameKind::kRate, rate, uid)->As<wire::Ack>();
    SubjectHash subject;
    const Status read =
        services.store().ReadLog(LogSeq{ack.sequence()}, 1, [&subject](const policy::Event& event) -> Status {
          subject = std::get<policy::RatingGiven>(event.payload).subject;
          return {};
        });
    EXPECT_TRUE(read.ok());
    return subject;
  };
  EXPECT_NE(subject_of(kService, "ann"), subject_of(kService, "bob"));
  EXPECT_EQ(subject_of(kService, ""), SubjectHash{}) << "trusted to rate for many: the decision itself";
  const SubjectHash stranger = subject_of(kOther, "ann");
  EXPECT_NE(stranger, SubjectHash{});
  EXPECT_EQ(subject_of(kOther, "bob"), stranger);
  EXPECT_EQ(subject_of(kOther, ""), stranger);
}

TEST(FeedbackService, OneNameOfASubjectUnderTwoTenantsIsTwoSubjects) {
  Services services;
  const auto rate = [&](const std::string& tenant) {
    wire::Route route;
    route.set_text("hello");
    route.set_tenant(tenant);
    wire::Rate rating = RateOf(services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().token(), 1);
    rating.set_tenant(tenant);
    rating.set_subject("anna");
    EXPECT_EQ(services.Ask(FrameKind::kRate, rating)->code(), Code::kOk);
  };
  for (const char* tenant : {"first", "second", "first"}) rate(tenant);
  std::vector<SubjectHash> subjects;
  const Status read = services.store().ReadLog(LogSeq{1}, 0, [&](const policy::Event& event) -> Status {
    if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) subjects.push_back(rating->subject);
    return {};
  });
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(subjects.size(), 3U);
  EXPECT_NE(subjects[0], subjects[1]);
  EXPECT_EQ(subjects[0], subjects[2]);
}

TEST(FeedbackService, APreferenceNeedsTwoDecisions) {
  Services services;
  const std::string one = services.RouteToken();
  const std::string two = services.RouteToken();
  wire::Prefer prefer;
  prefer.set_winner(one);
  prefer.set_loser(one);
  prefer.set_source("thumbs");
  EXPECT_EQ(services.Ask(FrameKind::kPrefer, prefer)->code(), Code::kInvalidArgument);
  prefer.set_loser(two);
  EXPECT_EQ(services.Ask(FrameKind::kPrefer, prefer)->code(), Code::kOk);
}

TEST(RouteService, AFullQueueStillRoutesAndItsFeedbackIsToldWhy) {
  Services services(1);
  // Hold the commit thread, fill the queue's one place, and route once more.
  std::promise<void> held;
  std::promise<void> release;
  std::thread holder([&] {
    EXPECT_TRUE(services.queue()
                    .RunExclusive([&](store::Store&) {
                      held.set_value();
                      release.get_future().wait();
                      return Status();
                    })
                    .ok());
  });
  held.get_future().wait();
  wire::Route route;
  route.set_text("hello");
  wire::RouteReply refused;
  for (int i = 0; i < 3; ++i) {
    refused = services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>();
    EXPECT_EQ(refused.durability(), 0U);
    EXPECT_EQ(refused.token().size(), 32U);
  }
  EXPECT_GE(services.metrics().not_logged(), 1U) << "no decision met a full queue";
  const auto answer = services.Ask(FrameKind::kRate, RateOf(refused.token(), 1));
  EXPECT_EQ(answer->code(), Code::kFailedPrecondition);
  EXPECT_EQ(answer->reason(), "decision_not_logged");
  release.set_value();
  holder.join();
}

// East: one model far ahead; between the clusters: a close call.
// The row of a decision, when the commit thread is through with what came before.
Result<policy::DecisionRow> RowOf(Services& services, const wire::RouteReply& reply) {
  DecisionId id;
  std::memcpy(id.bytes.data(), reply.token().data(), id.bytes.size());
  Result<policy::DecisionRow> row = MakeError(Code::kNotFound, "none", "not yet");
  const Status ran = services.queue().RunExclusive([&](store::Store& store) {
    row = store.FindDecision(id);
    return Status();
  });
  EXPECT_TRUE(ran.ok());
  return row;
}

// They are looked for after the reply, and still are in the log: evidence moves by them.
TEST(Route, ADecisionIsLoggedWithItsNearestAnchors) {
  Services services;
  services.ActivateTwoClusters();
  for (const bool east : {true, false}) {
    const auto reply =
        services.Ask(FrameKind::kRoute, east ? VectorRoute({1, .1F}) : VectorRoute({.1F, 1}))->As<wire::RouteReply>();
    const auto row = RowOf(services, reply);
    ASSERT_TRUE(row.ok());
    ASSERT_EQ(row->context.anchors.size(), 2U);
    EXPECT_EQ(row->context.anchors[0].anchor, east ? 0U : 1U);
    EXPECT_GT(row->context.anchors[0].weight, .9);
    EXPECT_NEAR(row->context.anchors[0].weight + row->context.anchors[1].weight, 1, 1e-6);
  }
}

TEST(Route, PlannedGoldIsAskedWhereItIsWorthMostWithTheProbabilityThatIsLogged) {
  Services services;
  services.ActivateTwoClusters();
  policy::Options options;
  options.sources = {"thumbs"};
  options.gold_rate = .3;
  options.audit_rate_start = 0;
  options.audit_rate = 0;
  ASSERT_TRUE(services.mutations().SetOptions({}, options).ok());
  services.context().planned_gold = true;
  double expected[2] = {0, 0};
  double asked[2] = {0, 0};
  constexpr int kRoutes = 1500;
  for (int i = 0; i < 2 * kRoutes; ++i) {
    const bool close = i % 2 == 1;
    const auto reply =
        services.Ask(FrameKind::kRoute, close ? VectorRoute({.53F, .8F}) : VectorRoute({1, 0}))->As<wire::RouteReply>();
    expected[close] += reply.gold_probability();
    asked[close] += reply.gold_wanted() ? 1 : 0;
    if (i % 100 == 0) {
      const auto row = RowOf(services, reply);
      ASSERT_TRUE(row.ok());
      EXPECT_EQ(row->context.gold_probability, reply.gold_probability());
    }
  }
  for (const int close : {0, 1}) EXPECT_NEAR(asked[close], expected[close], 4 * std::sqrt(expected[close]));
  EXPECT_GT(expected[1], 3 * expected[0]);
  EXPECT_NEAR((expected[0] + expected[1]) / (2 * kRoutes), .3, .05) << "the rate is held";
}

TEST(Mutations, ABundleOfAnotherEmbedderIsRefusedUnlessItIsMeant) {
  Services services;
  services.ActivateTwoClusters();
  policy::Bundle other = TwoClusters();
  other.embedder.dimension = 1;
  other.centroids = {1, -1};
  other.anchors = {1, -1};
  other = Hashed(std::move(other));
  ASSERT_TRUE(services.mutations().PutBundle(other).ok());
  const auto refused = services.mutations().Activate({}, other.hash, "test", false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "embedder_changed");
  const auto forced = services.mutations().Activate({}, other.hash, "test", true);
  ASSERT_TRUE(forced.ok()) << forced.error().message;
  EXPECT_EQ(forced->value, 2U);
  const auto back = services.mutations().Rollback({});
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(services.cell().Load()->snapshot->bundle->dimension(), 2U);
}

// The commit thread answers first and wakes the loop after it: between the two the
// loop has been told of nothing. Here it never is.
TEST(LearnerLoop, ALookSeesWhatWasCommittedBeforeItWasAskedForAlthoughNobodyWokeTheLoop) {
  const auto store = store::MakeMemoryStore();
  ManualClock clock(1'700'000'000'000'000);
  SnapshotCell cell;
  auto loop = LearnerLoop::Create(*store, clock, cell, {}, {});
  ASSERT_TRUE(loop.ok()) << loop.error().message;
  store::CommitQueue unused(*store, clock, {}, {});
  loop.value()->Start(unused);
  std::vector<store::Request> requests(1);
  requests[0].what = policy::Payload{policy::Tick{}};
  std::vector<Result<store::Receipt>> receipts;
  ASSERT_TRUE(store->Commit(requests, clock.WallMicros(), true, &receipts).ok());
  ASSERT_TRUE(receipts.at(0).ok()) << receipts[0].error().message;
  const auto learnt =
      loop.value()->Query<std::uint64_t>(kPatience, [](const policy::State& state) { return state.last_seq.value; });
  ASSERT_TRUE(learnt.ok()) << learnt.error().message;
  EXPECT_EQ(*learnt, receipts[0]->seq.value);
  unused.Stop();
  EXPECT_TRUE(loop.value()->Stop().ok());
}

TEST(LearnerLoop, ARestartedLoopComesToTheSameHash) {
  Services services;
  services.ActivateTwoClusters();
  for (int i = 0; i < 20; ++i) {
    const auto reply = services.Ask(FrameKind::kRoute, VectorRoute({1, 0.1F * static_cast<float>(i)}));
    ASSERT_EQ(services.Ask(FrameKind::kRate, RateOf(reply->As<wire::RouteReply>().token(), i % 2))->code(), Code::kOk);
  }
  const auto status = services.Ask(FrameKind::kStatus, wire::Status())->As<wire::StatusReply>();
  ASSERT_TRUE(services.learner().WaitUntilLearned(LogSeq{status.last_sequence()}, kPatience).ok());
  const auto live = services.Ask(FrameKind::kStatus, wire::Status())->As<wire::StatusReply>();
  EXPECT_EQ(live.ratings(), 20U);
  SnapshotCell cell;
  auto again = LearnerLoop::Create(services.store(), services.clock(), cell, {}, {});
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again.value()->learned().value, live.learned_sequence());
  std::uint64_t hash = 0;
  again.value()->Start(services.queue());
  std::promise<void> looked;
  ASSERT_TRUE(again.value()
                  ->Inspect(true,
                            [&](const policy::State&, std::uint64_t found) {
                              hash = found;
                              looked.set_value();
                            })
                  .ok());
  looked.get_future().wait();
  EXPECT_EQ(hash, live.state_hash());
}

}  // namespace
}  // namespace pointsman::daemon::testing
