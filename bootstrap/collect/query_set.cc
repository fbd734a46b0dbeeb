#include "bootstrap/collect/query_set.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "bootstrap/data/line_source.h"
#include "bootstrap/data/starter_set.h"
#include "bootstrap/fit/votes.h"
#include "bootstrap/job/task_tables.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kLinesMax = 1'000'000;
constexpr std::uint64_t kLineBytesMax = 1U << 20;
constexpr double kCovered = 0.9;

std::string NodeName(const TaxonomyNode& node, std::size_t depth) {
  std::string name = node.domain;
  if (depth >= 1) name += "/" + node.subcategory;
  if (depth >= 2) name += "/" + node.level;
  return name;
}

// Why a line cannot be used; empty when it can.
std::string ReadQueryLine(simdjson::dom::parser& parser, const std::string& line, SetQuery* query) {
  simdjson::dom::object object;
  if (parser.parse(line).get(object) != simdjson::SUCCESS) return "it is not a JSON object";
  const std::array<std::pair<const char*, std::string*>, 5> fields = {{{"query", &query->text},
                                                                       {"id", &query->id},
                                                                       {"task", &query->task},
                                                                       {"gold", &query->reference},
                                                                       {"reference", &query->reference}}};
  for (const auto& [key, value] : fields) {
    simdjson::dom::element element;
    if (object[key].get(element) != simdjson::SUCCESS || element.is_null()) continue;
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) return std::string(key) + " is not a text";
    *value = std::string(text);
  }
  if (query->text.empty()) return "query is missing or empty";
  simdjson::dom::element element;
  std::uint64_t options = ListedOptions(query->text);
  if (object["options"].get(element) == simdjson::SUCCESS && !element.is_null()) {
    if (element.get(options) != simdjson::SUCCESS || options < 2 || options > 20) {
      return "options is not a whole number from 2 to 20";
    }
  }
  query->options = static_cast<std::uint32_t>(options);
  return {};
}

}  // namespace

void NameTasks(const std::vector<TaxonomyNode>& nodes, const std::vector<std::uint32_t>& node, QuerySet& set) {
  std::size_t chosen = 0;
  for (const std::size_t depth : {2U, 1U}) {
    std::map<std::string, std::size_t> count;
    for (const std::uint32_t n : node) ++count[NodeName(nodes[n], depth)];
    std::size_t types = 0;
    std::size_t rows = 0;
    for (const auto& [name, queries] : count) {
      if (queries < kTaskRowsMin) continue;
      ++types;
      rows += queries;
    }
    if (types > kTaskTypesMax || static_cast<double>(rows) < kCovered * static_cast<double>(node.size())) continue;
    chosen = depth;
    break;
  }
  for (std::size_t i = 0; i < node.size(); ++i) set.queries[i].task = NodeName(nodes[node[i]], chosen);
}

Result<QuerySet> StarterQueries(const std::string& directory) {
  const auto starter = ReadStarterSet(directory);
  if (!starter.ok()) return starter.error();
  std::vector<TaxonomyNode> nodes;
  for (const StarterNode& node : starter->nodes) {
    nodes.push_back({node.domain, "", node.subcategory, "", node.name, node.definition, node.example});
  }
  QuerySet set;
  std::vector<std::uint32_t> of_query;
  for (const StarterQuery& query : starter->queries) {
    set.queries.push_back({query.id, query.query, "", query.reference, "", 0});
    of_query.push_back(query.node);
  }
  NameTasks(nodes, of_query, set);
  return set;
}

Result<std::vector<TaxonomyNode>> StarterTaxonomy(const std::string& directory,
                                                  const std::vector<std::string>& domains) {
  const auto starter = ReadStarterSet(directory);
  if (!starter.ok()) return starter.error();
  std::set<std::string> known;
  std::vector<TaxonomyNode> nodes;
  for (const StarterNode& node : starter->nodes) {
    known.insert(node.domain);
    const bool wanted = domains.empty() || std::find(domains.begin(), domains.end(), node.domain) != domains.end();
    if (!wanted) continue;
    nodes.push_back({node.domain, "", node.subcategory, "", node.name, node.definition, node.example});
  }
  for (const std::string& domain : domains) {
    if (known.count(domain) != 0) continue;
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    return MakeError(Code::kNotFound, "unknown_domain",
                     "synthesise.domains: the shipped taxonomy has no domain \"" + domain + "\"; it has " + list);
  }
  return nodes;
}

Result<QuerySet> ReadQueryFile(const std::string& path) {
  LineSource source(path, kLineBytesMax);
  if (!source.opened()) {
    return MakeError(Code::kNotFound, "queries_not_found", "queries: the file " + path + " cannot be read");
  }
  QuerySet set;
  simdjson::dom::parser parser;
  std::set<std::string> ids;
  std::string line;
  for (std::uint64_t number = 1;; ++number) {
    const LineSource::Got got = source.Next(line);
    if (got == LineSource::Got::kEnd) break;
    SetQuery query;
    std::string fault;
    if (got == LineSource::Got::kDamaged) fault = "the gzip data are damaged or end too early";
    if (got == LineSource::Got::kTooLong) fault = "it is longer than " + std::to_string(kLineBytesMax) + " bytes";
    if (fault.empty() && line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (fault.empty()) fault = ReadQueryLine(parser, line, &query);
    if (fault.empty() && query.id.empty()) query.id = "q" + std::to_string(number);
    if (fault.empty() && !ids.insert(query.id).second) fault = "id " + query.id + " occurs twice";
    if (!fault.empty()) {
      return MakeError(Code::kInvalidArgument, "queries_unusable",
                       "queries: " + path + ", line " + std::to_string(number) + ": " + fault);
    }
    if (set.queries.size() == kLinesMax) {
      return MakeError(Code::kResourceExhausted, "queries_too_many",
                       "queries: " + path + " has more than " + std::to_string(kLinesMax) + " lines");
    }
    set.queries.push_back(std::move(query));
  }
  if (set.queries.empty()) {
    return MakeError(Code::kInvalidArgument, "queries_unusable", "queries: " + path + " holds no query");
  }
  return set;
}

}  // namespace pointsman::bootstrap
