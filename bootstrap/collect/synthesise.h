// Questions with reference answers for every node of a taxonomy, from a generator.
//
// Source: spec trouter_bandits 1.3. Each call asks for a batch; a question whose
// cosine (hashed n-grams) to a kept one of its node is above .9 is dropped, as is
// one that another node has word for word; at most wanted/batch + 10 calls a node,
// which then has fewer. Nodes run side by side, the calls of a node one after the
// other, so that what is asked does not depend on timing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/collect/query_set.h"
#include "bootstrap/collect/stage.h"
#include "bootstrap/job/plan.h"
#include "bootstrap/llm/chat_client.h"

namespace pointsman::bootstrap {

inline constexpr double kTooSimilar = 0.9;

struct GeneratedQuestion {
  std::string question;
  std::vector<std::string> options;  // of a choice
  std::string answer;                // a letter for a choice
};

// Blocks of [Question], [Options] (a choice), [Answer], each ended by a line of
// "#####"; short tags [Q], [O], [A] too. Incomplete blocks are left out.
std::vector<GeneratedQuestion> ParseQuestions(std::string_view reply, AnswerStyle style, std::size_t options);

std::string QuestionPrompt(const TaxonomyNode& node, const SynthesisOptions& options, std::size_t batch_number);

// Errors: of ChatClient::Ask; FAILED_PRECONDITION generator_unusable when a tenth of the
// nodes or more stay without a single question, naming generator.
Result<QuerySet> Synthesise(const std::vector<TaxonomyNode>& nodes, const SynthesisOptions& options,
                            std::size_t queries_max, ChatClient& generator, Meter& meter,
                            const StageProgress& progress);

}  // namespace pointsman::bootstrap
