#include "admin/cli/eval_judges.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "eval/judge_protocol.h"

namespace pointsman::cli {
namespace {

class JudgesProtocol final : public EvalProtocol {
 public:
  std::string name() const override { return "judges"; }
  std::string purpose() const override { return "the estimated bias of one judge against another on held-out answers"; }

  void Declare(EvalOptions& options) override {
    DeclareData(options, data_);
    options.Count("--seeds", run_.splits, 1, 1000, "Splits into halves, from seed 1 on");
    options.Number("--gold", run_.gold, 0, 1, "Share of the fitted half with the other judge's word");
  }

  Exit Run(Context& context) override {
    const auto pairs = eval::RunJudges(data_, run_);
    if (!pairs.ok()) return context.Fail(pairs.error());
    if (context.json) return context.Print(nlohmann::json::parse(eval::ToJson(*pairs, run_)));
    context.out << eval::ToTable(*pairs);
    return Exit::kOk;
  }

 private:
  std::string data_;
  eval::JudgeProtocolOptions run_;
};

}  // namespace

std::unique_ptr<EvalProtocol> MakeJudgesProtocol() { return std::make_unique<JudgesProtocol>(); }

}  // namespace pointsman::cli
