// The queries that the models will be asked: synthesised, shipped or the operator's.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pointsman::bootstrap {

// A leaf of the taxonomy: domain, subcategory, level, each with its definition.
struct TaxonomyNode {
  std::string domain;
  std::string domain_definition;
  std::string subcategory;
  std::string subcategory_definition;
  std::string level;
  std::string level_definition;
  std::string example;
};

struct SetQuery {
  std::string id;
  std::string text;           // with its options, where it has some
  std::string task;           // task type in the table; may be empty
  std::string reference;      // the right letter, number or text; may be empty
  std::string generator;      // who wrote it; may be empty
  std::uint32_t options = 0;  // of a choice; 0: open
};

struct QuerySet {
  std::vector<SetQuery> queries;
  std::vector<std::string> warnings;  // for people
};

// Names a task type for each query from its node: the finest of node, subcategory and
// domain that gives at most 64 types with at least ten queries each for nine in ten
// of them; else the domain. `node[i]` is that of queries[i].
void NameTasks(const std::vector<TaxonomyNode>& nodes, const std::vector<std::uint32_t>& node, QuerySet& set);

// The shipped starter set as queries. Errors: of ReadStarterSet.
Result<QuerySet> StarterQueries(const std::string& directory);
// The shipped taxonomy; `domains` not empty: only these. Errors: of ReadStarterSet;
// NOT_FOUND a domain that it lacks, naming those that it has.
Result<std::vector<TaxonomyNode>> StarterTaxonomy(const std::string& directory,
                                                  const std::vector<std::string>& domains);
// JSON lines of the operator: {"query", "id"?, "task"?, "reference"? or "gold"?,
// "options"?}. A query that lists options A., B., ... is a choice of as many.
// Errors: NOT_FOUND; INVALID_ARGUMENT naming the first broken line;
// RESOURCE_EXHAUSTED above 1,000,000 lines.
Result<QuerySet> ReadQueryFile(const std::string& path);

}  // namespace pointsman::bootstrap
