#include "admin/cli/app_eval.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "admin/cli/offline_verbs.h"
#include "admin/cli/render.h"
#include "bootstrap/data/table_reader.h"
#include "eval/e1.h"

namespace pointsman::cli {
namespace {

struct EvalOptions {
  std::string protocol = "e1";
  std::string data;
  std::string warm = "answers";
  std::string policy = "greedy";
  eval::E1Options run;
};

Exit Evaluate(Context& context, const EvalOptions& options) {
  eval::E1Options run = options.run;
  auto warm = eval::WarmFromName(options.warm);
  if (!warm.ok()) return context.Fail(warm.error());
  run.warm = *warm;
  run.exploration =
      options.policy == "thompson" ? policy::Exploration::kThompson : policy::Exploration::kGreedyAudits;
  auto table = bootstrap::ReadTable(options.data);
  if (!table.ok()) return context.Fail(table.error());
  if (table->broken_lines > 0) {
    context.err << table->broken_lines << " broken lines were left out; the first: line " << table->errors[0].line
                << ": " << Printable(table->errors[0].message) << "\n";
  }
  Progress progress(context.err, context.err_is_terminal);
  auto report = eval::RunE1(*table, run, context.clock, [&](auto stage, auto done, auto total) {
    progress.Show(static_cast<double>(done) / static_cast<double>(total), stage);
  });
  progress.Finish();
  if (!report.ok()) return context.Fail(report.error());
  if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*report)));
  context.out << eval::ToTable(*report);
  return Exit::kOk;
}

}  // namespace

void AddEval(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "eval", "Plays a protocol on a table of outcomes, all arms on the same stream",
                           "pointsman eval --protocol e1 --data mmlupro.jsonl.gz --source weak_agree --seeds 10");
  verb->group(kOfflineGroup);
  auto options = std::make_shared<EvalOptions>();
  eval::E1Options& run = options->run;
  verb->add_option("--protocol", options->protocol, "e1: cold start, biased ratings, sparse gold")
      ->check(CLI::IsMember({"e1"}))
      ->capture_default_str();
  verb->add_option("--data", options->data, "Table of outcomes (JSON lines, plain or gzip)")
      ->required()
      ->check(CLI::ExistingFile);
  verb->add_option("--source", run.source, "Rating source: a name in the file, agree:MODEL, ref_agree, weak_agree");
  verb->add_option("--gold", run.gold_rate, "Share of decisions with gold")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--policy", options->policy, "How models are drawn")
      ->check(CLI::IsMember({"greedy", "thompson"}))
      ->capture_default_str();
  verb->add_option("--passes", run.passes, "Passes over the stream; five are E1L")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--seeds", run.seeds, "Seeds, from 1 on")->check(CLI::Range(1, 1000))->capture_default_str();
  verb->add_option("--bootstrap-rows", run.bootstrap_rows, "Rows of the bootstrap set; 0: 3,000 or half")
      ->capture_default_str();
  verb->add_option("--warm", options->warm, "Warm start from answers, scores or none")
      ->check(CLI::IsMember({"answers", "scores", "none"}))
      ->capture_default_str();
  verb->add_flag("--no-task-types{false}", run.task_types, "Leave the bootstrap set's task names unread");
  verb->add_option("--arms", run.arms, "Arms to play, comma-separated; default: all")->delimiter(',');
  verb->add_option("--threads", run.threads, "Seeds played at once")->check(CLI::Range(1, 256))->capture_default_str();
  verb->callback([&context, options] { context.exit = Evaluate(context, *options); });
}

}  // namespace pointsman::cli
