#include "admin/cli/eval_trouter.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "admin/cli/render.h"
#include "eval/trouter_protocol.h"

namespace pointsman::cli {
namespace {

class TrouterProtocol final : public EvalProtocol {
 public:
  std::string name() const override { return "trouter"; }
  std::string purpose() const override { return "utility of quality and cost, against direct regression and size"; }

  void Declare(EvalOptions& options) override {
    DeclareData(options, data_);
    options.Number("--train", run_.train, 0.001, 0.999, "Share of the rows to fit on");
    options.Count("--seeds", run_.seeds, 1, 1000, "Seeds, from 1 on");
    options.Flag("--no-task-types", run_.task_types, false, "Leave the training part's task names unread");
    options.Flag("--latent-types", run_.latent_types, true, "With --no-task-types: find types in the embeddings");
    options.OneOf("--recogniser", recogniser_, {"linear", "dual", "published"}, "What recognises the task types");
    options.List("--prices", run_.prices,
                 "MODEL=USD per million tokens, comma-separated; the table's costs go unread");
    options.Flag("--unseen-tasks", run_.unseen_tasks, true, "Cold start: no task of the test part is trained on");
  }

  Exit Run(Context& context) override {
    if (recogniser_ == "dual") run_.recogniser = eval::TaskRecognition::kDual;
    if (recogniser_ == "published") run_.recogniser = eval::TaskRecognition::kPublished;
    const auto table = ReadTableAloud(context, data_);
    if (!table.ok()) return context.Fail(table.error());
    Progress progress(context.err, context.err_is_terminal);
    const auto report = eval::RunTrouter(*table, run_, context.clock, [&](auto stage, auto done, auto total) {
      progress.Show(static_cast<double>(done) / static_cast<double>(total), stage);
    });
    progress.Finish();
    if (!report.ok()) return context.Fail(report.error());
    if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*report, run_)));
    context.out << eval::ToTable(*report);
    return Exit::kOk;
  }

 private:
  std::string data_;
  std::string recogniser_ = "linear";
  eval::TrouterOptions run_;
};

}  // namespace

std::unique_ptr<EvalProtocol> MakeTrouterProtocol() { return std::make_unique<TrouterProtocol>(); }

}  // namespace pointsman::cli
