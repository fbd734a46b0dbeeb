#include "eval/table_world.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "base/unit_draw.h"

namespace pointsman::eval {

namespace {

constexpr std::size_t kBootstrapRows = 3000;
constexpr std::string_view kAgree = "agree:";

std::string Resolve(const std::string& source) {
  if (source == "ref_agree") return "agree:gemini-1.5-flash-002";
  if (source == "weak_agree") return "agree:Meta-Llama-3_1-8B-Instruct";
  return source;
}

int IndexOf(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

std::string Join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined.empty() ? "none" : joined;
}

}  // namespace

Result<TableWorld> TableWorld::Create(const bootstrap::Table& table, const std::string& source) {
  TableWorld world(table);
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& cells = table.rows[r].models;
    const bool scored = std::all_of(cells.begin(), cells.end(),
                                    [](const auto& cell) { return cell.present && std::isfinite(cell.score); });
    if (scored && cells.size() == table.models.size() && !table.rows[r].query.empty()) world.usable_.push_back(r);
  }
  if (world.usable_.empty() || table.models.empty()) {
    return MakeError(Code::kInvalidArgument, "no_usable_row",
                     "table " + table.name + " has no row in which every model is present with a score");
  }
  world.source_ = source;
  if (source.empty() && !table.sources.empty()) world.source_ = table.sources[0];
  if (world.source_ == kNoSource && IndexOf(table.sources, kNoSource) < 0) world.source_.clear();
  if (world.source_.empty()) return world;
  const std::string resolved = Resolve(world.source_);
  if (std::string_view(resolved).starts_with(kAgree)) {
    world.reference_column_ = IndexOf(table.models, resolved.substr(kAgree.size()));
  }
  if (world.reference_column_ < 0) world.source_column_ = IndexOf(table.sources, world.source_);
  if (world.reference_column_ < 0 && world.source_column_ < 0) {
    return MakeError(Code::kNotFound, "unknown_source",
                     "no rating source " + world.source_ + " in table " + table.name + "; the file has: " +
                         Join(table.sources) + "; or give agree:MODEL with one of: " + Join(table.models));
  }
  return world;
}

std::optional<double> TableWorld::Rating(std::size_t row, std::size_t model) const {
  const bootstrap::TableRow& line = table_->rows[row];
  if (source_column_ >= 0) {
    const double value = line.ratings[static_cast<std::size_t>(source_column_)][model];
    return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
  }
  if (reference_column_ < 0) return std::nullopt;
  const auto reference = static_cast<std::size_t>(reference_column_);
  const std::string& letter = line.models[reference].answer;
  if (model == reference || letter.empty()) return std::nullopt;
  return line.models[model].answer == letter ? 1.0 : 0.0;
}

Result<Split> SplitWorld(const TableWorld& world, std::uint64_t seed, std::size_t bootstrap_rows, RowOrder order) {
  const std::vector<std::size_t>& usable = world.usable_rows();
  const std::size_t wanted = bootstrap_rows > 0 ? bootstrap_rows : std::min(kBootstrapRows, usable.size() / 2);
  std::vector<std::vector<std::size_t>> groups;
  std::unordered_map<std::string_view, std::size_t> group_of;
  for (const std::size_t row : usable) {
    const auto [at, is_new] = group_of.try_emplace(world.table().rows[row].query, groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(row);
  }
  SplitMix64 random(seed);
  if (order == RowOrder::kShuffled) Shuffle(groups, random);
  Split split;
  for (const auto& group : groups) {
    auto& half = split.bootstrap.size() < wanted ? split.bootstrap : split.stream;
    half.insert(half.end(), group.begin(), group.end());
  }
  if (split.stream.size() < 2) {
    return MakeError(Code::kOutOfRange, "bootstrap_rows",
                     "a bootstrap set of " + std::to_string(wanted) + " leaves no stream of the " +
                         std::to_string(usable.size()) + " usable rows; ask for fewer bootstrap rows");
  }
  return split;
}

}  // namespace pointsman::eval
