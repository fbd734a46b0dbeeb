#include "admin/cli/app_simulate.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "admin/cli/app_http_target.h"
#include "admin/cli/app_scenario.h"
#include "admin/cli/demo_daemon.h"
#include "admin/cli/http_client.h"
#include "admin/cli/offline_verbs.h"
#include "admin/cli/render.h"
#include "eval/simulate.h"
#include "eval/simulated_world.h"

namespace pointsman::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOwnDaemon = "daemon";
constexpr std::string_view kStatic = "static";
constexpr std::string_view kNaive = "naive";
constexpr std::string_view kUncapped = "uncapped";
constexpr std::string_view kNaiveUncapped = "naive-uncapped";
constexpr std::string_view kOwn[] = {kOwnDaemon, kStatic, kNaive, kUncapped, kNaiveUncapped};

struct Arguments {
  std::vector<std::string> scenarios;
  std::string against;
  std::string against_admin;
  std::string restart_command;
  std::string starter;
  std::uint32_t seeds = 0;
  bool pool = false;
};

fs::path Shared(const char* what) {
  std::error_code failed;
  return fs::read_symlink("/proc/self/exe", failed).parent_path().parent_path() / "share/pointsman" / what;
}

// Files, folders of .toml files, and names of shipped scenarios.
Result<std::vector<std::string>> FilesOf(const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const std::string& one : given) {
    std::error_code failed;
    if (one == "-" || fs::is_regular_file(one, failed)) {
      files.push_back(one);
      continue;
    }
    const fs::path shipped = Shared("scenarios") / (one + ".toml");
    if (fs::is_regular_file(shipped, failed)) {
      files.push_back(shipped.string());
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::directory_iterator(one == "all" ? Shared("scenarios") : fs::path(one), failed)) {
      if (entry.path().extension() == ".toml") inside.push_back(entry.path().string());
    }
    if (inside.empty()) {
      return MakeError(
          Code::kNotFound, "no_scenario",
          one + " is no file, no folder with .toml files and no scenario in " + Shared("scenarios").string());
    }
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

// The operator's own words, to a shell. Errors: UNAVAILABLE restart_command.
Status RunInShell(const std::string& command) {
  std::array<std::string, 3> words{"sh", "-c", command};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = -1;
  int status = -1;
  if (::posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments.data(), environ) == 0) {
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return MakeError(Code::kUnavailable, "restart_command", "the restart command failed: " + command);
}

// A daemon of our own in a temporary folder, behind its HTTP sockets.
class OwnDaemon final : public eval::RouterTarget {
 public:
  static Result<std::unique_ptr<eval::RouterTarget>> Start(const Clock& clock, const eval::TargetSetup& setup) {
    std::unique_ptr<OwnDaemon> own(new OwnDaemon(clock));
    DemoSetup demo{.models = {}, .sources = {"thumbs"}, .gold_rate = setup.gold_rate};
    for (std::size_t m = 0; m < setup.models.size(); ++m) demo.models.push_back({setup.models[m], setup.prices[m]});
    if (setup.bundle == nullptr) {
      return MakeError(Code::kInvalidArgument, "cold_daemon", "--against daemon needs bootstrap_rows above 0");
    }
    policy::Bundle bundle = *setup.bundle;
    auto started = DemoDaemon::Start(demo, bundle, clock);
    if (!started.ok()) return started.error();
    own->daemon_ = std::move(started).value();
    HttpTargetOptions options;
    options.against = options.admin = "unix:" + own->daemon_->admin_socket();
    options.restart = [raw = own.get()] { return raw->KillAndStart(); };
    auto http = MakeHttpTarget(clock, options, setup);
    if (!http.ok()) return http.error();
    own->http_ = std::move(http).value();
    return std::unique_ptr<eval::RouterTarget>(std::move(own));
  }

  std::string name() const override { return "a daemon of its own, over HTTP"; }
  Result<eval::RouterChoice> Route(const eval::RouterQuery& query) override { return http_->Route(query); }
  Result<eval::Receipt> Outcome(const std::string& token, const eval::RouterOutcome& outcome) override {
    return http_->Outcome(token, outcome);
  }
  Result<eval::Receipt> Feedback(const std::string& token, const eval::RouterFeedback& feedback) override {
    return http_->Feedback(token, feedback);
  }
  Result<bool> PriceChanged(std::size_t model, double factor) override { return http_->PriceChanged(model, factor); }
  Result<Restarted> Restart() override { return http_->Restart(); }
  std::optional<double> StateBytes() override { return std::nullopt; }
  std::optional<bool> GroupAlarm() override {
    const auto status = AskStatus();
    if (!status.is_object() || !status.contains("subjects")) return std::nullopt;
    return status["subjects"].value("group_alarms", nlohmann::json(0)) != nlohmann::json(0);
  }

 private:
  struct Position {
    std::string learned, last, hash;
  };

  explicit OwnDaemon(const Clock& clock) : clock_(clock) {}

  // Null where it does not answer.
  nlohmann::json AskStatus() const {
    const auto answer = HttpCall(clock_, daemon_->admin_socket(), "GET", "/status", "", 10'000);
    return answer.ok() ? nlohmann::json::parse(answer->body, nullptr, false) : nlohmann::json();
  }

  Result<Position> Look() const {
    const auto status = AskStatus();
    if (status.is_null()) return MakeError(Code::kUnavailable, "no_status", "the daemon does not say how it is");
    const auto field = [&](const char* name) {
      return status.is_object() ? status.value(name, nlohmann::json()).dump() : "";
    };
    return Position{field("learned_sequence"), field("last_sequence"), field("state_hash")};
  }

  // Once all that was written is learnt.
  Result<Position> LookAtRest() const {
    auto position = Look();
    for (int i = 0; position.ok() && position->learned != position->last && i < kLooks; ++i) position = Look();
    return position;
  }

  // SIGKILL at rest, so that the state is known; then start again. What the daemon writes of
  // itself between the look and the kill makes the two states incomparable: once more then.
  Result<std::optional<bool>> KillAndStart() {
    for (int i = 0; i < kKills; ++i) {
      const auto before = LookAtRest();
      if (!before.ok()) return before.error();
      daemon_->Kill();
      if (Status again = daemon_->Restart(); !again.ok()) return again.error();
      const auto after = LookAtRest();
      if (!after.ok()) return after.error();
      if (before->learned != before->last || after->learned != before->learned) continue;
      return std::optional<bool>(after->hash == before->hash);
    }
    return std::optional<bool>();
  }

  static constexpr int kKills = 5;
  static constexpr int kLooks = 10'000;
  const Clock& clock_;
  std::unique_ptr<DemoDaemon> daemon_;
  std::unique_ptr<eval::RouterTarget> http_;
};

class SimulateVerb {
 public:
  SimulateVerb(Context& context, const Arguments& arguments) : context_(context), arguments_(arguments) {}

  Exit Run() {
    if (arguments_.pool) return PrintPool();
    const auto files = FilesOf(arguments_.scenarios);
    if (!files.ok()) return context_.Fail(files.error());
    std::vector<eval::Scenario> scenarios;
    for (const std::string& file : files.value()) {
      const auto text = ReadInput(context_, file);
      if (!text.ok()) return context_.Fail(text.error());
      auto scenario = ParseScenario(text.value(), file);
      if (!scenario.ok()) return context_.Fail(scenario.error(), Exit::kConfig);
      for (eval::Scenario& one : eval::Expand(scenario.value())) scenarios.push_back(std::move(one));
    }
    if (External()) {  // a wrong address is known before anything is simulated
      const auto target = Target({});
      if (!target.ok()) return context_.Fail(target.error());
    }
    for (eval::Scenario& scenario : scenarios) {
      if (arguments_.seeds > 0) scenario.seeds = arguments_.seeds;
      if (External() && scenario.seeds > 1) {
        context_.err << Printable(scenario.name) << ": seed " << scenario.seed
                     << " alone: what the router has learnt cannot be taken back\n";
        scenario.seeds = 1;
      }
      Progress progress(context_.err, context_.err_is_terminal);
      auto result = eval::Simulate(
          scenario, Starter(), [this](const eval::TargetSetup& setup) { return Target(setup); },
          [&](std::string_view what, std::uint64_t done, std::uint64_t total) {
            progress.Show(static_cast<double>(done) / static_cast<double>(total), what);
          });
      progress.Finish();
      if (!result.ok()) return context_.Fail(result.error());
      results_.push_back(std::move(result).value());
    }
    if (context_.json) {
      context_.out << eval::ToJson(results_) << "\n";
    } else {
      for (const eval::ScenarioResult& result : results_) Show(result);
    }
    return Lines(eval::Verdict::kNotMet) == 0 ? Exit::kOk : Exit::kNegative;
  }

 private:
  bool External() const {
    const auto at = std::find(std::begin(kOwn), std::end(kOwn), arguments_.against);
    return !arguments_.against.empty() && at == std::end(kOwn);
  }
  std::string Starter() const { return arguments_.starter.empty() ? Shared("starter").string() : arguments_.starter; }

  // For the configuration of a router that takes part.
  Exit PrintPool() {
    if (context_.json) {
      nlohmann::json models = nlohmann::json::array();
      for (const eval::SimulatedModel& model : eval::SimulatedPool()) {
        models.push_back({{"name", model.name},
                          {"input_usd_per_million", model.price_in},
                          {"output_usd_per_million", model.price_out}});
      }
      return context_.Print({{"models", std::move(models)}});
    }
    for (const eval::SimulatedModel& model : eval::SimulatedPool()) {
      context_.out << "[[models]]\nname = \"" << model.name << "\"\ninput_usd_per_million = " << model.price_in
                   << "\noutput_usd_per_million = " << model.price_out << "\n";
    }
    return Exit::kOk;
  }

  Result<std::unique_ptr<eval::RouterTarget>> Target(const eval::TargetSetup& setup) const {
    if (arguments_.against.empty()) return eval::MakeLearnerTarget(setup);
    if (arguments_.against == kStatic) return eval::MakeLearnerTarget(setup, eval::LearnerKind::kStatic);
    if (arguments_.against == kNaive) return eval::MakeLearnerTarget(setup, eval::LearnerKind::kNaive);
    if (arguments_.against == kUncapped) return eval::MakeLearnerTarget(setup, eval::LearnerKind::kUncapped);
    if (arguments_.against == kNaiveUncapped) return eval::MakeLearnerTarget(setup, eval::LearnerKind::kNaiveUncapped);
    if (arguments_.against == kOwnDaemon) return OwnDaemon::Start(context_.clock, setup);
    HttpTargetOptions options{
        .against = arguments_.against, .admin = arguments_.against_admin, .restart = {}, .state_bytes = {}};
    if (!arguments_.restart_command.empty()) {
      options.restart = [command = arguments_.restart_command]() -> Result<std::optional<bool>> {
        if (Status ran = RunInShell(command); !ran.ok()) return ran.error();
        return std::optional<bool>();
      };
    }
    return MakeHttpTarget(context_.clock, options, setup);
  }

  std::uint64_t Lines(eval::Verdict verdict) const {
    std::uint64_t count = 0;
    for (const eval::ScenarioResult& result : results_) {
      count += static_cast<std::uint64_t>(std::count_if(result.acceptance.begin(), result.acceptance.end(),
                                                        [&](const auto& one) { return one.verdict == verdict; }));
    }
    return count;
  }

  void Show(const eval::ScenarioResult& result) {
    std::ostream& out = context_.out;
    out << Printable(result.name) << (result.about.empty() ? "" : ": " + Printable(result.about)) << "\n  "
        << Printable(result.target) << "; " << result.decisions << " decisions, "
        << (result.seeds == 1 ? "seed " : "from seed ") << result.seed;
    if (result.seeds > 1) out << ", " << result.seeds << " of them";
    out << "\n  quality " << Fixed(result.quality, 3) << " (random " << Fixed(result.random, 3)
        << ", best single model " << Fixed(result.best_single, 3) << ", oracle " << Fixed(result.oracle, 3) << "), "
        << Dollars(result.cost_usd) << " a decision; " << result.sent << " reports, " << result.duplicates
        << " duplicates, " << result.refused << " refused, " << result.restarts << " restarts\n";
    if (result.price_untold) out << "  the change of a price could not be told (--against-admin)\n";
    Table table({{"line", Table::Align::kLeft},
                 {"measure", Table::Align::kLeft},
                 {"decisions", Table::Align::kLeft},
                 {"figure", Table::Align::kRight},
                 {"s.e.", Table::Align::kRight},
                 {"bar", Table::Align::kRight},
                 {"", Table::Align::kLeft}});
    for (const eval::AcceptanceResult& one : result.acceptance) {
      std::string measure(eval::kMeasureNames[static_cast<std::size_t>(one.bar.measure)]);
      if (!one.bar.model.empty()) measure += " " + one.bar.model;
      const std::uint64_t until = one.bar.until == 0 ? result.decisions : one.bar.until;
      const int digits = one.bar.measure == eval::Measure::kCost         ? 6
                         : one.bar.measure == eval::Measure::kStateBytes ? 0
                                                                         : 3;
      table.Row({one.bar.line, measure, std::to_string(one.bar.from) + " to " + std::to_string(until),
                 one.figure ? Fixed(*one.figure, digits) : "-", one.error ? Fixed(*one.error, digits) : "-",
                 one.bar.at_least ? ">= " + Fixed(*one.bar.at_least, digits) : "<= " + Fixed(*one.bar.at_most, digits),
                 std::string(eval::kVerdictNames[static_cast<std::size_t>(one.verdict)])});
    }
    table.Print(out, context_.colour);
    out << "\n";
    if (&result != &results_.back()) return;
    out << Lines(eval::Verdict::kMet) << " met, " << Lines(eval::Verdict::kNotMet) << " not met, "
        << Lines(eval::Verdict::kNotMeasured) << " not measured\n";
  }

  Context& context_;
  const Arguments& arguments_;
  std::vector<eval::ScenarioResult> results_;
};

}  // namespace

void AddSimulate(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "simulate",
                           "Plays scenarios (drift, late, biased or hostile feedback, restarts, ...) against a router",
                           "pointsman simulate --scenario silent-loss\n"
                           "  pointsman simulate --scenario all --against daemon --json\n"
                           "  pointsman simulate --scenario mine.toml --against http://127.0.0.1:8080");
  verb->group(kOfflineGroup);
  auto arguments = std::make_shared<Arguments>();
  CLI::Option* scenario =
      verb->add_option("--scenario", arguments->scenarios, "A file, a folder, the name of a shipped one, or all");
  verb->add_option(
      "--against", arguments->against,
      "daemon (one of our own, killed where the scenario says), static, naive, uncapped or naive-uncapped (our learner "
      "told nothing, with ratings at face value, without a cap on subjects, without both), unix:PATH or "
      "http://HOST:PORT of a router "
      "that answers as docs/SIMULATOR.md says; default: our learner in this process");
  verb->add_option("--against-admin", arguments->against_admin, "Where its prices are changed; default: nowhere");
  verb->add_option("--restart-command", arguments->restart_command,
                   "Kills and starts the router; returns when it answers again");
  verb->add_option("--seeds", arguments->seeds, "Instead of the scenario's number of seeds")->check(CLI::Range(1, 100));
  verb->add_option("--starter", arguments->starter, "Folder of the starter set")->envname("POINTSMAN_STARTER");
  CLI::Option* pool = verb->add_flag("--pool", arguments->pool, "Prints the pool, as a configuration's [[models]]");
  verb->callback([&context, arguments, scenario, pool] {
    if (scenario->count() == 0 && pool->count() == 0) throw CLI::RequiredError("--scenario");
    context.exit = SimulateVerb(context, *arguments).Run();
  });
}

}  // namespace pointsman::cli
