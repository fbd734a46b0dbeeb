#include "policy/world/options.h"

#include <cmath>

namespace pointsman::policy {

namespace {

constexpr std::size_t kNameMax = 128;

// Collects every fault, so that a person mends a configuration in one go.
class Faults {
 public:
  void Add(const std::string& fault) {
    if (!message_.empty()) message_ += "; ";
    message_ += fault;
  }
  // Written so that NaN fails.
  void Range(const char* name, double value, double low, double high) {
    if (value >= low && value <= high) return;
    Add(std::string(name) + " is " + std::to_string(value) + ", must be between " + std::to_string(low) + " and " +
        std::to_string(high));
  }
  bool empty() const { return message_.empty(); }
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

bool Printable(std::string_view name) {
  for (const char c : name) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

void CheckSources(const std::vector<std::string>& sources, Faults& faults) {
  if (sources.size() > kSourcesMax) {
    faults.Add(std::to_string(sources.size()) + " sources, at most " + std::to_string(kSourcesMax) + " are possible");
  }
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string& source = sources[i];
    if (source.empty() || source.size() > kNameMax || !Printable(source)) {
      faults.Add("source " + std::to_string(i + 1) + " must have a name of 1 to 128 printable ASCII characters");
      continue;
    }
    if (source == "gold") faults.Add("\"gold\" is not a rating source; choose another name");
    for (std::size_t j = 0; j < i; ++j) {
      if (sources[j] == source) faults.Add("source \"" + source + "\" is named twice");
    }
  }
}

void CheckTenantBudgets(const std::vector<TenantBudget>& budgets, Faults& faults) {
  if (budgets.size() > kTenantBudgetsMax) faults.Add("at most 64 tenants may have a budget of their own");
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    const std::string& tenant = budgets[i].tenant;
    if (tenant.empty() || tenant.size() > kNameMax || !Printable(tenant)) {
      faults.Add("tenant budget " + std::to_string(i + 1) + " must name a tenant of 1 to 128 printable characters");
      continue;
    }
    faults.Range(("budget of tenant " + tenant).c_str(), budgets[i].usd, 1e-12, 1e6);
    for (std::size_t j = 0; j < i; ++j) {
      if (budgets[j].tenant == tenant) faults.Add("tenant " + tenant + " has two budgets");
    }
  }
}

}  // namespace

Status ValidateOptions(const Options& options) {
  constexpr double kDaysMin = 1e-3;
  constexpr double kDaysMax = 36500;
  Faults faults;
  CheckSources(options.sources, faults);
  faults.Range("rating_half_life_days", options.rating_half_life_days, kDaysMin, kDaysMax);
  faults.Range("gold_half_life_days", options.gold_half_life_days, kDaysMin, kDaysMax);
  faults.Range("gold_rate", options.gold_rate, 0, 1);
  faults.Range("audit_rate_start", options.audit_rate_start, 0, 1);
  faults.Range("audit_rate", options.audit_rate, 0, 1);
  faults.Range("thompson_scale", options.thompson_scale, 0, 100);
  faults.Range("probability_floor", options.probability_floor, 0, 0.1);
  faults.Range("widths.model", options.widths.model, 0, 10);
  faults.Range("widths.trust", options.widths.trust, 0, 10);
  faults.Range("widths.cell", options.widths.cell, 0, 10);
  faults.Range("widths.source", options.widths.source, 0, 10);
  faults.Range("widths.source_model", options.widths.source_model, 0, 10);
  faults.Range("widths.source_cell", options.widths.source_cell, 0, 10);
  faults.Range("widths.common", options.widths.common, 0, 10);
  if (options.exploration < Exploration::kGreedyAudits || options.exploration > Exploration::kSquareCb) {
    faults.Add("exploration must be greedy_audits, thompson, epsilon or squarecb");
  }
  faults.Range("epsilon", options.epsilon, 0, 1);
  faults.Range("squarecb_gamma", options.squarecb_gamma, 1, 1e6);
  faults.Range("budget_usd", options.budget_usd, 0, 1e6);
  faults.Range("pacing_step", options.pacing_step, 1e-6, 1);
  faults.Range("lambda_max", options.lambda_max, 1e-3, 1e6);
  CheckTenantBudgets(options.tenant_budgets, faults);
  if (options.fallback_model.size() > kNameMax || !Printable(options.fallback_model)) {
    faults.Add("fallback_model must have at most 128 printable ASCII characters");
  }
  if (faults.empty()) return {};
  return MakeError(Code::kInvalidArgument, "bad_options", "options: " + faults.message());
}

Status ValidateOptionsChange(const Options& before, const Options& after) {
  if (auto valid = ValidateOptions(after); !valid.ok()) return valid;
  bool appended = after.sources.size() >= before.sources.size();
  for (std::size_t i = 0; appended && i < before.sources.size(); ++i) {
    appended = before.sources[i] == after.sources[i];
  }
  if (appended) return {};
  std::string kept;
  for (const std::string& source : before.sources) kept += (kept.empty() ? "" : ", ") + source;
  return MakeError(Code::kInvalidArgument, "sources_not_appended",
                   "options: sources may only be appended, because the log names them by number; keep [" + kept +
                       "] first and in this order");
}

}  // namespace pointsman::policy
