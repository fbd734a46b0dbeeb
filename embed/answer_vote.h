// The vote of a few models' answers to one question.
//
// Source: spec cascal_meta_router A.8, carried from three answers to any number:
// the group with most answers wins; equal groups are settled by the largest
// confidence in them (standardised log-probabilities, where every answer in
// question has one), else by the best-ranked answer. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "embed/answer_groups.h"

namespace pointsman::embed {

struct AnswerVote {
  std::size_t chosen = 0;  // the best-ranked answer of the winning group, or its most confident one in a tie
  double agreement = 0;    // share of all answers, unreadable ones included; 0 where none can be read
  bool escalate = true;    // no two answers agree
  std::vector<std::vector<std::size_t>> groups;  // indices ascending; the largest first, ties by best rank
};

// `groups` of the answers in order of rank (at least one); `confidence` has one
// entry an answer.
AnswerVote CountVote(const AnswerGroups& groups, std::span<const std::optional<double>> confidence);

}  // namespace pointsman::embed
