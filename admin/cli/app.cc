#include "admin/cli/app.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "admin/cli/app_doctor.h"
#include "admin/cli/app_eval.h"
#include "admin/cli/app_simulate.h"
#include "admin/cli/client_verbs.h"
#include "admin/cli/context.h"
#include "admin/cli/demo.h"
#include "admin/cli/offline_bootstrap_report.h"
#include "admin/cli/offline_verbs.h"
#include "admin/cli/offline_whatif.h"
#include "admin/cli/operator_verbs.h"
#include "admin/cli/render.h"
#include "admin/cli/shell_help.h"
#include "daemon/config.h"
#include "daemon/config_text.h"
#include "daemon/target_file.h"
#include "daemon/version.h"

namespace pointsman::cli {
namespace {

Exit CheckConfig(Context& context, const std::string& path) {
  const Result<daemon::Config> config = daemon::LoadConfig(path);
  if (!config.ok()) return context.Fail(config.error(), Exit::kConfig);
  if (context.json) {
    return context.Print({{"valid", true},
                          {"store", config->store_directory},
                          {"route_socket", config->route_socket},
                          {"api_socket", config->api_socket},
                          {"admin_socket", config->admin_socket},
                          {"models", config->models.size()}});
  }
  context.out << Printable(path) << " is valid: " << config->models.size() << " models, store "
              << Printable(config->store_directory) << "\n";
  return Exit::kOk;
}

Exit ShowConfig(Context& context, const std::string& path, bool effective) {
  const Result<daemon::Config> config = daemon::LoadConfig(path);
  if (!config.ok()) return context.Fail(config.error(), Exit::kConfig);
  std::string text = daemon::ConfigText(config.value());
  if (!effective) {
    Result<std::string> file = ReadInput(context, path);
    if (!file.ok()) return context.Fail(file.error());
    text = std::move(file).value();
  }
  if (context.json) return context.Print({{"file", path}, {"effective", effective}, {"toml", text}});
  context.out << text;
  return Exit::kOk;
}

void AddConfig(CLI::App& app, Context& context) {
  CLI::App* family = AddFamily(app, "config", "The daemon's configuration file", kOfflineGroup);
  CLI::App* check = AddVerb(*family, context, "check", "Reports every fault of a configuration file at once",
                            "pointsman config check /etc/pointsman/pointsman.toml");
  auto path = std::make_shared<std::string>();
  check->add_option("file", *path, "The TOML file")->required();
  check->callback([&context, path] { context.exit = CheckConfig(context, *path); });

  CLI::App* show = AddVerb(*family, context, "show", "Prints the configuration that a file comes to",
                           "pointsman config show --effective /etc/pointsman/pointsman.toml");
  auto shown = std::make_shared<std::string>("/etc/pointsman/pointsman.toml");
  auto effective = std::make_shared<bool>(false);
  show->add_option("file", *shown, "The TOML file")->capture_default_str();
  show->add_flag("--effective", *effective, "With every default that the file leaves out");
  show->callback([&context, shown, effective] { context.exit = ShowConfig(context, *shown, *effective); });
}

void AddGlobalOptions(CLI::App& app, Context& context) {
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("pointsman ") + daemon::kVersion);
  app.set_help_all_flag("--help-all", "Help of every verb");
  app.add_option("--socket", context.route_socket, "Route socket, for client verbs")
      ->envname("POINTSMAN_SOCKET")
      ->capture_default_str();
  app.add_option("--admin-socket", context.admin_socket, "Admin socket, for operator verbs")
      ->envname("POINTSMAN_ADMIN_SOCKET")
      ->capture_default_str();
  app.fallthrough();  // so that both may stand after the verb as well
  app.footer(
      "Client verbs talk to the route socket, operator verbs to the admin socket, offline verbs open files.\n"
      "Exit codes: 0 done; 1 negative answer; 2 wrong usage; 65 data damaged; 69 daemon not reachable; 70 our bug;\n"
      "71 system resource; 74 input or output; 75 try later; 77 not permitted; 78 configuration.");
}

// What the parser could not read, as every verb tells a failure.
Exit FailUsage(Context& context, const CLI::ParseError& error, int argc, char** argv) {
  const auto is_json = [](const char* word) { return std::string_view(word) == "--json"; };
  context.json = std::any_of(argv + 1, argv + argc, is_json);
  context.Fail(MakeError(Code::kInvalidArgument, "usage", error.what()), Exit::kUsage);
  context.err << "`pointsman --help` lists the verbs; `pointsman VERB --help` shows one with an example.\n";
  return Exit::kUsage;
}

}  // namespace

int Run(int argc, char** argv) {
  // A reader that goes away is an error of output, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  Context context{.out = std::cout, .err = std::cerr, .in = std::cin, .clock = clock};
  context.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  context.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  const char* no_colour = std::getenv("NO_COLOR");
  context.colour = context.out_is_terminal && (no_colour == nullptr || *no_colour == '\0');

  CLI::App app("Asks, feeds and administers pointsmand, which decides which model answers each query.", "pointsman");
  AddGlobalOptions(app, context);
  AddClientVerbs(app, context);
  AddOperatorVerbs(app, context);
  AddOfflineVerbs(app, context, [](std::string_view text, const std::string& name) -> Result<policy::Options> {
    const auto config = daemon::ParseConfig(text, name);
    if (!config.ok()) return config.error();
    return config->options;
  });
  AddWhatIf(app, context, daemon::ParseTargetPolicy);
  AddBootstrapReport(app, context);
  AddConfig(app, context);
  AddEval(app, context);
  AddSimulate(app, context);
  AddDemo(app, context);
  AddDoctor(app, context);
  AddShellHelp(app, context, daemon::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return static_cast<int>(FailUsage(context, error, argc, argv));
    return app.exit(error);  // help or the version was asked for
  }
  context.out.flush();
  if (!context.out.good() && context.exit == Exit::kOk) context.exit = Exit::kIo;
  return static_cast<int>(context.exit);
}

}  // namespace pointsman::cli
