#include "admin/cli/offline_whatif.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "admin/cli/offline_verbs.h"
#include "admin/cli/render.h"
#include "admin/json.h"
#include "store/store.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

struct Arguments {
  std::string store = "/var/lib/pointsman";
  std::string policy;
};

json EstimateJson(const policy::ValueEstimate& estimate) {
  return {{"value", estimate.value}, {"error", estimate.error}, {"low", estimate.low}, {"high", estimate.high}};
}

json ReportJson(const policy::Judgement& judgement) {
  return {{"decisions", admin::Number64(judgement.decisions)},
          {"without_gold_asked", admin::Number64(judgement.without_gold_asked)},
          {"without_candidates", admin::Number64(judgement.without_candidates)},
          {"observed", admin::Number64(judgement.observed)},
          {"forced", admin::Number64(judgement.forced)},
          {"asked", admin::Number64(judgement.asked)},
          {"answered", admin::Number64(judgement.answered)},
          {"subjects", admin::Number64(judgement.subjects)},
          {"effective_labels", judgement.effective_labels},
          {"largest_weight", judgement.largest_weight},
          {"support_gap", judgement.support_gap},
          {"ips", EstimateJson(judgement.ips)},
          {"snips", EstimateJson(judgement.snips)},
          {"dr", EstimateJson(judgement.dr)},
          {"logged", EstimateJson(judgement.logged)},
          {"difference", EstimateJson(judgement.difference)},
          {"cost_usd", judgement.cost_usd},
          {"logged_cost_usd", judgement.logged_cost_usd}};
}

void PrintReport(Context& context, const policy::Judgement& judgement) {
  Table table({{"QUALITY"},
               {"VALUE", Table::Align::kRight},
               {"95 % FROM", Table::Align::kRight},
               {"TO", Table::Align::kRight}});
  const auto row = [&table](const char* what, const policy::ValueEstimate& estimate) {
    table.Row({what, Fixed(estimate.value, 4), Fixed(estimate.low, 4), Fixed(estimate.high, 4)});
  };
  row("this policy (dr)", judgement.dr);
  row("the log's (dr)", judgement.logged);
  row("difference", judgement.difference);
  row("this policy (snips)", judgement.snips);
  row("this policy (ips)", judgement.ips);
  table.Print(context.out, context.colour);
  context.out << "\ncost a decision  $" << Fixed(judgement.cost_usd, 6) << ", the log's $"
              << Fixed(judgement.logged_cost_usd, 6) << " (as expected when decided)\ndecisions        "
              << judgement.decisions << "; gold asked for " << judgement.asked << ", given for " << judgement.answered
              << ", weighing like " << Fixed(judgement.effective_labels, 0) << " labels\n"
              << (judgement.difference.low > 0    ? "better than what was done\n"
                  : judgement.difference.high < 0 ? "worse than what was done\n"
                                                  : "no difference in quality can be told\n");
  if (10 * judgement.answered < 9 * judgement.asked) {
    context.out << "Gold that is missing is taken to be missing by chance; where it is not, the values are off.\n";
  }
}

Exit WhatIf(Context& context, const Arguments& arguments, TargetReader read) {
  const auto text = ReadInput(context, arguments.policy);
  if (!text.ok()) return context.Fail(text.error());
  const auto target = read(text.value(), arguments.policy);
  if (!target.ok()) return context.Fail(target.error(), Exit::kConfig);
  const auto opened = store::OpenRocksStoreReadOnly(arguments.store);
  if (!opened.ok()) return context.Fail(opened.error());
  const store::Store& store = *opened.value();
  policy::OffPolicyJudge judge(target.value());
  const LogSeq end{store.LastSeq().value + 1};
  const Status learnt = store.ForEach(end, [&judge](const policy::Event& event) {
    judge.Learn(event);
    return Status();
  });
  if (!learnt.ok()) return context.Fail(learnt.error());
  const Status added = store.ForEach(end, [&judge](const policy::Event& event) { return judge.Add(event); });
  if (!added.ok()) return context.Fail(added.error());
  const auto judgement = judge.Judge();
  if (!judgement.ok()) return context.Fail(judgement.error());
  if (context.json) return context.Print(ReportJson(judgement.value()));
  PrintReport(context, judgement.value());
  return Exit::kOk;
}

}  // namespace

void AddWhatIf(CLI::App& app, Context& context, TargetReader read) {
  CLI::App* verb = AddVerb(app, context, "whatif",
                           "What another policy would have earned on the log; exit 1 where the log cannot tell",
                           "pointsman whatif --policy cheap.toml --store /var/lib/pointsman\n"
                           "  cheap.toml:  weights = \"cost\"        # or: model = \"NAME\"\n"
                           "               explore = \"epsilon\"     # or \"greedy\", the default\n"
                           "               epsilon = 0.05");
  verb->group(kOfflineGroup);
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--policy", arguments->policy, "The policy's TOML file; - reads standard input")->required();
  verb->add_option("--store", arguments->store, "The store's folder")->capture_default_str();
  verb->callback([&context, arguments, read] { context.exit = WhatIf(context, *arguments, read); });
}

}  // namespace pointsman::cli
