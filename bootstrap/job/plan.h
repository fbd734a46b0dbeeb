// The plan of a bootstrap: where the queries come from, who answers them, who
// judges, and what it may cost. Read from the operator's file by daemon/job_plan.
// Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bootstrap/llm/chat_client.h"

namespace pointsman::bootstrap {

// Where the queries come from.
enum class QuerySource : std::uint8_t {
  kSynthesise,  // a generator writes them
  kStarter,     // the shipped starter set
  kFile,        // the operator's own: JSON lines with query, task?, reference?, options?
};

// What answers to a query look like.
enum class AnswerStyle : std::uint8_t {
  kChoice,  // options and a letter: consensus votes are exact
  kOpen,    // a short text or number
};

// What tells how good an answer is, in the order in which they are asked.
enum class LabelSource : std::uint8_t {
  kReference,  // equal to the reference answer: letter, number or text
  kJudge,      // the judge's number
  kConsensus,  // agreement with the other models' answers
};

struct PlanEndpoint {
  ChatEndpointOptions chat;
  std::string key_env;  // name of the environment variable with the key; empty: no key
};

struct PlanDomain {
  std::string name;
  std::string description;
};

struct SynthesisOptions {
  bool starter_taxonomy = true;     // the shipped taxonomy; else grown from `domains`
  std::vector<PlanDomain> domains;  // seeds; with the shipped taxonomy: only these of its domains, empty: all
  std::uint32_t new_domains = 4;    // that the generator may add to the seeds
  std::uint32_t subcategories = 5;  // a domain, at most
  std::uint32_t levels = 3;         // a subcategory, at most
  std::uint32_t rounds = 10;        // of revising, at most
  std::uint32_t stable_rounds = 3;  // unchanged ones that end it
  AnswerStyle style = AnswerStyle::kChoice;
  std::uint32_t per_node = 8;        // questions, 1 to 1,000
  std::uint32_t batch = 8;           // questions a call, 1 to 40
  std::uint32_t options = 4;         // of a choice, 2 to 10
  std::vector<std::string> samples;  // prompts of real users, shown to the generator
};

struct Plan {
  std::string name;  // letters, digits, '-' and '_': also the folder of its call log
  QuerySource source = QuerySource::kStarter;
  std::string queries_path;       // of kFile
  std::string starter_directory;  // of kStarter and of the shipped taxonomy
  std::uint32_t queries_max = 0;  // 0: all
  PlanEndpoint generator;         // name empty: none
  PlanEndpoint judge;             // name empty: none
  std::vector<PlanEndpoint> models;
  SynthesisOptions synthesis;
  std::uint32_t per_query = 0;  // models that answer each query; 0: all
  std::vector<LabelSource> labels{LabelSource::kReference, LabelSource::kJudge, LabelSource::kConsensus};
  double budget_usd = 0;  // 0: no cap
  std::uint64_t seed = 0;
};

// Everything that can be known to be wrong before the first request. Errors:
// INVALID_ARGUMENT or OUT_OF_RANGE with the field's name first in the message.
Status ValidatePlan(const Plan& plan);

// What a plan will ask for at most, by stage.
struct PlanStage {
  std::string stage;
  std::string model;
  std::uint64_t calls = 0;
  double tokens_in = 0;
  double tokens_out = 0;
  double cost_usd = 0;
};
struct PlanEstimate {
  std::uint64_t queries = 0;
  std::vector<PlanStage> stages;
  double cost_usd = 0;
  double worst_cost_usd = 0;  // if every answer were as long as it may be
};
// `queries` is known for kStarter and kFile; for kSynthesise it is what the plan's
// limits give. `query_bytes`: mean length of a query, where known.
PlanEstimate EstimatePlan(const Plan& plan, std::uint64_t queries, double query_bytes);

}  // namespace pointsman::bootstrap
