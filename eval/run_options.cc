#include "eval/run_options.h"

#include <cstdio>
#include <span>

#include "base/contract.h"
#include "base/unit_draw.h"

namespace pointsman::eval {

std::string_view ProtocolName(Protocol protocol, std::uint32_t passes) {
  switch (protocol) {
    case Protocol::kE1: return passes > 1 ? "e1l" : "e1";
    case Protocol::kStream: return "stream";
    case Protocol::kE2: return "e2";
  }
  Unreachable("a protocol");
}

Result<Warm> WarmFromName(std::string_view name) {
  for (const Warm warm : {Warm::kAnswers, Warm::kScores, Warm::kNone}) {
    if (name == WarmName(warm)) return warm;
  }
  return MakeError(Code::kInvalidArgument, "unknown_warm", "warm start is one of answers, scores, none");
}

std::string_view WarmName(Warm warm) {
  switch (warm) {
    case Warm::kAnswers: return "answers";
    case Warm::kScores: return "scores";
    case Warm::kNone: return "none";
  }
  Unreachable("a warm start");
}

Result<NewcomerStart> NewcomerStartFromName(std::string_view name) {
  for (const auto start : {NewcomerStart::kNothing, NewcomerStart::kFacts, NewcomerStart::kProbe}) {
    if (name == NewcomerStartName(start)) return start;
  }
  return MakeError(Code::kInvalidArgument, "unknown_newcomer", "of a newcomer is known one of nothing, facts, probe");
}

std::string_view NewcomerStartName(NewcomerStart start) {
  switch (start) {
    case NewcomerStart::kNothing: return "nothing";
    case NewcomerStart::kFacts: return "facts";
    case NewcomerStart::kProbe: return "probe";
  }
  Unreachable("a newcomer's start");
}

const std::vector<std::string>& CoreArms() {
  static const std::vector<std::string> names = {"pointsman",   "static", "gold_only", "naive",
                                                 "best_single", "random", "oracle"};
  return names;
}

std::vector<std::string> ArmNames(const std::vector<std::string>& models) {
  std::vector<std::string> names = {
      "pointsman", "static",   "gold_only",   "naive",       "undetected", "refit",  "refit_dr",    "refit_forest",
      "cold",      "clusters", "linucb_warm", "linucb_cold", "neighbours", "random", "best_single", "oracle"};
  for (const std::string& model : models) names.push_back("single:" + model);
  return names;
}

RunOptions DefaultsOf(Protocol protocol) {
  RunOptions options;
  options.protocol = protocol;
  if (protocol == Protocol::kE1) return options;
  options.warm = Warm::kScores;
  options.gold_rate = 1;
  options.bootstrap_rows = 1000;
  if (protocol == Protocol::kStream) return options;
  options.bootstrap_rows = 500;
  options.passes = 3;
  options.budget_usd = 6.6e-4;
  return options;
}

Status ValidateRunOptions(const RunOptions& options) {
  std::string faults;
  const auto check = [&](bool fine, const std::string& fault) {
    if (!fine) faults += (faults.empty() ? "" : "; ") + fault;
  };
  check(options.gold_rate >= 0 && options.gold_rate <= 1, "gold must be in [0, 1]");
  check(options.rating_probability >= 0 && options.rating_probability <= 1, "rating probability must be in [0, 1]");
  check(options.seeds >= 1 && options.seeds <= 1000, "seeds must be 1 to 1,000");
  check(options.passes >= 1 && options.passes <= 1000, "passes must be 1 to 1,000");
  check(options.threads >= 1 && options.threads <= 256, "threads must be 1 to 256");
  check(options.budget_usd >= 0 && options.budget_usd <= 1e6, "budget must be 0 (none) to 1,000,000 US dollars");
  check(options.variant != Variant::kInvertedPrior || options.warm != Warm::kNone,
        "an inverted prior needs a warm start");
  check(!HasNewcomer(options.variant) || options.warm != Warm::kNone, "a newcomer needs a warm start of the others");
  if (faults.empty()) return {};
  return MakeError(Code::kOutOfRange, "eval_options", faults);
}

std::string ConfigurationHash(const TableWorld& world, const RunOptions& options,
                              const std::vector<std::string>& arms) {
  std::string text;
  const auto add = [&](const std::string& part) { text += part + "|"; };
  const auto number = [&](double value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", value);
    add(digits);
  };
  add(world.table().name);
  number(static_cast<double>(world.usable_rows().size()));
  for (const std::string& model : world.models()) add(model);
  add(std::string(ProtocolName(options.protocol, options.passes)));
  add(world.source());
  number(options.gold_rate);
  number(static_cast<double>(options.first_seed));
  number(options.seeds);
  number(options.passes);
  number(static_cast<double>(options.bootstrap_rows));
  if (options.row_order != RowOrder::kShuffled) add("as in table");
  add(std::string(WarmName(options.warm)));
  number(options.task_types ? 1 : 0);
  number(static_cast<double>(options.exploration));
  add(options.models);
  number(options.budget_usd);
  add(std::string(VariantName(options.variant)));
  number(options.rating_probability);
  number(options.pointsman_factory ? 1 : 0);
  if (options.planned_gold) add("planned gold");
  if (HasNewcomer(options.variant)) add(std::string(NewcomerStartName(options.newcomer)));
  for (const std::string& arm : arms) add(arm);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(Mix(bytes, 1)));
  return hash;
}

}  // namespace pointsman::eval
