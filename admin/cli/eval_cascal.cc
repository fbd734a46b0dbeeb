#include "admin/cli/eval_cascal.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "admin/cli/render.h"
#include "bootstrap/job/build_choices.h"
#include "eval/cascal_protocol.h"
#include "eval/generator_sweep.h"
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
    options.List("--generator-error", errors_,
                 "With generated labels: shares of reference letters that are replaced; several are a comparison");
    options.List("--generator-fault", faults_,
                 "What replaces a letter: random, popular (the models' commonest error), or a model, for its errors");
    options.Text("--plots", plots_, "Folder for the plot of a comparison (SVG); it is made when it is missing");
    options.OneOf("--filter", filter_, {"none", "plurality", "above-chance", "not-by-chance", "junk"},
                  "Rows that the consensus leaves out (junk: lets count less)");
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
    const auto choices = bootstrap::ChoicesFromNames("shared", filter_, "linear");
    if (!choices.ok()) return context.Fail(choices.error());
    run_.mode = *mode;
    run_.filter = choices->filter;
    run_.labels = *labels;
    const Status faults = ReadFaults();
    if (!faults.ok()) return context.Fail(faults.error());
    if (shares_.size() > 1 || faults_.size() > 1) return Compare(context);
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
  Status ReadFaults() {
    shares_.clear();
    for (const std::string& text : errors_) {
      double share = 0;
      const auto read = std::from_chars(text.data(), text.data() + text.size(), share);
      if (read.ec != std::errc() || read.ptr != text.data() + text.size() || !(share >= 0 && share <= 1)) {
        return MakeError(Code::kOutOfRange, "option_range",
                         "--generator-error: '" + Printable(text) + "' is no number from 0 to 1");
      }
      shares_.push_back(share);
    }
    run_.generator_error = shares_.front();
    run_.generator_fault = faults_.front();
    return {};
  }

  Exit Compare(Context& context) const {
    if (run_.labels != eval::CascalLabels::kGenerated || eval::IsNicheFile(data_)) {
      return context.Fail(MakeError(Code::kInvalidArgument, "no_comparison",
                                    "several errors or faults need a table and --labels generated"));
    }
    const auto table = ReadTableAloud(context, data_);
    if (!table.ok()) return context.Fail(table.error());
    Progress progress(context.err, context.err_is_terminal);
    const auto show = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
      progress.Show(static_cast<double>(done) / static_cast<double>(total), stage);
    };
    const auto sweep = eval::RunGeneratorSweep(*table, run_, shares_, faults_, context.clock, show);
    progress.Finish();
    if (!sweep.ok()) return context.Fail(sweep.error());
    if (!plots_.empty()) {
      const std::filesystem::path path = std::filesystem::path(plots_) / "generator_error.svg";
      std::error_code failed;
      std::filesystem::create_directories(plots_, failed);
      std::ofstream file(path, std::ios::binary | std::ios::trunc);
      file << eval::ToSvg(eval::SweepPlot(*sweep, run_));
      file.close();
      if (!file) {
        return context.Fail(MakeError(Code::kUnavailable, "plot_not_written",
                                      "cannot write " + path.string() + "; is the folder writable?"));
      }
    }
    if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*sweep, run_)));
    context.out << eval::ToTable(*sweep);
    return Exit::kOk;
  }

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
  std::string filter_ = "none";
  std::vector<std::string> errors_ = {"0"};
  std::vector<std::string> faults_ = {"random"};
  std::vector<double> shares_;
  std::string plots_;
  std::uint32_t threads_ = 1;
  eval::CascalOptions run_;
};

}  // namespace

std::unique_ptr<EvalProtocol> MakeCascalProtocol() { return std::make_unique<CascalProtocol>(); }

}  // namespace pointsman::cli
