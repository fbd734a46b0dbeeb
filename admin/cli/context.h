// What every verb of `pointsman` shares: where output goes, how it looks, and how
// an error becomes a message, a JSON object and an exit code.
//
// Output   results on stdout, everything else on stderr. With --json stdout holds
//          exactly one JSON object (export, and top with --rounds: one a line), also for a failure:
//          {"error": {code, reason, detail, retry}}.
// Threads  one.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/result.h"

namespace pointsman::cli {

// Input that a verb reads from a file or standard input is at most this long.
inline constexpr std::size_t kInputBytesMax = 16U << 20;

struct Context {
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  const Clock& clock;
  bool out_is_terminal = false;  // tables may use bold type
  bool err_is_terminal = false;  // progress may redraw its line
  bool colour = false;           // a terminal, and NO_COLOR is not set

  std::string route_socket = "/run/pointsman/route.sock";
  std::string admin_socket = "/run/pointsman/admin.sock";
  bool json = false;
  Exit exit = Exit::kOk;  // what the verb that ran ended with

  // Reports `error` and gives its exit code, or `exit` where the place knows better.
  Exit Fail(const Error& error);
  Exit Fail(const Error& error, Exit with);
  // One JSON object and a line end on stdout.
  Exit Print(const nlohmann::json& value);
};

// A verb: description, one example for its --help, --json, and what it runs. The
// action must not throw for anything but our own bugs.
CLI::App* AddVerb(CLI::App& parent, Context& context, const std::string& name, const std::string& help,
                  const std::string& example);
// A verb that only holds others ("models list").
CLI::App* AddFamily(CLI::App& parent, const std::string& name, const std::string& help, const std::string& group);

// The named file, or standard input for "-".
// Errors: NOT_FOUND, OUT_OF_RANGE beyond kInputBytesMax, UNAVAILABLE for I/O.
Result<std::string> ReadInput(Context& context, const std::string& path);

// The code whose name is `name`; INTERNAL for a name that this version does not know.
Code CodeOfName(std::string_view name);

}  // namespace pointsman::cli
