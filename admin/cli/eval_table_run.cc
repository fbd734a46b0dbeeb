#include "admin/cli/eval_table_run.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "admin/cli/render.h"
#include "eval/report_plots.h"
#include "eval/run.h"

namespace pointsman::cli {

TableRun::TableRun(eval::Protocol protocol, std::string purpose)
    : purpose_(std::move(purpose)), run_(eval::DefaultsOf(protocol)), warm_(eval::WarmName(run_.warm)) {}

std::string TableRun::name() const { return std::string(eval::ProtocolName(run_.protocol, 1)); }

void TableRun::Declare(EvalOptions& options) {
  DeclareData(options, data_);
  options.Text("--source", run_.source,
               "Rating source: a name in the file, agree:MODEL, ref_agree, weak_agree, none; default of e1: the "
               "file's first, else none");
  options.Number("--gold", run_.gold_rate, 0, 1, "Share of decisions with gold");
  options.OneOf("--gold-choice", gold_choice_, {"random", "planned"},
                "Which decisions get gold: drawn alike, or where a label is worth most");
  options.OneOf("--policy", policy_, {"greedy", "thompson", "epsilon", "squarecb"}, "How models are drawn");
  options.Count("--passes", run_.passes, 1, 1000, "Passes over the stream; five of e1 are E1L");
  options.Count("--seeds", run_.seeds, 1, 1000, "Seeds, from 1 on");
  options.Count("--bootstrap-rows", run_.bootstrap_rows, 0, 1'000'000, "Rows of the bootstrap set; 0: 3,000 or half");
  options.OneOf("--warm", warm_, {"answers", "scores", "none"}, "Warm start from");
  options.Flag("--no-task-types", run_.task_types, false, "Leave the bootstrap set's task names unread");
  options.List("--arms", run_.arms,
               "Arms to play, comma-separated; default: all, those with re-fits only for --variant task-bias");
  options.Text("--models", run_.models,
               "Models that take part: LIST, best:N, worst:N, random:N, lock-in; default: all");
  options.Number("--budget", run_.budget_usd, 0, 1e6, "US dollars a decision; 0: none");
  options.OneOf("--variant", variant_,
                {"none", "drift", "silent-loss", "inverted-prior", "task-bias", "newcomer", "newcomer-worst"},
                "What is done to the world");
  options.OneOf("--newcomer", newcomer_, {"nothing", "facts", "probe"},
                "What is known of the model that joins (variants newcomer, newcomer-worst)");
  options.Flag("--coverage", run_.coverage, true, "Judge the learner's 95 % intervals against true scores, at the end");
  options.Count("--threads", run_.threads, 1, 256, "Seeds played at once");
  options.Text("--plots", plots_, "Folder for plots (SVG); it is made when it is missing");
}

Status TableRun::Settle() {
  run_.planned_gold = gold_choice_ == "planned";
  auto warm = eval::WarmFromName(warm_);
  if (!warm.ok()) return warm.error();
  run_.warm = *warm;
  auto variant = eval::VariantFromName(variant_);
  if (!variant.ok()) return variant.error();
  run_.variant = *variant;
  auto newcomer = eval::NewcomerStartFromName(newcomer_);
  if (!newcomer.ok()) return newcomer.error();
  run_.newcomer = *newcomer;
  if (policy_ == "thompson") run_.exploration = policy::Exploration::kThompson;
  if (policy_ == "epsilon") run_.exploration = policy::Exploration::kEpsilon;
  if (policy_ == "squarecb") run_.exploration = policy::Exploration::kSquareCb;
  return {};
}

Exit TableRun::Run(Context& context) {
  if (Status settled = Settle(); !settled.ok()) return context.Fail(settled.error());
  auto table = ReadTableAloud(context, data_);
  if (!table.ok()) return context.Fail(table.error());
  Progress progress(context.err, context.err_is_terminal);
  auto report = eval::RunProtocol(*table, run_, context.clock, [&](auto stage, auto done, auto total) {
    progress.Show(static_cast<double>(done) / static_cast<double>(total), stage);
  });
  progress.Finish();
  if (!report.ok()) return context.Fail(report.error());
  if (!plots_.empty()) {
    if (Status written = eval::WritePlots(*report, plots_); !written.ok()) return context.Fail(written.error());
  }
  if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*report)));
  context.out << eval::ToTable(*report);
  return Exit::kOk;
}

}  // namespace pointsman::cli
