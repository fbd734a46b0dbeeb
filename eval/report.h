// What a run found, for programs and for people.
//
// Scores are in [0,1], costs in US dollars, NaN stands for a number that does not
// apply. Plain values; both renderings are pure. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/arm.h"
#include "eval/coverage.h"

namespace pointsman::eval {

// Mean over seeds and its standard error; with one seed the error is over
// decisions. `least`: the lowest seed. NaN: does not apply.
struct Figure {
  double mean = kUnknown;
  double se = kUnknown;
  double least = kUnknown;
};

// How one model fared under one arm; all seeds together.
struct ModelUse {
  std::string model;
  double share = 0;             // of decisions
  double predicted = kUnknown;  // mean prediction where chosen
  double quality = 0;           // mean true score where chosen
  double cost_usd = kUnknown;
};

// One of 15 bins of equal mass, second halves of all seeds together.
struct CalibrationBin {
  double predicted = 0;
  double score = 0;
};

// How the model that joined was taken up; means over seeds but for the halves.
struct JoinReport {
  // Requests from joining until its share over 100 of them reached half of that over the
  // last fifth of the run: the median seed and the worst; infinite: never.
  double half_median = kUnknown;
  double half_worst = kUnknown;
  double within_300 = 0;    // share of seeds
  double share_at_300 = 0;  // over requests 201 to 300
  double final_share = 0;   // over the last fifth
  double explored = 0;      // decisions for it although another was the best guess
  double lost = 0;          // sum of scores that the best guess would have had more
  double labels = 0;        // gold on it
  double all_labels = 0;    // gold on any model after it joined
  double after = 0;         // mean score of all decisions after it joined
};

struct ArmReport {
  std::string name;
  Figure total;
  Figure second_half;
  Figure last_pass;
  double cost_mean_usd = kUnknown;          // per decision; NaN where the table has no costs
  double spend_ratio = kUnknown;            // mean cost over budget; NaN without a budget
  double spend_ratio_first_500 = kUnknown;  // the same over the first 500 decisions
  // Per decision after a silent loss, against the best mixture of single models
  // that the budget allows then (see BestMixture); NaN without a loss.
  Figure regret_after_loss;
  std::optional<JoinReport> joined;  // with a model that joins
  Coverage coverage;                 // of 95 % intervals at the end, all seeds; empty: not judged
  double coverage_error = kUnknown;  // standard error over seeds of coverage.cells: cells of one seed err together
  std::uint64_t decisions = 0;
  std::uint64_t audits = 0;
  std::uint64_t gold = 0;
  std::uint64_t ratings = 0;
  std::vector<double> over_time;            // mean score in 20 equal stretches of the run
  std::vector<ModelUse> models;             // by falling share; unused ones left out
  std::vector<CalibrationBin> calibration;  // empty: the arm does not predict
};

// Of the arm "pointsman". NaN: it did not play, or no loss was there to find.
struct Detection {
  double median_uses = kUnknown;       // of the losing model from the loss to its first alarm; infinite: most never
  double share_within_200 = kUnknown;  // of seeds, of such uses
  double false_alarms_per_1000 = kUnknown;  // feedbacks: alarms before the loss, or of other models
};

struct RunReport {
  std::string protocol;            // "e1", "e1l", "stream", "e2"
  std::string configuration_hash;  // see run_options.h
  std::string table;
  std::string source;
  std::string variant;
  std::size_t models = 0;
  std::size_t stream_rows = 0;  // of the first seed
  double budget_usd = 0;
  std::vector<ArmReport> arms;
  Detection detection;
  // Of the arm "pointsman": predictions against true scores of the chosen models,
  // second half, all seeds, 15 bins of equal mass; NaN without that arm.
  double calibration_error = kUnknown;
  double seconds = 0;
};

// One line of JSON: {"protocol","configuration_hash","arms":{name:{"total",
// "second_half","last_pass":{"mean","se","min"},"cost":{"mean"},"spend_ratio",
// "spend_ratio_first_500"}},"detection":{"median_uses","share_within_200",
// "false_alarms_per_1000"},"calibration_error","seconds"}; with a silent loss each
// arm has "regret_after_loss" too, with a newcomer "newcomer", with coverage "coverage". Unknown and infinite numbers
// are null.
std::string ToJson(const RunReport& report);
// For people, at most 110 columns.
std::string ToTable(const RunReport& report);

}  // namespace pointsman::eval
