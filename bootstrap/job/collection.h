// The paid half of a bootstrap as one function: from a plan to a table of labelled
// answers. check -> taxonomy -> synthesise -> collect -> label.
//
// Every stage is a function of the plan and of the answers in the call log, and runs
// again from its beginning after a crash: what was answered is found in the log, so
// there is no state of a stage that could be half written. `check` asks each endpoint
// one short question, so that a wrong key or a dead endpoint is found before money is
// spent on the others.
//
// Files in `directory` (0700): calls.log (llm/call_log.h), table.jsonl (the result,
// for people and for `bootstrap run --table`).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/collect/query_set.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/plan.h"
#include "bootstrap/label/label.h"
#include "bootstrap/llm/meter.h"

namespace pointsman::bootstrap {

struct CollectionInputs {
  std::string directory;
  // The value of an environment variable; nothing where it is not set.
  std::function<std::optional<std::string>(const std::string&)> environment;
  std::function<void(std::string_view stage, std::uint64_t done, std::uint64_t total, const MeterReading&)> progress;
};

struct Collection {
  std::string table_path;
  std::size_t queries = 0;
  LabelCounts labels;
  MeterReading meter;
  std::vector<std::string> warnings;  // for people
};

// Errors: of ValidatePlan; INVALID_ARGUMENT key_missing (an environment variable that is
// not set, with the field); of the stages; BUSY call_log_busy; UNAVAILABLE storage_full.
Result<Collection> CollectByPlan(const Plan& plan, const CollectionInputs& inputs, const Clock& clock);

// The queries that need no generator, and how many a synthesis would make: for the
// estimate. Errors: of the readers.
struct QueryForecast {
  std::uint64_t queries = 0;
  double mean_bytes = 0;  // 0: not known
};
Result<QueryForecast> ForecastQueries(const Plan& plan);

}  // namespace pointsman::bootstrap
