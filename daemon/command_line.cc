#include "daemon/command_line.h"

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "daemon/version.h"

namespace pointsman::daemon {

Action ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app{"Pointsman's daemon: decides which language model answers each query"};
  app.set_version_flag("--version", kVersion);
  std::string config_path = "/etc/pointsman/pointsman.toml";
  app.add_option("--config", config_path, "configuration file")->capture_default_str();
  CLI::App* run = app.add_subcommand("run", "serve in the foreground (the default)");
  run->add_option("--config", config_path, "configuration file");
  CLI::App* check = app.add_subcommand("check", "report every fault of the configuration");
  check->add_option("--config", config_path, "configuration file");

  JobOptions options;
  CLI::App* job = app.add_subcommand("job", "make a bundle file from a table; started by the daemon");
  job->add_option("--table", options.table_path, "table of outcomes, JSON lines, plain or gzip")->required();
  job->add_option("--out", options.out_path, "bundle file to write")->required();
  job->add_option("--labels", options.labels, "consensus (no labels needed) or scores")->capture_default_str();
  job->add_option("--clusters", options.clusters_max, "most clusters to make")->capture_default_str();
  job->add_option("--seed", options.seed, "same seed, same bytes")->capture_default_str();
  job->add_option("--keep-embedder-of", options.keep_embedder_of, "bundle file whose embedder is kept");
  job->add_option("--parent", options.parent, "end with this process");
  app.footer("Example: pointsmand --config /etc/pointsman/pointsman.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    const int code = app.exit(fault);
    return EndAction{code == 0 ? 0 : static_cast<int>(Exit::kUsage)};
  }
  if (job->parsed()) return JobAction{options};
  if (check->parsed()) return CheckAction{config_path};
  return RunAction{config_path};
}

}  // namespace pointsman::daemon
