// `pointsman whatif`: what another policy would have earned on the log. The running
// daemon is asked (POST /v1/whatif); without one, or with --store, the store is read
// like by all offline verbs: exit code 75 while a daemon holds it. Changes nothing.
#pragma once

#include <string>
#include <string_view>

#include "admin/cli/context.h"
#include "policy/judgement/off_policy.h"

namespace pointsman::cli {

// Reads a policy file's text; the second argument is the file's name for messages.
using TargetReader = Result<policy::TargetPolicy> (*)(std::string_view text, const std::string& name);

void AddWhatIf(CLI::App& app, Context& context, TargetReader read);

}  // namespace pointsman::cli
