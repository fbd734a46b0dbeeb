// Votes through the dispatcher: whose they are, what wins, what is refused.
#include <gtest/gtest.h>

#include <limits>

#include "daemon/vote_service.h"
#include "tests/daemon/services/services_support.h"

namespace pointsman::daemon::testing {
namespace {

wire::Vote VoteOf(const std::string& token, const std::vector<std::string>& answers, const std::string& kind = "") {
  wire::Vote vote;
  vote.set_token(token);
  for (const std::string& answer : answers) vote.add_answers()->set_text(answer);
  vote.set_kind(kind);
  return vote;
}

TEST(VoteService, TheRankedModelsOfOneRouteVote) {
  Services services;
  services.ActivateTwoClusters();
  wire::Route route;
  route.add_embedding(1);
  route.add_embedding(0);
  route.set_candidates_max(3);
  const auto routed = services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>();
  ASSERT_EQ(routed.ranked_size(), 2) << "all there are, of three";
  wire::Vote vote = VoteOf(routed.token(), {"(B)", "C", "b"});
  vote.mutable_answers(0)->set_model(routed.ranked(0).name());
  const auto reply = services.Ask(FrameKind::kVote, vote)->As<wire::VoteReply>();
  EXPECT_EQ(reply.chosen(), 0U);
  EXPECT_EQ(reply.answer(), "(B)");
  EXPECT_EQ(reply.model(), routed.ranked(0).name());
  EXPECT_NEAR(reply.agreement(), 2.0 / 3, 1e-12);
  EXPECT_FALSE(reply.escalate());
  EXPECT_EQ(reply.kind(), "letter");
  ASSERT_EQ(reply.groups_size(), 2);
  EXPECT_EQ(reply.groups(0).answers_size(), 2);
}

TEST(VoteService, NumbersAgreeByValueAndResponsesByTheirLetter) {
  Services services;
  const std::string token = services.RouteToken();
  const auto numbers = services.Ask(FrameKind::kVote, VoteOf(token, {"7", "1/2", "50%"}))->As<wire::VoteReply>();
  EXPECT_EQ(numbers.kind(), "number");
  EXPECT_EQ(numbers.chosen(), 1U);
  const auto letters =
      services.Ask(FrameKind::kVote, VoteOf(token, {"I say (A).", "Hence the answer is C", "So: \\boxed{C}"}, "letter"))
          ->As<wire::VoteReply>();
  EXPECT_EQ(letters.chosen(), 1U);
  EXPECT_FALSE(letters.escalate());
}

TEST(VoteService, WhenAllDifferTheMostConfidentAnswersAndItSaysEscalate) {
  Services services;
  wire::Vote vote = VoteOf(services.RouteToken(), {"Rome", "Oslo", "Bern"});
  const auto by_rank = services.Ask(FrameKind::kVote, vote)->As<wire::VoteReply>();
  EXPECT_TRUE(by_rank.escalate());
  EXPECT_EQ(by_rank.answer(), "Rome");
  vote.mutable_answers(0)->set_confidence(-1);
  vote.mutable_answers(1)->set_confidence(2);
  EXPECT_EQ(services.Ask(FrameKind::kVote, vote)->As<wire::VoteReply>().answer(), "Rome") << "one is not known";
  vote.mutable_answers(2)->set_confidence(0);
  EXPECT_EQ(services.Ask(FrameKind::kVote, vote)->As<wire::VoteReply>().answer(), "Oslo");
}

TEST(VoteService, ModelsWithoutAnAnswerLowerTheAgreement) {
  Services services;
  const std::string token = services.RouteToken();
  const auto one = services.Ask(FrameKind::kVote, VoteOf(token, {"", "Oslo", ""}))->As<wire::VoteReply>();
  EXPECT_EQ(one.answer(), "Oslo");
  EXPECT_NEAR(one.agreement(), 1.0 / 3, 1e-12);
  EXPECT_TRUE(one.escalate());
  const auto none = services.Ask(FrameKind::kVote, VoteOf(token, {"", ""}))->As<wire::VoteReply>();
  EXPECT_EQ(none.agreement(), 0);
  EXPECT_TRUE(none.escalate());
}

TEST(VoteService, OnlyTheDecisionsOwnerVotesAndOnlyWhileItLives) {
  Services services;
  const std::string token = services.RouteToken();
  EXPECT_EQ(services.Ask(FrameKind::kVote, VoteOf(token, {"a"}), 54'321)->reason(), "forged_or_foreign");
  std::string forged = token;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  EXPECT_EQ(services.Ask(FrameKind::kVote, VoteOf(forged, {"a"}))->reason(), "forged_or_foreign");
  EXPECT_EQ(services.Ask(FrameKind::kVote, VoteOf("short", {"a"}))->reason(), "malformed_token");
  wire::Vote other_tenant = VoteOf(token, {"a"});
  other_tenant.set_tenant("elsewhere");
  EXPECT_EQ(services.Ask(FrameKind::kVote, other_tenant)->reason(), "forged_or_foreign");
  services.clock().Advance(std::int64_t{60'000'000} * 62);
  EXPECT_EQ(services.Ask(FrameKind::kVote, VoteOf(token, {"a"}))->code(), Code::kExpired);
}

TEST(VoteService, RefusesWhatIsNoVoteAndNamesTheField) {
  Services services;
  const std::string token = services.RouteToken();
  const auto refused = [&](const wire::Vote& vote, Code code, const std::string& named) {
    const auto answer = services.Ask(FrameKind::kVote, vote);
    EXPECT_EQ(answer->code(), code);
    ASSERT_TRUE(answer->error().has_value());
    EXPECT_NE(answer->error()->message.find(named), std::string::npos) << answer->error()->message;
  };
  refused(VoteOf(token, {}), Code::kInvalidArgument, "0 answers");
  refused(VoteOf(token, std::vector<std::string>(kVoteAnswersMax + 1, "a")), Code::kInvalidArgument, "65 answers");
  refused(VoteOf(token, {"a"}, "colour"), Code::kInvalidArgument, "colour");
  refused(VoteOf(token, {"a", std::string(kVoteTextBytesMax + 1, 'x')}), Code::kInvalidArgument, "answers[1].text");
  wire::Vote nan = VoteOf(token, {"a"});
  nan.mutable_answers(0)->set_confidence(std::numeric_limits<double>::quiet_NaN());
  refused(nan, Code::kOutOfRange, "answers[0].confidence");
  const auto broken = services.Send(FrameKind::kVote, "\xff\xff");
  ASSERT_TRUE(broken->Wait());
  EXPECT_EQ(broken->reason(), "malformed_message");
}

}  // namespace
}  // namespace pointsman::daemon::testing
