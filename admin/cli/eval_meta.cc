#include "admin/cli/eval_meta.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "eval/meta_protocol.h"

namespace pointsman::cli {
namespace {

class MetaProtocol final : public EvalProtocol {
 public:
  std::string name() const override { return "meta"; }
  std::string purpose() const override { return "Meta-Router's learners against pooling, simulated; takes no data"; }

  void Declare(EvalOptions& options) override {
    options.Count("--seeds", run_.seeds, 1, 1000, "Seeds, from 42 on");
    options.Count("--gold", run_.gold, 2, 4498, "Gold labels among the 4,500 rows");
    options.Number("--judge-bias", run_.bias, 0, 10, "The judge's error, times the default");
    options.Flag("--published-clips", run_.published_clips, true, "Clip propensities as the published program does");
  }

  Exit Run(Context& context) override {
    const auto curves = eval::RunMeta(run_);
    if (!curves.ok()) return context.Fail(curves.error());
    if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*curves, run_)));
    context.out << eval::ToTable(*curves);
    return Exit::kOk;
  }

 private:
  eval::MetaProtocolOptions run_;
};

}  // namespace

std::unique_ptr<EvalProtocol> MakeMetaProtocol() { return std::make_unique<MetaProtocol>(); }

}  // namespace pointsman::cli
