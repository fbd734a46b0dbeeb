#include "bootstrap/data/table_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "bootstrap/data/csv_source.h"
#include "bootstrap/data/line_source.h"

namespace pointsman::bootstrap {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kErrorsKept = 100;
constexpr std::size_t kNameBytesMax = 128;
constexpr std::size_t kSourcesMax = 64;
constexpr double kOptionsMax = 20;  // letters A to T
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// A row before the table's columns are known.
struct LooseRow {
  TableRow row;                                                           // without models and ratings
  std::vector<std::pair<std::uint32_t, TableCell>> cells;                 // (model in order of appearance, cell)
  std::vector<std::tuple<std::uint32_t, std::uint32_t, double>> ratings;  // (source, rated model, value)
};

// Numbers names by first appearance.
class NameList {
 public:
  std::uint32_t Number(std::string_view name) {
    const auto [at, fresh] = numbers_.try_emplace(std::string(name), static_cast<std::uint32_t>(numbers_.size()));
    (void)fresh;
    return at->second;
  }
  bool Known(std::string_view name) const { return numbers_.find(name) != numbers_.end(); }
  std::size_t size() const { return numbers_.size(); }
  std::vector<std::string> Ascending() const {
    std::vector<std::string> names;
    for (const auto& [name, number] : numbers_) names.push_back(name);
    return names;
  }
  std::vector<std::string> ByNumber() const {
    std::vector<std::string> names(numbers_.size());
    for (const auto& [name, number] : numbers_) names[number] = name;
    return names;
  }
  // position[number] in Ascending().
  std::vector<std::uint32_t> Positions() const {
    std::vector<std::uint32_t> positions(numbers_.size());
    std::uint32_t next = 0;
    for (const auto& [name, number] : numbers_) positions[number] = next++;
    return positions;
  }

 private:
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
};

// Why a line cannot be used; empty when it can.
using Fault = std::string;

// Absent and null leave `value` as it is.
Fault ReadNumber(const dom::object& object, std::string_view key, double low, double high, double* value) {
  dom::element element;
  if (object[key].get(element) != simdjson::SUCCESS || element.is_null()) return {};
  double number = 0;
  if (element.get(number) != simdjson::SUCCESS) return std::string(key) + " is not a number";
  if (!std::isfinite(number) || number < low || number > high) {
    return std::string(key) + " " + std::to_string(number) + " is out of range";
  }
  *value = number;
  return {};
}

Fault ReadText(const dom::object& object, std::string_view key, std::string* value) {
  dom::element element;
  if (object[key].get(element) != simdjson::SUCCESS || element.is_null()) return {};
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return std::string(key) + " is not a text";
  *value = std::string(text);
  return {};
}

Fault ReadOptions(const dom::object& object, std::uint32_t* options) {
  double number = 0;
  Fault fault = ReadNumber(object, "options", 2, kOptionsMax, &number);
  if (fault.empty() && number != std::floor(number)) fault = "options is not a whole number";
  if (fault.empty()) *options = static_cast<std::uint32_t>(number);
  return fault;
}

Fault ReadCell(const dom::object& object, TableCell* cell) {
  *cell = TableCell{true, kMissing, kMissing, kMissing, kMissing, {}};
  constexpr double kAny = std::numeric_limits<double>::max();
  Fault fault = ReadNumber(object, "reward", 0, 1, &cell->score);
  if (fault.empty()) fault = ReadNumber(object, "score", 0, 1, &cell->score);
  if (fault.empty()) fault = ReadNumber(object, "cost", 0, kAny, &cell->cost_usd);
  if (fault.empty()) fault = ReadNumber(object, "tokens_in", 0, kAny, &cell->tokens_in);
  if (fault.empty()) fault = ReadNumber(object, "tokens_out", 0, kAny, &cell->tokens_out);
  if (fault.empty()) fault = ReadNumber(object, "logprob", -kAny, 0, &cell->log_probability);
  if (fault.empty()) fault = ReadText(object, "answer", &cell->answer);
  if (fault.empty()) fault = ReadText(object, "label", &cell->label);
  return fault;
}

bool GoodName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

class TableBuilder {
 public:
  // Reads one line. Nothing of a line with a fault is kept.
  Fault Add(const std::string& line) {
    dom::object object;
    const auto parsed = parser_.parse(line).get(object);
    if (parsed != simdjson::SUCCESS) return std::string("not a JSON object: ") + simdjson::error_message(parsed);
    LooseRow loose;
    Fault fault = ReadText(object, "query", &loose.row.query);
    // ParetoBandit's names for the same: prompt, source, arms and their reward.
    if (fault.empty() && loose.row.query.empty()) fault = ReadText(object, "prompt", &loose.row.query);
    if (fault.empty() && loose.row.query.empty()) fault = "query is missing or empty";
    if (fault.empty()) fault = ReadText(object, "id", &loose.row.id);
    if (fault.empty()) fault = ReadText(object, "task", &loose.row.task);
    if (fault.empty() && loose.row.task.empty()) fault = ReadText(object, "source", &loose.row.task);
    if (fault.empty()) fault = ReadText(object, "gold", &loose.row.gold);
    if (fault.empty()) fault = ReadText(object, "generator", &loose.row.generator);
    if (fault.empty()) fault = ReadOptions(object, &loose.row.options);
    std::vector<std::pair<std::string, TableCell>> cells;
    if (fault.empty()) fault = ReadModels(object, &cells);
    std::vector<std::tuple<std::string, std::string, double>> ratings;
    if (fault.empty()) fault = ReadRatings(object, &ratings);
    if (!fault.empty()) return fault;
    for (auto& [name, cell] : cells) loose.cells.emplace_back(models_.Number(name), std::move(cell));
    for (const auto& [source, model, value] : ratings) {
      loose.ratings.emplace_back(sources_.Number(source), rated_.Number(model), value);
    }
    rows_.push_back(std::move(loose));
    return {};
  }

  // Columns so far, those named by ratings alone included.
  std::size_t model_count() const { return std::max(models_.size(), rated_.size()); }
  std::size_t source_count() const { return sources_.size(); }
  std::size_t row_count() const { return rows_.size(); }

  void Finish(Table* table) {
    table->models = models_.Ascending();
    table->sources = sources_.Ascending();
    const auto model_at = models_.Positions();
    const auto source_at = sources_.Positions();
    // A rating of a model that never answers says nothing.
    std::vector<int> columns;
    for (const std::string& name : rated_.ByNumber()) {
      columns.push_back(models_.Known(name) ? static_cast<int>(model_at[models_.Number(name)]) : -1);
    }
    const TableCell absent{false, kMissing, kMissing, kMissing, kMissing, {}};
    for (LooseRow& loose : rows_) {
      TableRow row = std::move(loose.row);
      row.models.assign(table->models.size(), absent);
      for (auto& [model, cell] : loose.cells) row.models[model_at[model]] = std::move(cell);
      row.ratings.assign(table->sources.size(), std::vector<double>(table->models.size(), kMissing));
      for (const auto& [source, rated, value] : loose.ratings) {
        const int column = columns[rated];
        if (column >= 0) row.ratings[source_at[source]][static_cast<std::size_t>(column)] = value;
      }
      table->rows.push_back(std::move(row));
      loose = LooseRow{};
    }
    rows_.clear();
  }

 private:
  Fault ReadModels(const dom::object& object, std::vector<std::pair<std::string, TableCell>>* cells) {
    dom::object models;
    if (object["models"].get(models) != simdjson::SUCCESS && object["arms"].get(models) != simdjson::SUCCESS) {
      return "models is missing or not an object";
    }
    for (const auto [name, element] : models) {
      if (!GoodName(name)) return "a model's name is empty, longer than 128 bytes or not printable ASCII";
      dom::object fields;
      if (element.get(fields) != simdjson::SUCCESS) return "model " + std::string(name) + " is not an object";
      TableCell cell{};
      const Fault fault = ReadCell(fields, &cell);
      if (!fault.empty()) return "model " + std::string(name) + ": " + fault;
      const bool twice = std::any_of(cells->begin(), cells->end(), [&](const auto& c) { return c.first == name; });
      if (twice) return "model " + std::string(name) + " appears twice";
      cells->emplace_back(std::string(name), std::move(cell));
    }
    if (cells->empty()) return "models is empty";
    return {};
  }

  static Fault ReadRatings(const dom::object& object,
                           std::vector<std::tuple<std::string, std::string, double>>* ratings) {
    dom::element element;
    if (object["ratings"].get(element) != simdjson::SUCCESS || element.is_null()) return {};
    dom::object sources;
    if (element.get(sources) != simdjson::SUCCESS) return "ratings is not an object";
    for (const auto [source, by_model] : sources) {
      if (!GoodName(source)) return "a rating source's name is empty, longer than 128 bytes or not printable ASCII";
      dom::object values;
      if (by_model.get(values) != simdjson::SUCCESS) return "ratings of " + std::string(source) + " is not an object";
      for (const auto [model, rating] : values) {
        double number = kMissing;
        const Fault fault = ReadNumber(values, model, 0, 1, &number);
        if (!fault.empty()) return "ratings of " + std::string(source) + ": " + fault;
        if (!GoodName(model)) return "ratings of " + std::string(source) + ": a model's name is not printable ASCII";
        if (std::isfinite(number)) ratings->emplace_back(std::string(source), std::string(model), number);
      }
    }
    return {};
  }

  dom::parser parser_;
  NameList models_;
  NameList rated_;  // models that ratings name
  NameList sources_;
  std::vector<LooseRow> rows_;
};

std::string Stem(const std::string& path) {
  std::filesystem::path stem = std::filesystem::path(path).filename();
  while (stem.has_extension() && stem.stem() != stem) stem = stem.stem();
  return stem.string();
}

Error NothingUsable(const std::string& path, const Table& table) {
  std::string message = "no line of " + path + " can be used";
  for (std::size_t i = 0; i < table.errors.size() && i < 3; ++i) {
    message += "; line " + std::to_string(table.errors[i].line) + ": " + table.errors[i].message;
  }
  message += table.errors.empty() ? ": the file is empty" : "";
  return MakeError(Code::kInvalidArgument, "table_unusable",
                   message + ". Expected one JSON object a line with query and models");
}

Error BeyondLimit(const std::string& path, const std::string& what) {
  return MakeError(Code::kResourceExhausted, "table_too_large", path + " has more than " + what + "; split the table");
}

}  // namespace

bool Table::Complete(const TableRow& row) const {
  return row.models.size() == models.size() &&
         std::all_of(row.models.begin(), row.models.end(), [](const TableCell& cell) { return cell.present; });
}

Result<Table> ReadTable(const std::string& path, const TableLimits& limits) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    return MakeError(Code::kNotFound, "table_not_found", "there is no table file " + path + "; check the path");
  }
  LineSource source(path, limits.line_bytes_max);
  if (!source.opened()) {
    return MakeError(Code::kNotFound, "table_not_readable", "the table file " + path + " cannot be opened for reading");
  }
  CsvSource csv(source, limits.line_bytes_max);
  const bool comma_separated = path.ends_with(".csv") || path.ends_with(".csv.gz");
  TableBuilder builder;
  Table table;
  table.name = Stem(path);
  std::string line;
  for (std::uint64_t number = 1;; ++number) {
    const LineSource::Got got = comma_separated ? csv.Next(line) : source.Next(line);
    if (got == LineSource::Got::kEnd) break;
    Fault fault;
    if (got == LineSource::Got::kDamaged) {
      fault = "the gzip data are damaged or end too early; what follows is not read";
    } else if (got == LineSource::Got::kTooLong) {
      fault = "longer than " + std::to_string(limits.line_bytes_max) + " bytes";
    } else if (line.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    } else {
      if (builder.row_count() >= limits.rows_max) {
        return BeyondLimit(path, std::to_string(limits.rows_max) + " rows");
      }
      fault = builder.Add(line);
    }
    if (!fault.empty()) {
      ++table.broken_lines;
      const std::uint64_t place = comma_separated ? csv.line_number() : number;
      if (table.errors.size() < kErrorsKept) table.errors.push_back({place, std::move(fault)});
    }
    if (builder.model_count() > limits.models_max) {
      return BeyondLimit(path, std::to_string(limits.models_max) + " models");
    }
    if (builder.source_count() > kSourcesMax) {
      return BeyondLimit(path, std::to_string(kSourcesMax) + " rating sources");
    }
    if (got == LineSource::Got::kDamaged) break;
  }
  if (builder.row_count() == 0) return NothingUsable(path, table);
  builder.Finish(&table);
  return table;
}

}  // namespace pointsman::bootstrap
