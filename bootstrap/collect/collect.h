// The answers of the candidate models to the queries, as a table of outcomes.
//
// Every model answers every query, or each query is answered by a balanced few.
// Each model has its own lane of as many threads as its endpoint takes requests at
// once, so that a slow one holds up nobody. A question that an endpoint refuses, or
// that finds it down now and then, leaves a hole in the table; three such failures
// in a row end the job. Spec cascal_meta_router A.1 for the extraction of letters.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/collect/query_set.h"
#include "bootstrap/collect/stage.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/llm/chat_client.h"

namespace pointsman::bootstrap {

// What a model is asked, and what its reply chose: the letter of a choice, else the
// text after the last "Answer:" or the last line. "N/A" for a reply without one.
std::string CandidatePrompt(const SetQuery& query);
std::string AnswerOf(const SetQuery& query, std::string_view reply);

// Which models answer query `number`: `each` of `models`, every model equally often in
// each block of `models` queries. 0 or as many as there are: all.
std::vector<std::size_t> Askees(std::size_t number, std::size_t models, std::size_t each, std::uint64_t seed);

struct Collected {
  Table table;                                    // answers, tokens, log-probabilities, cost; no scores
  std::vector<std::vector<std::string>> replies;  // rows x columns, whole; empty: not asked
  std::vector<std::string> warnings;
};

// `clients` in any order; columns are by name. Latency is in the call log.
// Errors: of ChatClient::Ask but those that concern one question.
Result<Collected> Collect(const std::string& name, const QuerySet& set,
                          const std::vector<std::unique_ptr<ChatClient>>& clients, std::size_t each, std::uint64_t seed,
                          Meter& meter, const StageProgress& progress);

// Removes models that answer nonsense: less than a tenth of their replies to choices
// can be read, while the others' can. Warnings name them.
void DropNonsense(Collected* collected);

}  // namespace pointsman::bootstrap
