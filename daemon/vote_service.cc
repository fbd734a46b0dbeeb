#include "daemon/vote_service.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "embed/answer_vote.h"
#include "wire.pb.h"

namespace pointsman::daemon {
namespace {

using Kind = embed::AnswerKind;
constexpr std::array<std::pair<std::string_view, Kind>, 3> kKinds{
    {{"letter", Kind::kLetter}, {"number", Kind::kNumber}, {"text", Kind::kText}}};

Result<Kind> KindOfRequest(const wire::Vote& request, std::span<const std::string> answers) {
  if (request.kind().empty()) return embed::KindOf(answers);
  for (const auto& [name, kind] : kKinds) {
    if (request.kind() == name) return kind;
  }
  return MakeError(Code::kInvalidArgument, "unknown_kind_of_answer",
                   fmt::format("answers of kind \"{}\" are not known; send letter, number, text or nothing",
                               log::Escape(request.kind())));
}

std::string_view NameOf(Kind kind) {
  for (const auto& [name, own] : kKinds) {
    if (own == kind) return name;
  }
  return {};
}

Status CheckAnswers(const wire::Vote& request) {
  if (request.answers_size() < 1 || request.answers_size() > kVoteAnswersMax) {
    return MakeError(Code::kInvalidArgument, "vote_size",
                     fmt::format("a vote of {} answers; send 1 to {}", request.answers_size(), kVoteAnswersMax));
  }
  for (int i = 0; i < request.answers_size(); ++i) {
    const wire::VoteAnswer& answer = request.answers(i);
    if (answer.text().size() > kVoteTextBytesMax) {
      return MakeError(Code::kInvalidArgument, "answer_too_long",
                       fmt::format("answers[{}].text is {} bytes long; at most {} are taken: send the answer without "
                                   "its reasoning",
                                   i, answer.text().size(), kVoteTextBytesMax));
    }
    if (answer.has_confidence() && !std::isfinite(answer.confidence())) {
      return MakeError(Code::kOutOfRange, "confidence",
                       fmt::format("answers[{}].confidence must be finite; leave it out where it is not known", i));
    }
  }
  return {};
}

void Fill(const wire::Vote& request, const embed::AnswerVote& vote, Kind kind, wire::VoteReply* reply) {
  const wire::VoteAnswer& chosen = request.answers(static_cast<int>(vote.chosen));
  reply->set_chosen(static_cast<std::uint32_t>(vote.chosen));
  reply->set_answer(chosen.text());
  reply->set_model(chosen.model());
  reply->set_agreement(vote.agreement);
  reply->set_escalate(vote.escalate);
  reply->set_kind(std::string(NameOf(kind)));
  for (const auto& group : vote.groups) {
    wire::VoteGroup* out = reply->add_groups();
    for (const std::size_t at : group) out->add_answers(static_cast<std::uint32_t>(at));
  }
}

}  // namespace

void VoteService::HandleVote(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Vote request;
  if (!request.ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size()))) {
    return Refuse(context_, Malformed("Vote"), reply);
  }
  const auto id = OpenToken(context_, peer, request.token(), request.tenant());
  if (!id.ok()) return Refuse(context_, id.error(), reply);
  if (const Status checked = CheckAnswers(request); !checked.ok()) return Refuse(context_, checked.error(), reply);
  std::vector<std::string> answers;
  std::vector<std::optional<double>> confidence;
  for (const wire::VoteAnswer& answer : request.answers()) {
    answers.push_back(answer.text());
    confidence.push_back(answer.has_confidence() ? std::optional(answer.confidence()) : std::nullopt);
  }
  const auto kind = KindOfRequest(request, answers);
  if (!kind.ok()) return Refuse(context_, kind.error(), reply);
  const auto groups = embed::GroupAnswers(answers, kind.value(), embed::NgramSimilarity);
  wire::VoteReply answer;
  Fill(request, embed::CountVote(groups, confidence), kind.value(), &answer);
  reply.Now(answer);
}

}  // namespace pointsman::daemon
