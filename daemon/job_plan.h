// The operator's plan of a bootstrap: a TOML file, read by the job.
//
//   name = "first"                      # also the folder of its call log
//   queries = "synthesise"              # or "starter", or a file of JSON lines
//   queries_max = 0                     # 0: all
//   per_query = 0                       # models that answer each; 0: all
//   labels = ["reference", "judge", "consensus"]
//   seed = 0
//   starter = "/usr/share/pointsman/starter"
//   [limits]      budget_usd, concurrency, requests_per_minute, timeout_seconds, tries
//   [generator]   base_url, model, key_env, input_usd_per_million,
//                 output_usd_per_million; name?, ca_file?, max_tokens?, temperature?,
//                 log_probabilities?, concurrency?, requests_per_minute?
//   [judge]       the same
//   [[models]]    the same; name is the pool's
//   [synthesise]  taxonomy ("starter" or "grow"), domains ("name: description"),
//                 new_domains, subcategories, levels, rounds, stable_rounds, style
//                 ("choice" or "open"), options, per_node, batch, samples (a file)
//
// Relative paths are taken from the plan's folder. Pure but for reading files.
#pragma once

#include <string>

#include "base/result.h"
#include "bootstrap/job/plan.h"

namespace pointsman::daemon {

// Errors: NOT_FOUND plan_not_found; INVALID_ARGUMENT plan, one line a fault with its
// place and field; of ValidatePlan; RESOURCE_EXHAUSTED for a file above 1 MiB.
Result<bootstrap::Plan> LoadPlan(const std::string& path);
// `folder`: where relative paths begin.
Result<bootstrap::Plan> ParsePlan(const std::string& text, const std::string& name, const std::string& folder);

// One line of JSON: queries, stages, cost. For `bootstrap plan`.
std::string EstimateJson(const bootstrap::Plan& plan, const bootstrap::PlanEstimate& estimate);

}  // namespace pointsman::daemon
