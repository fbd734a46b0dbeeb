// One exchange with the admin socket: the answer as JSON, or how the verb ends. What
// every operator verb is made of.
//
// Threads: one.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "admin/cli/context.h"

namespace pointsman::cli {

// How a verb whose request failed ends.
struct Failed {
  Error error;
  Exit exit = Exit::kOurBug;
};

using Show = void (*)(Context&, const nlohmann::json&);

// Waits 30 s for a GET, ten minutes for a change.
std::variant<nlohmann::json, Failed> AskAdmin(Context& context, std::string_view method, const std::string& path,
                                              const std::string& body);

// Prints the answer: as it came with --json, else with `show`.
Exit Finish(Context& context, const std::variant<nlohmann::json, Failed>& answer, Show show);
Exit Get(Context& context, const std::string& path, Show show);
Exit Post(Context& context, const std::string& path, const nlohmann::json& body, Show show);

}  // namespace pointsman::cli
