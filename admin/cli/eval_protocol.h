// A protocol of the verb `eval`: its options and its run.
//
// Each has a pair of files eval_<name>.{h,cc} with a function that makes it, and
// one line in app_eval.cc. Belongs to the composition root, since protocols see
// bootstrap and eval.
#pragma once

#include <memory>
#include <string>

#include "admin/cli/context.h"
#include "admin/cli/eval_options.h"
#include "base/result.h"
#include "bootstrap/data/table_reader.h"

namespace pointsman::cli {

class EvalProtocol {
 public:
  virtual ~EvalProtocol() = default;
  virtual std::string name() const = 0;
  // What it measures, in half a sentence, for the help.
  virtual std::string purpose() const = 0;
  // Declares every option that it takes, --data included; `options` has begun it.
  virtual void Declare(EvalOptions& options) = 0;
  // With its options read. Reports its own failures through `context`.
  virtual Exit Run(Context& context) = 0;
};

// Declares --data, required.
void DeclareData(EvalOptions& options, std::string& path);
// The table; broken lines are told on standard error. Errors: those of ReadTable.
Result<bootstrap::Table> ReadTableAloud(Context& context, const std::string& path);

}  // namespace pointsman::cli
