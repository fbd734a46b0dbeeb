#include "embed/answer_vote.h"

#include <algorithm>

#include "base/contract.h"

namespace pointsman::embed {
namespace {

// The most confident answer of `candidates`; nothing where one has no confidence.
std::optional<std::size_t> MostConfident(const std::vector<std::size_t>& candidates,
                                         std::span<const std::optional<double>> confidence) {
  std::optional<std::size_t> best;
  for (const std::size_t at : candidates) {
    if (!confidence[at]) return std::nullopt;
    if (!best || *confidence[at] > *confidence[*best]) best = at;
  }
  return best;
}

}  // namespace

AnswerVote CountVote(const AnswerGroups& groups, std::span<const std::optional<double>> confidence) {
  REQUIRE(!groups.number.empty() && groups.number.size() == confidence.size(), "one confidence per answer");
  AnswerVote vote;
  vote.groups.resize(groups.groups);
  for (std::size_t i = 0; i < groups.number.size(); ++i) {
    if (groups.number[i] != kNoGroup) vote.groups[static_cast<std::size_t>(groups.number[i])].push_back(i);
  }
  std::erase_if(vote.groups, [](const auto& group) { return group.empty(); });
  std::sort(vote.groups.begin(), vote.groups.end(), [](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() > b.size() : a.front() < b.front();
  });
  if (vote.groups.empty()) return vote;
  const std::size_t most = vote.groups.front().size();
  std::vector<std::size_t> tied;
  std::size_t groups_tied = 0;
  for (const auto& group : vote.groups) {
    if (group.size() != most) break;
    ++groups_tied;
    tied.insert(tied.end(), group.begin(), group.end());
  }
  vote.chosen = vote.groups.front().front();
  if (groups_tied > 1) vote.chosen = MostConfident(tied, confidence).value_or(vote.chosen);
  vote.agreement = static_cast<double>(most) / static_cast<double>(groups.number.size());
  vote.escalate = most < 2;
  return vote;
}

}  // namespace pointsman::embed
