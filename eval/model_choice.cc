#include "eval/model_choice.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/unit_draw.h"

namespace pointsman::eval {

namespace {

constexpr std::size_t kWeakest = 14;
constexpr double kTokensPerDollar = 1e6;

// By falling mean score; ties by column.
std::vector<std::size_t> Ranked(const TableWorld& world) {
  std::vector<double> sums(world.models().size(), 0);
  for (const std::size_t row : world.usable_rows()) {
    for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += world.Score(row, m);
  }
  std::vector<std::size_t> order(sums.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sums[a] > sums[b]; });
  return order;
}

Result<std::size_t> CountIn(std::string_view selector, std::size_t models) {
  const std::string_view text = selector.substr(selector.find(':') + 1);
  std::size_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return MakeError(Code::kInvalidArgument, "model_selector",
                     std::string(selector) + " needs a whole number after the colon");
  }
  if (count < 1 || count > models) {
    return MakeError(Code::kOutOfRange, "model_selector",
                     std::string(selector) + ": the table has " + std::to_string(models) + " models");
  }
  return count;
}

Result<std::vector<std::size_t>> ByName(const TableWorld& world, std::string_view names) {
  const std::vector<std::string>& models = world.models();
  std::vector<std::size_t> columns;
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const std::string_view name = names.substr(begin, end - begin);
    begin = end + 1;
    const auto found = std::find(models.begin(), models.end(), name);
    if (found == models.end()) {
      std::string known;
      for (const std::string& model : models) known += (known.empty() ? "" : ", ") + model;
      return MakeError(Code::kNotFound, "unknown_model",
                       "no model " + std::string(name) + " in the table; there are " + known +
                           "; or give best:N, worst:N, random:N, lock-in");
    }
    columns.push_back(static_cast<std::size_t>(found - models.begin()));
  }
  return columns;
}

bootstrap::TableCell WithLength(bootstrap::TableCell cell) {
  if (!std::isfinite(cell.tokens_out) && std::isfinite(cell.cost_usd)) {
    cell.tokens_in = 0;
    cell.tokens_out = std::round(cell.cost_usd * kTokensPerDollar);
  }
  return cell;
}

}  // namespace

Result<std::vector<std::size_t>> ChooseModels(const TableWorld& world, std::string_view selector, std::uint64_t seed) {
  const std::size_t count = world.models().size();
  std::vector<std::size_t> columns;
  if (selector.empty()) {
    columns.resize(count);
    std::iota(columns.begin(), columns.end(), 0);
    return columns;
  }
  if (selector == "lock-in") {
    const std::vector<std::size_t> ranked = Ranked(world);
    columns.push_back(ranked.front());
    const std::size_t weakest = std::min(kWeakest, count - 1);
    columns.insert(columns.end(), ranked.end() - static_cast<std::ptrdiff_t>(weakest), ranked.end());
  } else if (selector.starts_with("best:") || selector.starts_with("worst:") || selector.starts_with("random:")) {
    const auto wanted = CountIn(selector, count);
    if (!wanted.ok()) return wanted.error();
    columns = Ranked(world);
    if (selector.starts_with("worst:")) std::reverse(columns.begin(), columns.end());
    if (selector.starts_with("random:")) {
      std::sort(columns.begin(), columns.end());
      SplitMix64 random(seed);
      Shuffle(columns, random);
    }
    columns.resize(*wanted);
  } else {
    auto named = ByName(world, selector);
    if (!named.ok()) return named.error();
    columns = std::move(named).value();
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

bootstrap::Table KeepModels(const TableWorld& world, const std::vector<std::size_t>& columns) {
  bootstrap::Table kept;
  kept.name = world.table().name;
  for (const std::size_t column : columns) kept.models.push_back(world.models()[column]);
  if (!world.source().empty()) kept.sources = {world.source()};
  kept.rows.reserve(world.usable_rows().size());
  for (const std::size_t r : world.usable_rows()) {
    const bootstrap::TableRow& from = world.table().rows[r];
    bootstrap::TableRow row = from;  // whatever else the row holds stays
    row.models.clear();
    row.ratings.clear();
    for (const std::size_t column : columns) row.models.push_back(WithLength(from.models[column]));
    if (!world.source().empty()) {
      row.ratings.resize(1);
      for (const std::size_t column : columns) {
        row.ratings[0].push_back(world.Rating(r, column).value_or(std::numeric_limits<double>::quiet_NaN()));
      }
    }
    kept.rows.push_back(std::move(row));
  }
  return kept;
}

std::vector<double> OutputPrices(const TableWorld& world) {
  std::vector<double> prices(world.models().size(), 0);
  for (std::size_t m = 0; m < prices.size(); ++m) {
    double cost = 0;
    double tokens = 0;
    for (const std::size_t row : world.usable_rows()) {
      const bootstrap::TableCell& cell = world.table().rows[row].models[m];
      if (!std::isfinite(cell.cost_usd) || !std::isfinite(cell.tokens_out)) continue;
      cost += cell.cost_usd;
      tokens += cell.tokens_out;
    }
    if (tokens > 0) prices[m] = cost / tokens * 1e6;
  }
  return prices;
}

}  // namespace pointsman::eval
