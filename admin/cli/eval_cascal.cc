#include "admin/cli/eval_cascal.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "admin/cli/render.h"
#include "eval/cascal_protocol.h"
#include "eval/simulated_niches.h"

namespace pointsman::cli {
namespace {

class CascalProtocol final : public EvalProtocol {
 public:
  std::string name() const override { return "cascal"; }
  std::string purpose() const override { return "the warm start alone, without feedback"; }

  void Declare(EvalOptions& options) override {
    DeclareData(options, data_);
    options.OneOf("--mode", mode_, {"scaled", "published", "shared"}, "How queries are clustered");
    options.OneOf("--labels", labels_, {"answers", "scores", "generated"}, "What the router is fitted from");
    options.Number("--generator-error", run_.generator_error, 0, 1,
                   "With generated labels: share of reference letters that are replaced");
    options.OneOf("--generator-fault", fault_, {"random", "popular"},
                  "What replaces a letter: any other, or the models' commonest error");
    options.Count("--clusters", run_.clusters, 1, 2000, "Clusters at most");
    options.Number("--train", run_.train, 0.001, 0.999, "Share of the rows to fit on");
    options.Count("--seeds", run_.seeds, 1, 1000, "Seeds, from 1 on");
    options.Flag("--no-task-types", run_.task_types, false, "Leave the training part's task names unread");
    options.Count("--threads", threads_, 1, 256, "Threads for clustering planted niches");
  }

  Exit Run(Context& context) override {
    const auto mode = eval::CascalModeFromName(mode_);
    if (!mode.ok()) return context.Fail(mode.error());
    const auto labels = eval::CascalLabelsFromName(labels_);
    if (!labels.ok()) return context.Fail(labels.error());
    run_.mode = *mode;
    run_.labels = *labels;
    run_.popular_errors = fault_ == "popular";
    Progress progress(context.err, context.err_is_terminal);
    const auto show = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
      progress.Show(static_cast<double>(done) / static_cast<double>(total), stage);
    };
    const auto report = Play(context, show);
    progress.Finish();
    if (!report.ok()) return context.Fail(report.error());
    if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*report, run_)));
    context.out << eval::ToTable(*report);
    return Exit::kOk;
  }

 private:
  Result<eval::CascalReport> Play(Context& context, const eval::CascalProgress& progress) const {
    if (eval::IsNicheFile(data_)) {
      const auto world = eval::ReadNiches(data_);
      if (!world.ok()) return world.error();
      return eval::RunCascalNiches(*world, run_, threads_, context.clock, progress);
    }
    const auto table = ReadTableAloud(context, data_);
    if (!table.ok()) return table.error();
    return eval::RunCascal(*table, run_, context.clock, progress);
  }

  std::string data_;
  std::string mode_ = "scaled";
  std::string labels_ = "answers";
  std::string fault_ = "random";
  std::uint32_t threads_ = 1;
  eval::CascalOptions run_;
};

}  // namespace

std::unique_ptr<EvalProtocol> MakeCascalProtocol() { return std::make_unique<CascalProtocol>(); }

}  // namespace pointsman::cli
