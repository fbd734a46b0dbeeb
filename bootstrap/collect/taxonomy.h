// A taxonomy grown by a generator: domain -> subcategory -> difficulty level.
//
// Source: spec trouter_bandits 1.2. For each parent: generate a set of children;
// then revise it and let the generator pick the better of the two, which are shown
// in an order drawn from the seed; stop after `stable_rounds` rounds without a
// change, or `rounds`. A badly formed or too long reply is asked for again, three
// times in all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/collect/query_set.h"
#include "bootstrap/collect/stage.h"
#include "bootstrap/job/plan.h"
#include "bootstrap/llm/chat_client.h"

namespace pointsman::bootstrap {

struct TaxonomyEntry {
  std::string name;
  std::string definition;
  std::string example;
  bool operator==(const TaxonomyEntry&) const = default;
};

// Lines "Name: ", "Definition: ", "Example: " between BEGIN and END, in this order;
// other lines are ignored. Nothing for a badly formed reply, names that repeat, or
// more than `most` entries.
std::vector<TaxonomyEntry> ParseEntries(std::string_view reply, std::size_t most);
// 'A', 'B', or 0 for a reply that picks neither: the last line "Choice: X" counts.
char ParsePick(std::string_view reply);

// Leaves in the order of their parents. Errors: of ChatClient::Ask;
// FAILED_PRECONDITION generator_unusable, naming the parent that stays without children.
Result<std::vector<TaxonomyNode>> GrowTaxonomy(const SynthesisOptions& options, std::uint64_t seed,
                                               ChatClient& generator, Meter& meter, const StageProgress& progress);

}  // namespace pointsman::bootstrap
