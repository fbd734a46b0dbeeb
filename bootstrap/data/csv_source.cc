#include "bootstrap/data/csv_source.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/json_text.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::string_view kOracle = "oracle_model_to_route_to";

// True, False or a number; nothing for what is no score.
std::optional<std::string> Score(std::string_view text) {
  if (text == "True" || text == "true") return "1";
  if (text == "False" || text == "false") return "0";
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::string(text);
}

bool InUnit(std::string_view text) {
  const auto score = Score(text);
  return score && std::strtod(score->c_str(), nullptr) >= 0 && std::strtod(score->c_str(), nullptr) <= 1;
}

// Splits a whole record. False inside an open quote.
bool Split(std::string_view record, std::vector<std::string>* fields) {
  fields->assign(1, "");
  bool quoted = false;
  for (std::size_t i = 0; i < record.size(); ++i) {
    const char c = record[i];
    if (quoted && c == '"' && i + 1 < record.size() && record[i + 1] == '"') {
      fields->back() += '"';
      ++i;
    } else if (c == '"' && (quoted || fields->back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields->emplace_back();
    } else {
      fields->back() += c;
    }
  }
  return !quoted;
}

bool StripSuffix(std::string_view* text, std::string_view suffix) {
  if (!text->ends_with(suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

}  // namespace

LineSource::Got CsvSource::NextRecord(std::vector<std::string>* fields) {
  std::string record;
  std::string line;
  first_line_ = line_ + 1;
  bool too_long = false;
  for (;;) {
    const LineSource::Got got = lines_.Next(line);
    ++line_;
    if (got == LineSource::Got::kDamaged) return got;
    if (got == LineSource::Got::kEnd) {
      if (record.empty() && !too_long) return got;
      fields->clear();  // an open quote at the end of the file
      return too_long ? LineSource::Got::kTooLong : LineSource::Got::kLine;
    }
    too_long = too_long || got == LineSource::Got::kTooLong || record.size() + line.size() > record_bytes_max_;
    if (too_long) return LineSource::Got::kTooLong;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    record += record.empty() ? line : "\n" + line;
    if (record.empty()) {
      first_line_ = line_ + 1;
      continue;
    }
    // Quotes come in pairs in a whole record; counting them is cheaper than splitting.
    if (std::count(record.begin(), record.end(), '"') % 2 == 0) break;
  }
  if (!Split(record, fields)) fields->clear();
  return LineSource::Got::kLine;
}

void CsvSource::NameColumns(const std::vector<std::string>& header, const std::vector<std::string>& first) {
  using Kind = Column::Kind;
  columns_.assign(header.size(), {});
  std::map<std::string, bool, std::less<>> named_after;
  for (std::size_t i = 0; i < header.size(); ++i) {
    std::string_view name = header[i];
    Column& column = columns_[i];
    if (name == "prompt" || name == "query") {
      column.kind = Kind::kQuery;
    } else if (name == "id" || name == "sample_id") {
      column.kind = Kind::kId;
    } else if (name == "task" || name == "eval_name") {
      column.kind = Kind::kTask;
    } else if (StripSuffix(&name, "|total_cost")) {
      column = {Kind::kCost, std::string(name)};
    } else if (StripSuffix(&name, "|model_response") || StripSuffix(&name, "_response")) {
      column = {Kind::kAnswer, std::string(name)};
    }
    if (!column.model.empty()) named_after[column.model] = true;
  }
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (columns_[i].kind != Kind::kIgnored || header[i].empty() || header[i] == kOracle) continue;
    const bool score = named_after.count(header[i]) != 0 || (i < first.size() && InUnit(first[i]));
    if (score) columns_[i] = {Kind::kScore, header[i]};
  }
}

std::string CsvSource::ToJson(const std::vector<std::string>& fields) const {
  using Kind = Column::Kind;
  if (fields.size() != header_.size()) {
    return "{\"csv\":\"a record with " + std::to_string(fields.size()) + " of " + std::to_string(header_.size()) +
           " fields\"}";
  }
  std::string json = "{";
  std::map<std::string, std::string> models;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Column& column = columns_[i];
    const std::string& value = fields[i];
    if (value.empty()) continue;
    const char* key = column.kind == Kind::kQuery ? "query" : column.kind == Kind::kId ? "id" : "task";
    switch (column.kind) {
      case Kind::kIgnored: break;
      case Kind::kQuery:
      case Kind::kId:
      case Kind::kTask: json += std::string(json.size() > 1 ? "," : "") + "\"" + key + "\":" + JsonText(value); break;
      case Kind::kScore: models[column.model] += ",\"score\":" + Score(value).value_or(JsonText(value)); break;
      case Kind::kAnswer: models[column.model] += ",\"answer\":" + JsonText(value); break;
      case Kind::kCost: models[column.model] += ",\"cost\":" + Score(value).value_or(JsonText(value)); break;
    }
  }
  json += std::string(json.size() > 1 ? "," : "") + "\"models\":{";
  bool first = true;
  for (const auto& [model, cell] : models) {
    json += (first ? "" : ",") + JsonText(model) + ":{" + cell.substr(1) + "}";
    first = false;
  }
  return json + "}}";
}

LineSource::Got CsvSource::Next(std::string& json) {
  std::vector<std::string> fields;
  if (header_.empty()) {
    const LineSource::Got got = NextRecord(&header_);
    if (got != LineSource::Got::kLine) return got;
    if (!header_.empty() && header_[0].starts_with("\xEF\xBB\xBF")) header_[0].erase(0, 3);
  }
  const LineSource::Got got = NextRecord(&fields);
  if (got != LineSource::Got::kLine) return got;
  if (columns_.empty()) NameColumns(header_, fields);
  json = ToJson(fields);
  return got;
}

}  // namespace pointsman::bootstrap
