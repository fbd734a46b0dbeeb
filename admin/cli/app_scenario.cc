#include "admin/cli/app_scenario.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "daemon/toml_section.h"
#include "policy/world/query.h"

namespace pointsman::cli {
namespace {

using daemon::Faults;
using daemon::Section;
using eval::FaultKind;

constexpr std::uint64_t kMost = 1'000'000'000;
constexpr double kWidest = 1e9;  // ValidateScenario has the ranges

template <typename Kind>
void ReadName(Section& section, std::string_view key, std::span<const std::string_view> names, Kind& out) {
  std::string given;
  section.Text(key, given);
  const auto at = std::find(names.begin(), names.end(), given);
  if (at != names.end()) {
    out = static_cast<Kind>(at - names.begin());
    return;
  }
  section.Fault(section.Get(key), key, fmt::format("must be one of {}", fmt::join(names, ", ")));
}

void ReadWeights(Section& section, policy::Weights& out) {
  const toml::node* node = section.Get("weights");
  if (node == nullptr) return;
  if (const auto* preset = node->as_string()) {
    const auto named = policy::PresetWeights(preset->get());
    if (!named.ok()) return section.Fault(node, "weights", named.error().message);
    out = named.value();
    return;
  }
  Section below = section.Below("weights");
  below.Number("quality", 0, 1, out.quality);
  below.Number("cost", 0, 1, out.cost);
  below.Close();
}

void ReadShares(Section& section, std::vector<double>& out) {
  const toml::node* node = section.Get("hostile_shares");
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) return section.Fault(node, "hostile_shares", "must be a list of numbers from 0 to 1");
  for (const toml::node& share : *array) {
    const auto number = share.value<double>();
    if (!number) return section.Fault(&share, "hostile_shares", "must be a list of numbers from 0 to 1");
    out.push_back(*number);
  }
}

void ReadFault(Section section, eval::Fault& fault) {
  ReadName(section, "kind", eval::kFaultNames, fault.kind);
  const auto takes = [&](std::initializer_list<FaultKind> kinds) {
    return std::find(kinds.begin(), kinds.end(), fault.kind) != kinds.end();
  };
  section.Whole("from", 0, kMost, fault.from);
  if (!takes({FaultKind::kPrice, FaultKind::kRestart})) section.Whole("until", 0, kMost, fault.until);
  if (takes({FaultKind::kDrift, FaultKind::kSilentLoss, FaultKind::kPrice, FaultKind::kBiased, FaultKind::kHostile})) {
    section.Text("model", fault.model);
  }
  if (takes({FaultKind::kDrift, FaultKind::kSilentLoss, FaultKind::kBiased})) {
    section.Number("by", -kWidest, kWidest, fault.by);
  }
  if (takes({FaultKind::kPrice, FaultKind::kSparse})) section.Number("factor", 0, kWidest, fault.factor);
  if (takes({FaultKind::kLate, FaultKind::kMissing, FaultKind::kDuplicated, FaultKind::kRevised, FaultKind::kCensored,
             FaultKind::kHostile})) {
    section.Number("share", 0, 1, fault.share);
  }
  if (takes({FaultKind::kLate, FaultKind::kDuplicated, FaultKind::kRevised})) {
    section.Whole("delay", 0, kMost, fault.delay);
  }
  if (takes({FaultKind::kHostile})) section.Whole("subjects", 1, kMost, fault.subjects);
  if (takes({FaultKind::kCensored})) {
    constexpr std::array<std::string_view, 2> kKept = {"low", "high"};
    ReadName(section, "keep", kKept, fault.keep_high);
  }
  section.Close();
}

void ReadAcceptance(Section section, eval::Acceptance& accept) {
  section.Text("line", accept.line);
  ReadName(section, "measure", eval::kMeasureNames, accept.measure);
  section.Whole("from", 0, kMost, accept.from);
  section.Whole("until", 0, kMost, accept.until);
  section.Text("model", accept.model);
  for (auto [key, bar] : {std::pair{"at_least", &accept.at_least}, std::pair{"at_most", &accept.at_most}}) {
    double value = std::numeric_limits<double>::quiet_NaN();
    section.Number(key, -kWidest, kWidest, value);
    if (value == value) *bar = value;
  }
  section.Close();
}

// An array of tables.
template <typename Item, typename Read>
void ReadEach(Section& top, std::string_view key, Faults& faults, std::vector<Item>& out, Read read) {
  const toml::node* node = top.Get(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr || !array->is_array_of_tables()) {
    return top.Fault(node, key, fmt::format("must be written as [[{}]]", key));
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    read(Section(array->get(i)->as_table(), fmt::format("{}[{}]", key, i), faults), out.emplace_back());
  }
}

eval::Scenario Read(const toml::table& table, Faults& faults) {
  eval::Scenario scenario;
  Section top(&table, "", faults);
  top.Text("name", scenario.name);
  top.Text("about", scenario.about);
  top.Whole("seed", 0, kMost, scenario.seed);
  top.Whole("seeds", 1, kMost, scenario.seeds);
  top.Whole("decisions", 1, kMost, scenario.decisions);
  top.Whole("bootstrap_rows", 0, kMost, scenario.bootstrap_rows);
  ReadShares(top, scenario.hostile_shares);
  ReadWeights(top, scenario.weights);
  Section truth = top.Below("truth");
  truth.Number("mixed_share", 0, 1, scenario.mixed_share);
  truth.Number("plain_share", 0, 1, scenario.plain_share);
  truth.Number("cell_deviation", 0, kWidest, scenario.cell_deviation);
  truth.Number("bias_by_model", 0, kWidest, scenario.bias_by_model);
  truth.Number("bias_by_cell", 0, kWidest, scenario.bias_by_cell);
  truth.Close();
  Section feedback = top.Below("feedback");
  feedback.Number("rating_rate", 0, 1, scenario.rating_rate);
  feedback.Number("gold_rate", 0, 1, scenario.gold_rate);
  feedback.Number("gold_answered", 0, 1, scenario.gold_answered);
  feedback.Whole("subjects", 1, kMost, scenario.subjects);
  feedback.Close();
  ReadEach(top, "fault", faults, scenario.faults, ReadFault);
  ReadEach(top, "accept", faults, scenario.accept, ReadAcceptance);
  top.Close();
  return scenario;
}

}  // namespace

Result<eval::Scenario> ParseScenario(std::string_view text, const std::string& name) {
  try {
    const toml::table table = toml::parse(text, name);
    Faults faults{.name = name, .lines = {}};
    eval::Scenario scenario = Read(table, faults);
    if (!faults.lines.empty()) {
      std::sort(faults.lines.begin(), faults.lines.end());
      std::string message;
      for (const auto& [line, fault] : faults.lines) message += (message.empty() ? "" : "\n") + fault;
      return MakeError(Code::kInvalidArgument, "bad_scenario", message);
    }
    if (Status valid = eval::ValidateScenario(scenario); !valid.ok()) {
      return MakeError(Code::kInvalidArgument, "bad_scenario", name + ": " + valid.error().message);
    }
    return scenario;
  } catch (const toml::parse_error& error) {
    return MakeError(Code::kInvalidArgument, "not_toml",
                     fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
}

}  // namespace pointsman::cli
