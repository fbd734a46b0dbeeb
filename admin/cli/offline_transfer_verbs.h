// The offline verbs that move whole logs: import and forget; and how a subject is
// named on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/cli/context.h"
#include "base/ids.h"
#include "store/transfer.h"

namespace pointsman::cli {

// A subject by name and tenant, or by its keyed hash as `export` shows it.
struct SubjectArguments {
  std::string subject;
  std::string tenant;
};

// Adds `flag` SUBJECT and --tenant.
void AddSubjectOptions(CLI::App& verb, const std::string& flag, const std::string& help, SubjectArguments* arguments);

// The keyed hash; the key is the store's own. Errors: INVALID_ARGUMENT no_tenant;
// NOT_FOUND no_key; those of reading the key.
Result<SubjectHash> SubjectNamed(const std::string& directory, const SubjectArguments& arguments);

nlohmann::json TransferredJson(const store::Transferred& transferred);

// Fails with exit 1 where the answer is that the history does not reach that far.
Exit FailNegative(Context& context, const Error& error);

void AddTransferVerbs(CLI::App& app, Context& context, const std::string& group);

}  // namespace pointsman::cli
