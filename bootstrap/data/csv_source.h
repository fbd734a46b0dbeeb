// CSV tables of others as lines of our JSON (data/table_reader.h).
//
// RouteLLM      prompt, MODEL (True or False, or a score in [0,1]), MODEL_response?
// RouterBench   prompt, eval_name?, sample_id?, MODEL, MODEL|model_response?,
//               MODEL|total_cost?, oracle_model_to_route_to?
//
// One rule reads both: prompt (or query) is the query; id or sample_id the id; eval_name
// or task the task; a column of which others are named after, or whose first value is
// True, False or a number in [0,1], is a model; the rest is left out. Quoted fields may
// hold commas, quotes ("") and line ends.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bootstrap/data/line_source.h"

namespace pointsman::bootstrap {

class CsvSource {
 public:
  // `lines` outlives this.
  CsvSource(LineSource& lines, std::uint64_t record_bytes_max) : lines_(lines), record_bytes_max_(record_bytes_max) {}

  // The next record as a line of JSON. kTooLong skips a record; a record that is no
  // row of the header gives a line that the table reader refuses, saying why.
  LineSource::Got Next(std::string& json);
  // Of the last record's first line, from 1.
  std::uint64_t line_number() const { return first_line_; }

 private:
  struct Column {
    enum class Kind : std::uint8_t { kIgnored, kQuery, kId, kTask, kScore, kAnswer, kCost };
    Kind kind = Kind::kIgnored;
    std::string model;
  };
  LineSource::Got NextRecord(std::vector<std::string>* fields);
  void NameColumns(const std::vector<std::string>& header, const std::vector<std::string>& first);
  std::string ToJson(const std::vector<std::string>& fields) const;

  LineSource& lines_;
  const std::uint64_t record_bytes_max_;
  std::vector<std::string> header_;
  std::vector<Column> columns_;
  std::uint64_t line_ = 0;
  std::uint64_t first_line_ = 0;
};

}  // namespace pointsman::bootstrap
