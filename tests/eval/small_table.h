// Small made-up tables with known truths, and reports by arm, for tests of eval/.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/data/table_reader.h"
#include "eval/run.h"

namespace pointsman::eval {

struct MadeModel {
  std::string name;
  std::vector<double> right;  // probability of score 1 in each topic; topics alternate by row
  double cost_usd = 1e-4;
};

// Models must ascend by name. Queries of a topic share words that others lack.
inline bootstrap::Table MadeTable(std::size_t rows, const std::vector<MadeModel>& models, std::uint64_t seed) {
  static const char* const kTopics[] = {"sailing ships and harbours", "algebra of finite groups",
                                        "baking bread with rye"};
  SplitMix64 random(seed);
  bootstrap::Table table;
  table.name = "made";
  for (const MadeModel& model : models) table.models.push_back(model.name);
  for (std::size_t r = 0; r < rows; ++r) {
    bootstrap::TableRow row;
    row.id = std::to_string(r);
    row.task = std::to_string(r % models[0].right.size());
    row.query = "question " + std::to_string(r) + " about " + kTopics[r % models[0].right.size()];
    row.gold = "A";
    for (const MadeModel& model : models) {
      bootstrap::TableCell cell;
      cell.present = true;
      cell.score = random.Unit() < model.right[r % model.right.size()] ? 1 : 0;
      cell.answer = cell.score > 0 ? "A" : "B";
      cell.cost_usd = model.cost_usd;
      cell.tokens_in = 10;
      cell.tokens_out = 20;
      row.models.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

// The report of one arm; the first one's, and a failure, where there is none of the name.
inline const ArmReport& Of(const RunReport& report, const std::string& name) {
  for (const ArmReport& arm : report.arms) {
    if (arm.name == name) return arm;
  }
  ADD_FAILURE() << name;
  return report.arms[0];
}

}  // namespace pointsman::eval
