// Tables of outcomes: JSON lines, or CSV by the file's name; plain or gzip.
//
// One object a line: id, query, task, models: {name: {score in [0,1], answer?,
// cost?, tokens_in?, tokens_out?, logprob?, label?}}, ratings: {source: {model: value}}?,
// gold?, options? (answers to choose from), generator? (what wrote the query).
// ParetoBandit's lines (prompt, source, arms: {name: {reward, cost}}) are read too, and
// the CSV of RouteLLM and RouterBench (data/csv_source.h).
// A broken line is reported by its number and left out; the rest is used.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace pointsman::bootstrap {

// One model's answer to one query; absent numbers are NaN, absent text is empty.
struct TableCell {
  bool present = false;
  double score;       // gold quality in [0,1]; NaN: not given
  double cost_usd;    // NaN: not given
  double tokens_in;   // NaN: not given
  double tokens_out;  // NaN: not given
  std::string answer;
  // Mean log-probability of the answer's tokens, <= 0; NaN: not given.
  double log_probability = std::numeric_limits<double>::quiet_NaN();
  std::string label{};  // where the score comes from: "reference", "judge", "consensus"; empty: not given
};

struct TableRow {
  std::string id;
  std::string query;
  std::string task;
  std::string gold;               // the right answer, where the table has one
  std::string generator;          // the model that wrote the query; empty: not given
  std::uint32_t options = 0;      // answers to choose from, 2 to 20; 0: not given
  std::vector<TableCell> models;  // by column of Table::models
  // ratings[s][m]: of Table::sources[s]; NaN: none.
  std::vector<std::vector<double>> ratings;
};

struct LineError {
  std::uint64_t line = 0;  // from 1
  std::string message;
};

struct Table {
  std::string name;                  // the file's stem
  std::vector<std::string> models;   // columns, ascending
  std::vector<std::string> sources;  // rating sources, ascending
  std::vector<TableRow> rows;
  std::vector<LineError> errors;     // the first 100
  std::uint64_t broken_lines = 0;

  // True when every model is present in the row.
  bool Complete(const TableRow& row) const;
};

struct TableLimits {
  std::uint64_t rows_max = 1'000'000;
  std::uint64_t line_bytes_max = 4U << 20;
  std::uint32_t models_max = 1000;
};

// Errors: NOT_FOUND (file), INVALID_ARGUMENT when no line is usable (with the
// first three line errors), RESOURCE_EXHAUSTED beyond the limits.
Result<Table> ReadTable(const std::string& path, const TableLimits& limits = {});

}  // namespace pointsman::bootstrap
