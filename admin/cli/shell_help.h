// Completion scripts and the manual page, made from the verbs themselves, so that
// they say what the program does.
//
// Pure; one thread. The order is that of --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "admin/cli/context.h"

namespace pointsman::cli {

std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);
// pointsman(1) in roff.
std::string ManualPage(const CLI::App& app, const std::string& version);

// `completion SHELL` and `manual`.
void AddShellHelp(CLI::App& app, Context& context, const std::string& version);

}  // namespace pointsman::cli
