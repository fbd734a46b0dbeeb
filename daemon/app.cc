#include "daemon/app.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "admin/http_server.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/unix_listener.h"
#include "daemon/activation.h"
#include "daemon/admin_ports.h"
#include "daemon/boot_epoch.h"
#include "daemon/config.h"
#include "daemon/config_diff.h"
#include "daemon/config_text.h"
#include "daemon/dispatcher.h"
#include "daemon/job_refitter.h"
#include "daemon/job_runner.h"
#include "daemon/learner_loop.h"
#include "daemon/listener.h"
#include "daemon/mutations.h"
#include "daemon/notify.h"
#include "daemon/rollout_watch.h"
#include "daemon/version.h"
#include "daemon/watchdog.h"
#include "policy/choice/decide.h"
#include "store/bundle_file.h"
#include "store/store.h"

namespace pointsman::daemon {
namespace {

constexpr std::int64_t kDrainMs = 5'000;

// Why the daemon cannot start, and what it exits with.
struct Failure {
  Exit exit = Exit::kOurBug;
  std::string message;
};
using Step = std::optional<Failure>;

Failure StoreFailure(const Error& error) {
  switch (error.code) {
    case Code::kBusy: return {Exit::kTryLater, error.message};
    case Code::kUnavailable: return {error.reason == "storage_full" ? Exit::kTryLater : Exit::kIo, error.message};
    // A newer schema: restarting does not help, and no setting does.
    case Code::kFailedPrecondition: return {ExitFor(Code::kDataLoss), error.message};
    case Code::kInvalidArgument: return {Exit::kConfig, error.message};
    case Code::kResourceExhausted: return {Exit::kOsResource, error.message};
    default: return {ExitFor(error.code), error.message};
  }
}

Failure SocketFailure(const Error& error) {
  switch (error.code) {
    case Code::kBusy: return {Exit::kTryLater, error.message};
    case Code::kResourceExhausted:
    case Code::kUnavailable: return {Exit::kOsResource, error.message};
    case Code::kPermissionDenied: return {Exit::kNotPermitted, error.message};
    default: return {Exit::kConfig, error.message};
  }
}

sigset_t HandledSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

// Generation 1 from config.first_bundle, when no generation is live and a file is
// named. Errors: of the file, and of Mutations::Activate.
Status ActivateFirstBundle(const Config& config, LearnerLoop& learner, Mutations& mutations) {
  if (config.first_bundle.empty()) return {};
  const auto live =
      learner.Query<Generation>(std::chrono::seconds(60), [](const policy::State& state) { return state.generation; });
  if (!live.ok()) return live.error();
  if (live->value > 0) return {};
  const auto bundle = store::ReadBundleFile(config.first_bundle);
  if (!bundle.ok()) return bundle.error();
  const Status stored = mutations.PutBundle(bundle.value());
  if (!stored.ok()) return stored;
  const auto generation =
      mutations.Activate({policy::Origin::kConfig, 0}, bundle->hash, "first bundle of the configuration", false);
  if (!generation.ok()) return generation.error();
  return {};
}

class App {
 public:
  explicit App(std::string config_path)
      : config_path_(std::move(config_path)), notifier_(Notifier::FromEnvironment()) {}
  ~App() {
    if (signals_ >= 0) close(signals_);
    if (fatal_ >= 0) close(fatal_);
  }
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  int Run();

 private:
  Step PrepareSignals();
  Step ReadConfig();
  Step OpenStore();
  Step Replay();
  Step StartLearning();
  Step StartServices();
  Step StartHttp();
  Step StartLoopback();
  Exit Serve();
  void Reload();
  Exit Drain();
  Status SelfCheck();

  const std::string config_path_;
  const Notifier notifier_;
  const SystemClock clock_;
  int signals_ = -1;
  int fatal_ = -1;  // an eventfd that the commit thread raises

  InheritedSockets inherited_;

  // In the order of their lives; destroyed backwards.
  Config config_;     // as the process started with it
  Config last_read_;  // as it was last applied
  std::unique_ptr<store::Store> store_;
  store::TokenKey token_key_{};
  store::TokenKey subject_key_{};
  std::uint32_t boot_epoch_ = 0;
  SnapshotCell cell_;
  std::unique_ptr<LearnerLoop> learner_;
  std::unique_ptr<store::CommitQueue> queue_;
  std::unique_ptr<Mutations> mutations_;
  std::unique_ptr<RolloutWatch> rollout_;
  std::unique_ptr<JobRunner> jobs_;
  std::unique_ptr<Refitter> refitter_;
  Metrics metrics_;
  NotLogged not_logged_;
  std::unique_ptr<store::TokenMint> mint_;
  std::unique_ptr<ServiceContext> context_;
  std::unique_ptr<ServiceDispatcher> dispatcher_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<AdminPorts> ports_;
  std::unique_ptr<admin::HttpServer> api_;
  std::unique_ptr<admin::HttpServer> admin_;
  std::unique_ptr<admin::HttpServer> loopback_;
  std::unique_ptr<Watchdog> watchdog_;
};

// Signals come through a descriptor: blocked before any thread is started, so that
// every thread inherits it.
Step App::PrepareSignals() {
  const sigset_t handled = HandledSignals();
  if (pthread_sigmask(SIG_BLOCK, &handled, nullptr) != 0) return Failure{Exit::kOsResource, "signals"};
  std::signal(SIGPIPE, SIG_IGN);
  signals_ = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  fatal_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signals_ < 0 || fatal_ < 0) return Failure{Exit::kOsResource, "no file descriptor is left for signals"};
  return {};
}

Step App::ReadConfig() {
  auto config = LoadConfig(config_path_);
  if (!config.ok()) return Failure{Exit::kConfig, config.error().message};
  config_ = std::move(config).value();
  last_read_ = config_;
  auto inherited = InheritedSockets::FromEnvironment();
  if (!inherited.ok()) return Failure{Exit::kConfig, inherited.error().message};
  inherited_ = std::move(inherited).value();
  return {};
}

Step App::OpenStore() {
  std::error_code fault;
  std::filesystem::create_directories(config_.store_directory, fault);
  store::StoreOptions options;
  options.directory = config_.store_directory;
  options.free_space_min_bytes = config_.limits.free_space_min_mib << 20;
  options.open_decisions_max = config_.limits.open_decisions;
  options.log_bytes_max = config_.limits.log_quota_mib << 20;
  auto opened = store::OpenRocksStore(options);
  if (!opened.ok()) return StoreFailure(opened.error());
  store_ = std::move(opened).value();
  for (const auto& [name, key] : {std::pair{"token.key", &token_key_}, std::pair{"subject.key", &subject_key_}}) {
    const auto loaded = store::LoadOrMakeKey(fmt::format("{}/{}", config_.store_directory, name));
    if (!loaded.ok()) return StoreFailure(loaded.error());
    *key = loaded.value();
  }
  const auto epoch = NextBootEpoch(config_.store_directory + "/boot_epoch");
  if (!epoch.ok()) return StoreFailure(epoch.error());
  boot_epoch_ = epoch.value();
  return {};
}

Step App::Replay() {
  const auto progress = [this](std::uint64_t folded, std::uint64_t last) {
    notifier_.Send(fmt::format("EXTEND_TIMEOUT_USEC=60000000\nSTATUS=folding the log, event {} of {}", folded, last));
  };
  LearnerLoopOptions options;
  options.checkpoint_events = config_.limits.checkpoint_events;
  options.checkpoint_seconds = config_.limits.checkpoint_seconds;
  options.typical_weights = config_.default_weights;
  auto created = LearnerLoop::Create(*store_, clock_, cell_, options, progress);
  if (!created.ok()) return StoreFailure(created.error());
  learner_ = std::move(created).value();
  return {};
}

Step App::StartLearning() {
  store::CommitQueueOptions options;
  options.capacity = config_.limits.commit_queue;
  queue_ = std::make_unique<store::CommitQueue>(
      *store_, clock_, options,
      store::CommitQueue::Hooks{[this](LogSeq last) { learner_->Wake(last); },
                                [this](const Error& error) {
                                  log::Failure("the store failed, nothing is acknowledged any more: {}", error.message);
                                  const std::uint64_t one = 1;
                                  if (write(fatal_, &one, sizeof(one)) != sizeof(one)) std::_Exit(74);
                                },
                                [this](const store::Request& request, const Error&) {
                                  const auto* made = std::get_if<policy::DecisionMade>(&request.what);
                                  if (made != nullptr) not_logged_.Add(made->context.decision);
                                }});
  learner_->Start(*queue_);
  mutations_ = std::make_unique<Mutations>(*store_, *queue_, *learner_, config_.limits.spare_bundles);
  for (const auto& apply : {ApplyConfig, ActivateFirstBundle}) {
    const Status applied = apply(config_, *learner_, *mutations_);
    if (applied.ok()) continue;
    const bool storage = applied.error().code == Code::kUnavailable || applied.error().code == Code::kDataLoss;
    return storage ? StoreFailure(applied.error()) : Failure{Exit::kConfig, applied.error().message};
  }
  return {};
}

Step App::StartServices() {
  mint_ = std::make_unique<store::TokenMint>(token_key_, store::TokenKey{}, boot_epoch_);
  PeerRules rules;
  rules.gold_uids.assign(config_.gold_uids.begin(), config_.gold_uids.end());
  rules.subject_uids.assign(config_.subject_uids.begin(), config_.subject_uids.end());
  rules.connections_max = config_.limits.connections;
  rules.connections_per_uid_max = config_.limits.connections_per_uid;
  context_.reset(new ServiceContext{.clock = clock_,
                                    .cell = cell_,
                                    .store = *store_,
                                    .queue = *queue_,
                                    .mint = *mint_,
                                    .subject_key = subject_key_,
                                    .metrics = metrics_,
                                    .not_logged = not_logged_,
                                    .rules = rules,
                                    .default_weights = config_.default_weights,
                                    .planned_gold = config_.planned_gold,
                                    .decision_ttl_us = std::int64_t{60'000'000} * config_.decision_ttl_minutes});
  dispatcher_ = std::make_unique<ServiceDispatcher>(*context_, *learner_);
  rollout_ = std::make_unique<RolloutWatch>(*store_, *learner_, *mutations_);
  jobs_ = std::make_unique<JobRunner>(JobRunnerOptions{.work_directory = config_.store_directory + "/job",
                                                       .plans_directory = config_.store_directory + "/plans"},
                                      clock_, *store_, cell_, *mutations_);
  refitter_ = std::make_unique<Refitter>(
      RefitterOptions{.work_directory = config_.store_directory + "/refit", .every = config_.refit_every}, clock_,
      *store_, cell_, *mutations_);
  TransportOptions options;
  options.socket_path = config_.route_socket;
  options.socket_group = config_.group;
  options.inherited_fd = inherited_.Take("route");
  options.loops = config_.limits.io_threads;
  options.peers = rules;
  auto started = Transport::Start(options, *dispatcher_, clock_);
  if (!started.ok()) return SocketFailure(started.error());
  transport_ = std::move(started).value();
  context_->gate.store(&transport_->peers(), std::memory_order_release);
  return {};
}

Step App::StartHttp() {
  ports_ = std::make_unique<AdminPorts>(*context_, *dispatcher_, *learner_, *mutations_, *jobs_, *refitter_, *rollout_,
                                        transport_->statistics());
  const auto group = GroupByName(config_.group);
  if (!group.ok()) return Failure{Exit::kConfig, "sockets.group: " + group.error().message};
  for (const bool is_admin : {false, true}) {
    const std::string& path = is_admin ? config_.admin_socket : config_.api_socket;
    admin::HttpOptions options;
    options.inherited_fd = inherited_.Take(is_admin ? "admin" : "api");
    if (path.empty() && options.inherited_fd < 0) continue;
    options.socket_path = path;
    if (!is_admin) options.group = group.value();
    auto server = admin::HttpServer::Start(options, *ports_, is_admin ? admin::Role::kAdmin : admin::Role::kApi);
    if (!server.ok()) return SocketFailure(server.error());
    (is_admin ? admin_ : api_) = std::move(server).value();
  }
  return StartLoopback();
}

// The port of the configuration, or one that systemd listens on already.
Step App::StartLoopback() {
  admin::HttpOptions options;
  options.inherited_fd = inherited_.Take("http");
  if (config_.loopback_port == 0 && options.inherited_fd < 0) return {};
  options.loopback_port = config_.loopback_port;
  auto token = ReadTokenFile(config_.token_file);
  if (!token.ok()) return Failure{Exit::kConfig, "http.token_file: " + token.error().message};
  options.bearer_token = std::move(token).value();
  auto server = admin::HttpServer::Start(options, *ports_, admin::Role::kApi);
  if (!server.ok()) return SocketFailure(server.error());
  loopback_ = std::move(server).value();
  return {};
}

Status App::SelfCheck() {
  const Status answers = PingSocket(config_.route_socket, 5'000);
  if (!answers.ok()) return answers;
  policy::Query query;
  const auto decided = policy::Decide(*cell_.Load()->snapshot, query);
  if (!decided.ok() && decided.error().reason != "empty_pool") return decided.error();
  return queue_->RunExclusive([](store::Store&) { return Status(); });
}

void App::Reload() {
  log::Info("reading {} again", config_path_);
  auto reloaded = LoadConfig(config_path_);
  if (!reloaded.ok()) {
    log::Failure("the configuration is wrong, the running one stays:\n{}", reloaded.error().message);
    return;
  }
  const std::vector<std::string> changes = ConfigChanges(last_read_, reloaded.value());
  for (const std::string& change : changes) log::Info("changed: {}", log::Escape(change));
  if (changes.empty()) log::Info("nothing has changed in it");
  last_read_ = reloaded.value();
  for (const std::string& key : NeedsRestart(config_, reloaded.value())) {
    log::Warning("{} has changed; it needs a restart", key);
  }
  const Status applied = ApplyConfig(reloaded.value(), *learner_, *mutations_);
  if (!applied.ok()) log::Failure("the configuration was not applied: {}", applied.error().message);
}

// Until a signal or a failure of the store. Once a minute what the threads' heaps do not need
// goes back to the system: each would else keep the most that it ever needed.
Exit App::Serve() {
  constexpr int kTrimEveryMs = 60'000;
  while (true) {
    std::array<pollfd, 2> polled{{{signals_, POLLIN, 0}, {fatal_, POLLIN, 0}}};
    const int ready = poll(polled.data(), polled.size(), kTrimEveryMs);
    if (ready < 0 && errno != EINTR) return Exit::kOsResource;
    if (ready == 0) ::malloc_trim(0);
    if (polled[1].revents != 0) return Exit::kIo;
    bool reload = false;
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo != SIGHUP) return Exit::kOk;
      reload = true;  // a storm of them is one
    }
    if (reload) Reload();
  }
}

Exit App::Drain() {
  notifier_.Send("STOPPING=1\nSTATUS=draining");
  log::Info("stopping");
  // From here on a second signal ends the process by its default action.
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  const sigset_t handled = HandledSignals();
  std::signal(SIGHUP, SIG_IGN);
  pthread_sigmask(SIG_UNBLOCK, &handled, nullptr);

  context_->stopping = true;
  watchdog_.reset();
  jobs_->Stop();
  refitter_->Stop();
  rollout_->Stop();
  transport_->Stop(kDrainMs);
  dispatcher_->Stop();
  context_->gate = nullptr;
  queue_->Stop();
  const Status checkpoint = learner_->Stop();
  if (!checkpoint.ok()) {
    log::Warning("no last checkpoint, the next start folds more of the log: {}", checkpoint.error().message);
  }
  for (auto* server : {&api_, &admin_, &loopback_}) {
    if (*server != nullptr) (*server)->Stop();
  }
  log::Info("stopped");
  return Exit::kOk;
}

int App::Run() {
  using Starter = Step (App::*)();
  for (const Starter step : {&App::PrepareSignals, &App::ReadConfig, &App::OpenStore, &App::Replay, &App::StartLearning,
                             &App::StartServices, &App::StartHttp}) {
    const Step failed = (this->*step)();
    if (!failed) continue;
    log::Failure("cannot start: {}", failed->message);
    notifier_.Send(fmt::format("STOPPING=1\nSTATUS=cannot start (exit {})", static_cast<int>(failed->exit)));
    if (transport_ != nullptr) transport_->Stop(0);
    if (queue_ != nullptr) queue_->Stop();
    return static_cast<int>(failed->exit);
  }
  watchdog_ = std::make_unique<Watchdog>(notifier_, [this] { return SelfCheck(); });
  notifier_.Send("READY=1\nSTATUS=serving");
  log::Info("pointsmand {} serves on {}", kVersion, config_.route_socket);
  const Exit end = Serve();
  if (end != Exit::kOk) {
    // The store is in an unknown state: closing it could write or wait.
    notifier_.Send("STOPPING=1\nSTATUS=the store failed");
    transport_->Stop(100);
    std::_Exit(static_cast<int>(end));
  }
  return static_cast<int>(Drain());
}

}  // namespace

int RunDaemon(const std::string& config_path) {
  // Protobuf would write a line to stderr for every bad text of a client.
  google::protobuf::SetLogHandler(nullptr);
  umask(0077);
  try {
    App app(config_path);
    return app.Run();
  } catch (const std::bad_alloc&) {
    log::Failure("out of memory");
    return static_cast<int>(Exit::kOsResource);
  } catch (const std::system_error& fault) {
    log::Failure("the system refused a resource: {}", fault.what());
    return static_cast<int>(Exit::kOsResource);
  } catch (const std::exception& fault) {
    log::Failure("unexpected: {}", fault.what());
    return static_cast<int>(Exit::kOurBug);
  }
}

int CheckConfig(const std::string& config_path) {
  const auto config = LoadConfig(config_path);
  if (config.ok()) {
    std::printf("%s: no faults\n", config_path.c_str());
    return static_cast<int>(Exit::kOk);
  }
  std::fprintf(stderr, "%s\n", config.error().message.c_str());
  return static_cast<int>(Exit::kConfig);
}

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
  job->add_option("--table", options.table_path, "table of outcomes, JSON lines, plain or gzip");
  job->add_option("--plan", options.plan_path, "plan to carry out (TOML), instead of a table");
  job->add_option("--refit", options.refit_path, "rows of feedback to fit a source's bias on, instead of a table");
  job->add_option("--learner", options.learner, "of a re-fit: r or dr")->capture_default_str();
  job->add_option("--base", options.base, "of a re-fit: ridge or forest")->capture_default_str();
  job->add_option("--work", options.work_directory, "folder of the call logs of plans");
  job->add_flag("--estimate", options.estimate, "print what the plan would ask for as JSON, and end");
  job->add_option("--out", options.out_path, "bundle file to write");
  job->add_option("--labels", options.labels, "consensus (no labels needed) or scores")->capture_default_str();
  job->add_option("--method", options.method, "of the clusters: shared, scaled or cascal")->capture_default_str();
  job->add_option("--filter", options.filter, "none, plurality, above-chance, not-by-chance or junk")
      ->capture_default_str();
  job->add_option("--recogniser", options.recogniser, "of task types: linear or dual")->capture_default_str();
  job->add_option("--clusters", options.clusters_max, "most clusters to make")->capture_default_str();
  job->add_option("--seed", options.seed, "same seed, same bytes")->capture_default_str();
  job->add_option("--embedder", options.embedder, "lsa, static:FILE or http:URL|MODEL|KEY_ENV")->capture_default_str();
  job->add_option("--keep-embedder-of", options.keep_embedder_of, "bundle file whose embedder is kept");
  job->add_option("--bridge-from", options.bridge_from, "bundle file whose anchors get images in the new embedding");
  job->add_option("--parent", options.parent, "end with this process");
  app.footer("Example: pointsmand --config /etc/pointsman/pointsman.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    const int code = app.CLI::App::exit(fault);
    return EndAction{code == 0 ? 0 : static_cast<int>(Exit::kUsage)};
  }
  if (job->parsed()) {
    const bool one = options.table_path.empty() != options.plan_path.empty();
    if (!options.refit_path.empty()) return JobAction{options};
    const bool whole = options.estimate ||
                       (!options.out_path.empty() && (options.plan_path.empty() || !options.work_directory.empty()));
    if (one && whole) return JobAction{options};
    std::fprintf(stderr, "pointsmand job: give --table or --plan, and --out; with --plan also --work\n");
    return EndAction{static_cast<int>(Exit::kUsage)};
  }
  if (check->parsed()) return CheckAction{config_path};
  return RunAction{config_path};
}

}  // namespace pointsman::daemon
