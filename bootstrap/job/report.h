// What a table of answers is worth to the consensus, before anything is built
// from it, and the filter that drops what only blurs it.
//
// Source: spec cascal_meta_router A.9, A.10 (good generators answer their own
// questions and write questions that separate the pool; the filter proposed
// there). Pure and deterministic; one thread. No score of the table is looked at;
// the reference answer (`gold`) only for what the report says about references.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/bundle_builder.h"

namespace pointsman::bootstrap {

// Below these the improved consensus gains little over plain EM (spec consensus_prior).
inline constexpr std::size_t kModelsWanted = 8;
inline constexpr std::size_t kItemsWanted = 500;
inline constexpr double kPluralityMin = 0.5;

// One row in twenty of random answers would reach the plurality that counts as more than chance.
inline constexpr double kChanceLevel = 0.05;

// One row under the eyes of the crowd. Shares are of the models that were asked.
struct ItemAgreement {
  double plurality = 0;    // share of the most frequent answer
  bool unanimous = false;  // every model that was asked gave it
  bool chaotic = false;    // below kPluralityMin
  bool by_chance = false;  // below kPluralityMin, and no more than random answers among its options would reach
  bool kept(RowFilter filter) const;
};

// One entry a row. A row that no model could answer readably is chaotic.
std::vector<ItemAgreement> AgreementOf(const Table& table, std::span<const std::size_t> rows,
                                       std::span<const std::size_t> columns);

// The rows that `filter` keeps, in order.
std::vector<std::size_t> FilterRows(const Table& table, std::span<const std::size_t> rows,
                                    std::span<const std::size_t> columns, RowFilter filter);

// Rows of one generator and task, or of one of both, or all. NaN where there is nothing to tell.
struct GroupReport {
  std::string generator;  // empty: all, or not given
  std::string task;       // empty: all, or not given
  std::size_t rows = 0;
  std::size_t kept = 0;            // by RowFilter::kPlurality
  std::size_t duplicates = 0;      // rows whose query came before in the table, but for case, blanks and punctuation
  double agreement = 0;            // mean plurality share
  double agreement_variance = 0;   // over the rows
  double model_variance = 0;       // over the models, of each one's share of rows on which it is with the plurality
  double unanimous = 0;            // share of rows
  double chaotic = 0;              // share of rows
  double junk = 0;                 // mean chance that a row's answers are chaos or idle unanimity (row_scores.h)
  double reference_agreement = 0;  // share of rows with a reference in which the plurality is the reference
  double self_consistency = 0;  // the generator, where it is one of the models: share in which it answers its reference
};

struct BootstrapReport {
  std::string table;
  std::vector<std::string> models;  // columns with at least one answer
  GroupReport total;
  std::vector<GroupReport> generators;  // where the table names any, by name
  std::vector<GroupReport> groups;      // by generator, then task
  // For people: too few models or rows, models that always answer alike, models
  // that are copies of each other, broken lines by number.
  std::vector<std::string> warnings;
};

struct ReportOptions {
  std::vector<std::string> models;  // empty: all
};

// Errors: NOT_FOUND unknown_model, naming it; INVALID_ARGUMENT table_unusable when
// no model has an answer.
Result<BootstrapReport> MakeBootstrapReport(const Table& table, const ReportOptions& options);

}  // namespace pointsman::bootstrap
