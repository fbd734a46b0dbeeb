#include "admin/cli/offline_whatif.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "admin/cli/admin_call.h"
#include "admin/cli/http_client.h"
#include "admin/cli/offline_verbs.h"
#include "admin/cli/operator_render.h"
#include "admin/cli/render.h"
#include "admin/json.h"
#include "admin/rollout_json.h"
#include "store/judge_log.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

constexpr char kDefaultStore[] = "/var/lib/pointsman";

struct Arguments {
  std::string store;
  std::string policy;
  std::uint64_t events = admin::kWhatIfEvents;
};

void PrintReport(Context& context, const json& report) {
  Table table({{"THIS POLICY"},
               {"VALUE", Table::Align::kRight},
               {"95 % FROM", Table::Align::kRight},
               {"TO", Table::Align::kRight}});
  const auto row = [&](const char* what, const char* name) {
    const json estimate = report.value(name, json::object());
    table.Row({what, Fixed(FieldNumber(estimate, "value"), 4), Fixed(FieldNumber(estimate, "low"), 4),
               Fixed(FieldNumber(estimate, "high"), 4)});
  };
  row("quality (dr)", "dr");
  row("the log's (dr)", "logged");
  row("difference", "difference");
  row("quality (snips)", "snips");
  row("quality (ips)", "ips");
  row("difference in utility", "utility_difference");
  table.Print(context.out, context.colour);
  const json difference = report.value("difference", json::object());
  context.out << "\ncost a decision  $" << Fixed(FieldNumber(report, "cost_usd"), 6) << ", the log's $"
              << Fixed(FieldNumber(report, "logged_cost_usd"), 6) << " (as expected when decided)\ndecisions        "
              << FieldText(report, "decisions") << "; gold asked for " << FieldText(report, "asked") << ", given for "
              << FieldText(report, "answered") << ", weighing like "
              << Fixed(FieldNumber(report, "effective_labels"), 0) << " labels\n"
              << (FieldNumber(difference, "low") > 0    ? "better than what was done\n"
                  : FieldNumber(difference, "high") < 0 ? "worse than what was done\n"
                                                        : "no difference in quality can be told\n");
  if (10 * FieldNumber(report, "answered") < 9 * FieldNumber(report, "asked")) {
    context.out << "Gold that is missing is taken to be missing by chance; where it is not, the values are off.\n";
  }
}

// The store's whole log; only while no daemon holds it.
Exit JudgeStore(Context& context, const std::string& directory, const policy::TargetPolicy& target) {
  const auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return context.Fail(opened.error());
  const auto judgement = store::JudgeLog(*opened.value(), target, {});
  if (!judgement.ok()) return context.Fail(judgement.error());
  const json report = admin::ToJson(judgement.value());
  if (context.json) return context.Print(report);
  PrintReport(context, report);
  return Exit::kOk;
}

Exit WhatIf(Context& context, const Arguments& arguments, TargetReader read) {
  const auto text = ReadInput(context, arguments.policy);
  if (!text.ok()) return context.Fail(text.error());
  const auto target = read(text.value(), arguments.policy);
  if (!target.ok()) return context.Fail(target.error(), Exit::kConfig);
  if (!arguments.store.empty()) return JudgeStore(context, arguments.store, target.value());
  const auto answer =
      AskAdmin(context, "POST", "/v1/whatif", admin::Dump(admin::WhatIfJson(target.value(), arguments.events)));
  const Failed* failed = std::get_if<Failed>(&answer);
  if (failed == nullptr || failed->exit != Exit::kUnreachable) return Finish(context, answer, PrintReport);
  return JudgeStore(context, kDefaultStore, target.value());
}

}  // namespace

void AddWhatIf(CLI::App& app, Context& context, TargetReader read) {
  CLI::App* verb = AddVerb(app, context, "whatif",
                           "What another policy would have earned on the log; exit 1 where the log cannot tell",
                           "pointsman whatif --policy cheap.toml\n"
                           "  cheap.toml:  weights = \"cost\"        # or: model = \"NAME\"\n"
                           "               explore = \"epsilon\"     # or \"greedy\", the default\n"
                           "               epsilon = 0.05");
  verb->group(kOfflineGroup);
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--policy", arguments->policy, "The policy's TOML file; - reads standard input")->required();
  verb->add_option("--store", arguments->store,
                   "A store's folder, read without a daemon; else the running daemon is asked, or where none runs "
                   "/var/lib/pointsman is read");
  verb->add_option("--events", arguments->events, "How many of the log's last events the daemon reads")
      ->check(CLI::Range(std::uint64_t{1}, admin::kWhatIfEventsMax))
      ->capture_default_str();
  verb->callback([&context, arguments, read] { context.exit = WhatIf(context, *arguments, read); });
}

}  // namespace pointsman::cli
