#include "bootstrap/data/starter_set.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace pointsman::bootstrap {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kLinesMax = 100'000;
constexpr std::size_t kLineBytesMax = 64U << 10;
constexpr std::array<std::string_view, 3> kLevels = {"basic", "intermediate", "advanced"};

// Why a line cannot be used; empty when it can.
using Fault = std::string;
using LineReader = std::function<Fault(const dom::object&)>;

Fault ReadText(const dom::object& object, std::string_view key, std::string* value) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) return std::string(key) + " is missing or not a text";
  if (text.empty()) return std::string(key) + " is empty";
  *value = std::string(text);
  return {};
}

Fault ReadLine(dom::parser& parser, const std::string& line, const LineReader& read) {
  if (line.size() > kLineBytesMax) return "it is longer than " + std::to_string(kLineBytesMax) + " bytes";
  dom::object object;
  if (parser.parse(line).get(object) != simdjson::SUCCESS) return "it is not a JSON object";
  return read(object);
}

Status ReadLines(const std::filesystem::path& path, const LineReader& read) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return MakeError(Code::kNotFound, "starter_file_missing",
                     "cannot read " + path.string() + "; give the directory that holds the starter set");
  }
  dom::parser parser;
  std::string line;
  std::size_t number = 0;
  while (std::getline(file, line)) {
    if (++number > kLinesMax) {
      return MakeError(Code::kResourceExhausted, "starter_set_too_large",
                       path.string() + " has more than " + std::to_string(kLinesMax) + " lines; shorten it");
    }
    const Fault fault = ReadLine(parser, line, read);
    if (!fault.empty()) {
      return MakeError(Code::kInvalidArgument, "starter_line_invalid",
                       path.string() + ", line " + std::to_string(number) + ": " + fault + "; correct the line");
    }
  }
  if (number == 0) {
    return MakeError(Code::kInvalidArgument, "starter_set_empty", path.string() + " has no line; install it again");
  }
  return {};
}

Fault ReadNode(const dom::object& object, StarterNode* node) {
  std::string level;
  const std::array<std::pair<std::string_view, std::string*>, 7> fields = {{{"id", &node->id},
                                                                            {"domain", &node->domain},
                                                                            {"subcategory", &node->subcategory},
                                                                            {"level", &level},
                                                                            {"name", &node->name},
                                                                            {"definition", &node->definition},
                                                                            {"example", &node->example}}};
  for (const auto& [key, value] : fields) {
    Fault fault = ReadText(object, key, value);
    if (!fault.empty()) return fault;
  }
  const auto* at = std::find(kLevels.begin(), kLevels.end(), level);
  if (at == kLevels.end()) return "level " + level + " is none of basic, intermediate, advanced";
  node->level = static_cast<std::uint32_t>(at - kLevels.begin());
  return {};
}

}  // namespace

Result<StarterSet> ReadStarterSet(const std::string& directory) {
  StarterSet set;
  std::map<std::string, std::uint32_t, std::less<>> numbers;
  const std::filesystem::path folder(directory);
  Status status = ReadLines(folder / "taxonomy.jsonl", [&](const dom::object& object) -> Fault {
    StarterNode node;
    Fault fault = ReadNode(object, &node);
    if (!fault.empty()) return fault;
    if (!numbers.emplace(node.id, static_cast<std::uint32_t>(set.nodes.size())).second) {
      return "id " + node.id + " occurs twice";
    }
    set.nodes.push_back(std::move(node));
    return {};
  });
  if (!status.ok()) return status.error();

  std::set<std::string, std::less<>> ids;
  status = ReadLines(folder / "queries.jsonl", [&](const dom::object& object) -> Fault {
    StarterQuery query;
    std::string node;
    Fault fault = ReadText(object, "id", &query.id);
    if (fault.empty()) fault = ReadText(object, "node", &node);
    if (fault.empty()) fault = ReadText(object, "query", &query.query);
    if (fault.empty()) fault = ReadText(object, "reference", &query.reference);
    if (!fault.empty()) return fault;
    const auto at = numbers.find(node);
    if (at == numbers.end()) return "node " + node + " is not in taxonomy.jsonl";
    if (!ids.insert(query.id).second) return "id " + query.id + " occurs twice";
    query.node = at->second;
    set.queries.push_back(std::move(query));
    return {};
  });
  if (!status.ok()) return status.error();
  return set;
}

}  // namespace pointsman::bootstrap
