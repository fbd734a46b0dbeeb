#include "admin/cli/demo.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "admin/cli/demo_audit.h"
#include "admin/cli/demo_daemon.h"
#include "admin/cli/offline_verbs.h"
#include "admin/cli/render.h"
#include "bootstrap/data/table_reader.h"
#include "clients/cpp/client.h"
#include "eval/run.h"
#include "eval/simulated_world.h"
#include "eval/socket_arm.h"

namespace pointsman::cli {
namespace {

struct DemoOptions {
  std::string data;     // table; empty: the simulated world
  std::string starter;  // folder of the starter set
  std::uint64_t rows = 0;
  bool once = false;
};

// Set by SIGINT and SIGTERM.
std::atomic<bool> interrupted{false};
void OnSignal(int) { interrupted = true; }

// An arm that shows how far it is and ends when the user does.
class Watched final : public eval::Arm {
 public:
  Watched(std::unique_ptr<eval::Arm> arm, std::uint64_t total, Progress& progress)
      : arm_(std::move(arm)), total_(total), progress_(progress) {}

  Result<eval::ArmChoice> Route(const eval::StreamItem& item) override {
    if (interrupted.load()) return MakeError(Code::kUnavailable, "interrupted", "interrupted");
    if (item.number % 50 == 0) {
      progress_.Show(static_cast<double>(item.number) / static_cast<double>(total_),
                     "queries through the socket, ratings and gold back");
    }
    return arm_->Route(item);
  }
  Status Report(const eval::ArmChoice& choice, const eval::ArmFeedback& feedback) override {
    return arm_->Report(choice, feedback);
  }

 private:
  std::unique_ptr<eval::Arm> arm_;
  std::uint64_t total_;
  Progress& progress_;
};

// The arm of the run, with the list of what it saw acknowledged outliving it.
class Recording final : public eval::Arm {
 public:
  Recording(std::unique_ptr<eval::SocketArm> arm, std::vector<eval::Acknowledged>& out)
      : arm_(std::move(arm)), out_(out) {}
  ~Recording() override { out_ = arm_->acknowledged(); }
  Result<eval::ArmChoice> Route(const eval::StreamItem& item) override { return arm_->Route(item); }
  Status Report(const eval::ArmChoice& choice, const eval::ArmFeedback& feedback) override {
    return arm_->Report(choice, feedback);
  }

 private:
  std::unique_ptr<eval::SocketArm> arm_;
  std::vector<eval::Acknowledged>& out_;
};

// Prices that explain the table's costs: dollars per output token where the table
// has both, nothing otherwise.
std::vector<DemoModel> PoolOf(const bootstrap::Table& table, bool simulated) {
  std::vector<DemoModel> pool;
  for (std::size_t m = 0; m < table.models.size(); ++m) {
    double cost = 0;
    double tokens = 0;
    for (const bootstrap::TableRow& row : table.rows) {
      const bootstrap::TableCell& cell = row.models[m];
      if (!cell.present || !std::isfinite(cell.cost_usd) || !std::isfinite(cell.tokens_out)) continue;
      cost += cell.cost_usd;
      tokens += cell.tokens_out;
    }
    DemoModel model{.name = table.models[m], .price = {}};
    if (tokens > 0) model.price.output_usd_per_million = cost / tokens * 1e6;
    pool.push_back(model);
  }
  if (!simulated) return pool;
  for (const eval::SimulatedModel& known : eval::SimulatedPool()) {
    for (DemoModel& model : pool) {
      if (model.name == known.name) model.price = {known.price_in, known.price_out};
    }
  }
  return pool;
}

class Demo {
 public:
  Demo(Context& context, const DemoOptions& options)
      : context_(context), options_(options), progress_(context.err, context.err_is_terminal) {}

  Exit Run() {
    std::signal(SIGINT, OnSignal);
    std::signal(SIGTERM, OnSignal);
    auto table = LoadTable();
    if (!table.ok()) return context_.Fail(table.error());
    table_ = std::move(table).value();
    auto report = eval::RunProtocol(table_, RunOptions(), context_.clock, [this](auto stage, auto done, auto total) {
      progress_.Show(static_cast<double>(done) / static_cast<double>(total), stage);
    });
    progress_.Finish();
    if (!report.ok()) return context_.Fail(report.error());
    auto audit = KillAndAudit();
    if (!audit.ok()) return context_.Fail(audit.error());
    if (!context_.json) PrintReport(*report, *audit);
    if (!options_.once) {
      if (Status again = daemon_->Restart(); !again.ok()) return context_.Fail(again.error());
      Invite();
    }
    if (Status stopped = daemon_->Terminate(); !stopped.ok()) return context_.Fail(stopped.error());
    if (context_.json) PrintJson(*report, *audit);
    const bool kept = audit->present == audit->acknowledged && audit->state_hash_equal;
    return kept ? Exit::kOk : Exit::kNegative;
  }

 private:
  Result<bootstrap::Table> LoadTable() {
    if (!options_.data.empty()) return bootstrap::ReadTable(options_.data);
    context_.err
        << "No --data: the starter set answered by a simulated pool of eight models with hidden skills.\n"
           "It shows that the loop works; it is no evidence about real models.\n"
           "After a third of the stream its favourite, atlas-large, silently gets worse; nobody tells the daemon.\n";
    eval::SimulationOptions simulation;
    simulation.seed = 1;
    simulation.rows = options_.rows == 0 ? 6000 : options_.rows;
    // The first half is the bootstrap set; the loss comes after a third of the stream.
    simulation.loss_from = simulation.rows / 2 + simulation.rows / 6;
    return eval::SimulateTable(StarterFolder(), simulation);
  }

  // --starter, or the installed folder beside the program.
  std::string StarterFolder() const {
    if (!options_.starter.empty()) return options_.starter;
    std::error_code failed;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
    return (self.parent_path().parent_path() / "share/pointsman/starter").string();
  }

  eval::RunOptions RunOptions() {
    eval::RunOptions run;
    run.seeds = 1;
    run.first_seed = 1;
    run.arms = eval::CoreArms();
    if (options_.data.empty()) {
      run.row_order = eval::RowOrder::kAsInTable;
      run.bootstrap_rows = table_.rows.size() / 2;
    }
    if (options_.data.empty() || !table_.sources.empty()) {
      run.source.clear();  // the file's first
    } else {
      const bool letters = std::any_of(table_.rows.begin(), table_.rows.end(),
                                       [](const bootstrap::TableRow& row) { return !row.gold.empty(); });
      if (letters) run.source = "ref_agree";
    }
    const bool answers = std::any_of(table_.rows.begin(), table_.rows.end(), [](const bootstrap::TableRow& row) {
      return std::any_of(row.models.begin(), row.models.end(), [](const auto& cell) { return !cell.answer.empty(); });
    });
    run.warm = answers ? eval::Warm::kAnswers : eval::Warm::kScores;
    run.pointsman_factory = [this](const eval::ArmSetup& setup) { return MakeLiveArm(setup); };
    return run;
  }

  Result<std::unique_ptr<eval::Arm>> MakeLiveArm(const eval::ArmSetup& setup) {
    policy::Bundle bundle = *setup.bundle;
    const DemoSetup daemon{.models = PoolOf(table_, options_.data.empty()),
                           .sources = setup.options.sources,
                           .gold_rate = setup.options.gold_rate};
    auto started = DemoDaemon::Start(daemon, bundle, context_.clock);
    if (!started.ok()) return started.error();
    daemon_ = std::move(started).value();
    auto arm = eval::SocketArm::Connect(
        {.socket_path = daemon_->route_socket(),
         .models = setup.world->models(),
         .source = setup.options.sources.empty() ? std::string() : setup.options.sources.front()});
    if (!arm.ok()) return arm.error();
    auto recording = std::make_unique<Recording>(std::move(arm).value(), acknowledged_);
    return std::unique_ptr<eval::Arm>(
        std::make_unique<Watched>(std::move(recording), setup.split->stream.size(), progress_));
  }

  // SIGKILL, start, ask what it recovered, stop, then read the files.
  Result<StoreAudit> KillAndAudit() {
    REQUIRE(daemon_ != nullptr, "the run made a daemon");
    daemon_->Kill();
    if (Status again = daemon_->Restart(); !again.ok()) return again.error();
    auto client = client::Client::Connect({.socket_path = daemon_->route_socket()});
    if (!client.ok()) return MakeError(Code::kUnavailable, client.failure().reason, client.failure().message);
    auto status = client->Call(wire::Status{});
    if (!status.ok()) return MakeError(Code::kUnavailable, status.failure().reason, status.failure().message);
    if (Status stopped = daemon_->Terminate(); !stopped.ok()) return stopped.error();
    return AuditStore(daemon_->store_directory(), acknowledged_, status->learned_sequence(), status->state_hash());
  }

  void PrintReport(const eval::RunReport& report, const StoreAudit& audit) {
    std::ostream& out = context_.out;
    out << "\nMean score of " << report.stream_rows << " queries (" << Printable(report.table) << ", ratings from "
        << (report.source.empty() ? "nobody" : Printable(report.source)) << ", 2 % gold, seed 1)\n\n";
    Table arms({{"arm", Table::Align::kLeft},
                {"total", Table::Align::kRight},
                {"s.e.", Table::Align::kRight},
                {"second half", Table::Align::kRight},
                {"cost a query", Table::Align::kRight},
                {"over time, in tenths of the run", Table::Align::kLeft}});
    for (const eval::ArmReport& arm : report.arms) {
      arms.Row({arm.name, Fixed(arm.total.mean, 3), Fixed(arm.total.se, 3), Fixed(arm.second_half.mean, 3),
                std::isfinite(arm.cost_mean_usd) ? Dollars(arm.cost_mean_usd) : "-", Tenths(arm.over_time)});
    }
    arms.Print(out, context_.colour);
    for (const eval::ArmReport& arm : report.arms) {
      if (arm.name == "pointsman") PrintModels(arm);
    }
    out << "\nKilled with SIGKILL and started again: " << audit.present << " of " << audit.acknowledged
        << " acknowledged reports are there once, with their value (" << audit.missing << " missing, " << audit.doubled
        << " doubled).\nReplay of " << audit.replayed_events << " events: state "
        << (audit.state_hash_equal ? "equal, bit for bit.\n" : "DIFFERENT.\n");
  }

  void PrintModels(const eval::ArmReport& arm) {
    context_.out << "\nWhat pointsman chose (" << arm.ratings << " ratings and " << arm.gold
                 << " gold labels came back, " << arm.audits << " random audits)\n\n";
    Table models({{"model", Table::Align::kLeft},
                  {"share", Table::Align::kRight},
                  {"predicted", Table::Align::kRight},
                  {"true", Table::Align::kRight},
                  {"cost a query", Table::Align::kRight}});
    constexpr std::size_t kShown = 12;
    for (std::size_t i = 0; i < std::min(kShown, arm.models.size()); ++i) {
      const eval::ModelUse& use = arm.models[i];
      models.Row({use.model, Fixed(100 * use.share, 1) + " %", Fixed(use.predicted, 3), Fixed(use.quality, 3),
                  std::isfinite(use.cost_usd) ? Dollars(use.cost_usd) : "-"});
    }
    models.Print(context_.out, context_.colour);
  }

  static std::string Tenths(const std::vector<double>& twentieths) {
    std::string text;
    for (std::size_t i = 0; i + 1 < twentieths.size(); i += 2) {
      text += (text.empty() ? "" : " ") + Fixed((twentieths[i] + twentieths[i + 1]) / 2, 2).substr(1);
    }
    return text;
  }

  void PrintJson(const eval::RunReport& report, const StoreAudit& audit) {
    nlohmann::json line = nlohmann::json::parse(eval::ToJson(report));
    line["store"] = {{"acknowledged", audit.acknowledged},
                     {"present_after_restart", audit.present},
                     {"state_hash_equal", audit.state_hash_equal}};
    context_.Print(line);
  }

  // Leaves the daemon to the user until Ctrl-C.
  void Invite() {
    context_.err << "\nThe daemon is up again with all that it learned. Try in another terminal:\n\n"
                 << "  pointsman --socket " << daemon_->route_socket() << " route \"What is the derivative of x^2?\"\n"
                 << "  pointsman --admin-socket " << daemon_->admin_socket() << " status\n"
                 << "  pointsman --admin-socket " << daemon_->admin_socket() << " clusters list\n\n"
                 << "Ctrl-C stops it and removes its folder.\n";
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    while (!interrupted.load()) sigsuspend(&before);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  Context& context_;
  const DemoOptions& options_;
  Progress progress_;
  bootstrap::Table table_;
  std::unique_ptr<DemoDaemon> daemon_;
  std::vector<eval::Acknowledged> acknowledged_;
};

}  // namespace

void AddDemo(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "demo", "Runs the whole loop on a daemon of its own and shows what it learned",
                           "pointsman demo --data mmlupro.jsonl.gz --once");
  verb->group(kOfflineGroup);
  auto options = std::make_shared<DemoOptions>();
  verb->add_option("--data", options->data, "Table of outcomes (JSON lines, plain or gzip); default: a simulated pool")
      ->check(CLI::ExistingFile);
  verb->add_option("--starter", options->starter, "Folder of the starter set, for the simulated pool")
      ->envname("POINTSMAN_STARTER");
  verb->add_option("--rows", options->rows, "Rows to simulate (default 6000)")->check(CLI::Range(200, 200000));
  verb->add_flag("--once", options->once, "End after the report instead of leaving the daemon up");
  verb->callback([&context, options] { context.exit = Demo(context, *options).Run(); });
}

}  // namespace pointsman::cli
