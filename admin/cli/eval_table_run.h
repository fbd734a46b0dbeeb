// What protocols on a table of outcomes (e1, stream, e2) have in common: options,
// the run, and how it is shown.
#pragma once

#include <string>

#include "admin/cli/eval_protocol.h"
#include "eval/run_options.h"

namespace pointsman::cli {

class TableRun final : public EvalProtocol {
 public:
  TableRun(eval::Protocol protocol, std::string purpose);

  std::string name() const override;
  std::string purpose() const override { return purpose_; }
  void Declare(EvalOptions& options) override;
  Exit Run(Context& context) override;

 private:
  Status Settle();  // words into options

  std::string purpose_;
  eval::RunOptions run_;
  std::string data_;
  std::string warm_;
  std::string policy_ = "greedy";
  std::string variant_ = "none";
  std::string gold_choice_ = "random";
  std::string newcomer_ = "nothing";
  std::string plots_;
};

}  // namespace pointsman::cli
