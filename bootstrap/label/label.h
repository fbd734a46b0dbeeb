// Scores of answers, each with the name of its source.
//
//   reference  letters: equal; numbers: equal in value (embed/answer_value.h); text:
//              1 when equal after normalisation, else the reference decides nothing
//   judge      a chat endpoint's number in [0,1], given question, reference and reply
//              (spec trouter_bandits 1.4)
//   consensus  agreement with the other models' answers (job/row_scores.h)
//
// The sources are asked in the plan's order; the first that decides gives the label.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/collect/collect.h"
#include "bootstrap/collect/query_set.h"
#include "bootstrap/collect/stage.h"
#include "bootstrap/job/plan.h"
#include "bootstrap/llm/chat_client.h"

namespace pointsman::bootstrap {

// Whether `answer` (as AnswerOf extracts it) is the reference's; nothing when the
// reference cannot tell.
std::optional<double> ReferenceScore(const SetQuery& query, std::string_view answer);

// The last "Score: x" with x in [0,1]; nothing without one.
std::optional<double> ParseJudgement(std::string_view reply);
std::string JudgePrompt(const SetQuery& query, std::string_view reply);

struct LabelCounts {
  std::size_t reference = 0;
  std::size_t judge = 0;
  std::size_t consensus = 0;
  std::size_t none = 0;  // nothing could tell
};

// Fills score and label of every present cell. `judge` may be null: it is passed over.
// Errors: of ChatClient::Ask but those that concern one question.
Result<LabelCounts> LabelAnswers(const QuerySet& set, const std::vector<LabelSource>& order, ChatClient* judge,
                                 Meter& meter, const StageProgress& progress, Collected* collected);

}  // namespace pointsman::bootstrap
