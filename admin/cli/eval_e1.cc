#include "admin/cli/eval_e1.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "admin/cli/render.h"
#include "eval/e1.h"

namespace pointsman::cli {
namespace {

class E1Protocol final : public EvalProtocol {
 public:
  std::string name() const override { return "e1"; }
  std::string purpose() const override { return "cold start, biased ratings, sparse gold"; }

  void Declare(EvalOptions& options) override {
    DeclareData(options, data_);
    options.Text("--source", run_.source, "Rating source: a name in the file, agree:MODEL, ref_agree, weak_agree");
    options.Number("--gold", run_.gold_rate, 0, 1, "Share of decisions with gold");
    options.OneOf("--policy", policy_, {"greedy", "thompson"}, "How models are drawn");
    options.Count("--passes", run_.passes, 1, 1000, "Passes over the stream; five are E1L");
    options.Count("--seeds", run_.seeds, 1, 1000, "Seeds, from 1 on");
    options.Count("--bootstrap-rows", run_.bootstrap_rows, 0, 1'000'000,
                  "Rows of the bootstrap set; 0: 3,000 or half");
    options.OneOf("--warm", warm_, {"answers", "scores", "none"}, "Warm start from");
    options.Flag("--no-task-types", run_.task_types, false, "Leave the bootstrap set's task names unread");
    options.List("--arms", run_.arms, "Arms to play, comma-separated; default: all");
    options.Count("--threads", run_.threads, 1, 256, "Seeds played at once");
  }

  Exit Run(Context& context) override {
    auto warm = eval::WarmFromName(warm_);
    if (!warm.ok()) return context.Fail(warm.error());
    run_.warm = *warm;
    run_.exploration = policy_ == "thompson" ? policy::Exploration::kThompson : policy::Exploration::kGreedyAudits;
    auto table = ReadTableAloud(context, data_);
    if (!table.ok()) return context.Fail(table.error());
    Progress progress(context.err, context.err_is_terminal);
    auto report = eval::RunE1(*table, run_, context.clock, [&](auto stage, auto done, auto total) {
      progress.Show(static_cast<double>(done) / static_cast<double>(total), stage);
    });
    progress.Finish();
    if (!report.ok()) return context.Fail(report.error());
    if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*report)));
    context.out << eval::ToTable(*report);
    return Exit::kOk;
  }

 private:
  std::string data_;
  std::string warm_ = "answers";
  std::string policy_ = "greedy";
  eval::E1Options run_;
};

}  // namespace

std::unique_ptr<EvalProtocol> MakeE1Protocol() { return std::make_unique<E1Protocol>(); }

}  // namespace pointsman::cli
