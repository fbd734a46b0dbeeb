// The starter set: a taxonomy and queries with reference answers, shipped with
// the project (bootstrap/starter/README.md says what it holds and how it was made).
//
// Unlike a user's table it is ours, so a single broken line fails the reading.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pointsman::bootstrap {

// A leaf of the taxonomy: domain, subcategory and level.
struct StarterNode {
  std::string id;  // "domain.subcategory.level"
  std::string domain;
  std::string subcategory;
  std::uint32_t level = 0;  // 0 basic, 1 intermediate, 2 advanced
  std::string name;
  std::string definition;
  std::string example;
};

struct StarterQuery {
  std::string id;
  std::uint32_t node = 0;  // index into StarterSet::nodes
  std::string query;
  std::string reference;
};

// Both in the order of their files.
struct StarterSet {
  std::vector<StarterNode> nodes;
  std::vector<StarterQuery> queries;
};

// Reads taxonomy.jsonl and queries.jsonl of `directory`. At most 100,000 lines a
// file and 64 KiB a line.
// Errors: NOT_FOUND (starter_file_missing), INVALID_ARGUMENT (starter_line_invalid,
// naming file, line and field; starter_set_empty), RESOURCE_EXHAUSTED
// (starter_set_too_large).
Result<StarterSet> ReadStarterSet(const std::string& directory);

}  // namespace pointsman::bootstrap
