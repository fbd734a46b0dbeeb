#include "admin/cli/context.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "admin/cli/render.h"
#include "admin/json.h"

namespace pointsman::cli {

Exit Context::Fail(const Error& error) { return Fail(error, ExitFor(error.code)); }

Exit Context::Fail(const Error& error, Exit with) {
  err << "pointsman: " << Printable(error.message);
  if (!error.reason.empty()) err << " (" << Printable(error.reason) << ")";
  err << "\n";
  if (json) {
    const nlohmann::json body = {{"code", std::string(CodeName(error.code))},
                                 {"reason", error.reason},
                                 {"detail", error.message},
                                 {"retry", std::string(admin::RetryName(RetryAdvice(error.code)))}};
    out << admin::Dump({{"error", body}}) << "\n";
  }
  return with;
}

Exit Context::Print(const nlohmann::json& value) {
  out << admin::Dump(value) << "\n";
  return Exit::kOk;
}

CLI::App* AddVerb(CLI::App& parent, Context& context, const std::string& name, const std::string& help,
                  const std::string& example) {
  CLI::App* verb = parent.add_subcommand(name, help);
  verb->footer("Example:\n  " + example);
  verb->add_flag("--json", context.json, "One JSON object on stdout");
  return verb;
}

CLI::App* AddFamily(CLI::App& parent, const std::string& name, const std::string& help, const std::string& group) {
  CLI::App* family = parent.add_subcommand(name, help);
  family->group(group);
  family->require_subcommand(1);
  return family;
}

Result<std::string> ReadInput(Context& context, const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return MakeError(Code::kNotFound, "no_file", "cannot read " + path + "; does it exist?");
  }
  std::istream& input = path == "-" ? context.in : file;
  std::string text;
  char block[65536];
  while (input.read(block, sizeof(block)) || input.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(input.gcount()));
    if (text.size() > kInputBytesMax) {
      return MakeError(Code::kOutOfRange, "input_too_large", path + " has more than 16 MiB; send less");
    }
  }
  if (input.bad()) return MakeError(Code::kUnavailable, "input_failed", "reading " + path + " failed");
  return text;
}

Code CodeOfName(std::string_view name) {
  for (int number = 0; number < static_cast<int>(Code::kInternal); ++number) {
    if (CodeName(static_cast<Code>(number)) == name) return static_cast<Code>(number);
  }
  return Code::kInternal;
}

}  // namespace pointsman::cli
