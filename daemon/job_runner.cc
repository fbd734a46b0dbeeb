#include "daemon/job_runner.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/log.h"
#include "base/this_thread.h"
#include "bootstrap/job/build_choices.h"
#include "daemon/hex.h"
#include "daemon/job.h"
#include "daemon/job_gate.h"
#include "daemon/job_process.h"
#include "store/bundle_file.h"

namespace pointsman::daemon {
namespace {

constexpr int kGateNice = 10;

Error SystemError(std::string_view what, int code) {
  return MakeError(Code::kUnavailable, "job_start", fmt::format("{}: {}", what, std::generic_category().message(code)));
}

Status Readable(const char* field, const std::string& path) {
  if (path.empty() || path.front() != '/') {
    return MakeError(Code::kInvalidArgument, field, std::string(field) + ": give an absolute path");
  }
  if (access(path.c_str(), R_OK) == 0) return {};
  return MakeError(Code::kNotFound, field,
                   fmt::format("{}: the daemon cannot read {}: {}", field, log::Escape(path),
                               std::generic_category().message(errno)));
}

}  // namespace

struct JobRunner::Impl {
  Impl(const JobRunnerOptions& options_in, const Clock& clock_in, const store::Store& store_in, SnapshotCell& cell_in,
       Mutations& mutations_in)
      : options(options_in), clock(clock_in), store(store_in), cell(cell_in), mutations(mutations_in) {}

  const JobRunnerOptions options;
  const Clock& clock;
  const store::Store& store;
  SnapshotCell& cell;
  Mutations& mutations;

  mutable std::mutex mutex;
  admin::BootstrapReport report{
      .state = "none", .stage = "", .progress = 0, .message = "", .bundle = "", .generation = 0, .gate = ""};
  bool stopping = false;
  std::atomic<bool> cancel{false};
  std::thread thread;

  void Run(std::uint32_t uid, const admin::BootstrapRequest& request);
  Status Work(std::uint32_t uid, const admin::BootstrapRequest& request);
  Status Judge(std::uint32_t uid, const admin::BootstrapRequest& request, const BundleHash& hash);
  std::vector<std::string> Arguments(const admin::BootstrapRequest& request, const std::string& out_path) const;
  void Show(const JobProgress& progress);
  std::string InWork(std::string_view name) const { return fmt::format("{}/{}", options.work_directory, name); }
};

void JobRunner::Impl::Show(const JobProgress& progress) {
  const std::lock_guard lock(mutex);
  report.stage = progress.stage;
  report.progress = progress.total == 0 ? 0 : static_cast<double>(progress.done) / static_cast<double>(progress.total);
  if (!progress.message.empty()) report.message = progress.message;
  if (progress.asked + progress.reused == 0) return;
  report.cost_usd = progress.cost_usd;
  report.asked = progress.asked;
  report.reused = progress.reused;
}

std::vector<std::string> JobRunner::Impl::Arguments(const admin::BootstrapRequest& request,
                                                    const std::string& out_path) const {
  std::vector<std::string> arguments{"pointsmand",   "job",
                                     "--labels",     request.labels,
                                     "--method",     request.method,
                                     "--filter",     request.filter,
                                     "--recogniser", request.recogniser,
                                     "--clusters",   std::to_string(request.clusters_max),
                                     "--seed",       std::to_string(request.seed),
                                     "--embedder",   request.embedder,
                                     "--out",        out_path,
                                     "--parent",     std::to_string(getpid())};
  if (request.plan_path.empty()) {
    arguments.insert(arguments.end(), {"--table", request.table_path});
  } else {
    arguments.insert(arguments.end(), {"--plan", request.plan_path, "--work", options.plans_directory});
  }
  return arguments;
}

Status JobRunner::Impl::Work(std::uint32_t uid, const admin::BootstrapRequest& request) {
  namespace fs = std::filesystem;
  std::error_code fault;
  fs::remove_all(options.work_directory, fault);
  fs::create_directories(options.work_directory, fault);
  if (fault) return SystemError("the job's directory " + options.work_directory, fault.value());
  fs::permissions(options.work_directory, fs::perms::owner_all, fault);

  const std::string out_path = InWork("out.bundle");
  std::vector<std::string> arguments = Arguments(request, out_path);
  const auto view = cell.Load();
  if (view->snapshot->generation.value > 0) {
    policy::Bundle live = *view->snapshot->bundle;
    const std::string live_path = InWork("live.bundle");
    const Status written = store::WriteBundleFile(live_path, live);
    if (!written.ok()) return written;
    arguments.insert(arguments.end(), {request.refit_embedder ? "--bridge-from" : "--keep-embedder-of", live_path});
  }
  const Status ran = RunJobProcess({options.program, options.kill_after_ms}, clock, arguments, cancel,
                                   [this](const std::string& line) {
                                     const auto progress = ParseProgressLine(line);
                                     if (progress) Show(*progress);
                                   });
  if (!ran.ok()) return ran;

  Show({"store", 0, 1, ""});
  const auto bundle = store::ReadBundleFile(out_path);
  if (!bundle.ok()) return bundle.error();
  const Status stored = mutations.PutBundle(bundle.value());
  if (!stored.ok()) return stored;
  {
    const std::lock_guard lock(mutex);
    report.bundle = Hex(bundle->hash.bytes);
  }
  const Status judged = Judge(uid, request, bundle->hash);
  if (!judged.ok()) return judged;
  if (!request.activate) return {};
  Show({"activate", 0, 1, ""});
  const auto generation =
      mutations.Activate({policy::Origin::kOperator, uid}, bundle->hash, "bootstrap", request.refit_embedder);
  if (!generation.ok()) return generation.error();
  const std::lock_guard lock(mutex);
  report.generation = generation->value;
  return {};
}

// The verdict is noted whatever it is; a refused bundle stays stored, and may be
// activated by its hash.
Status JobRunner::Impl::Judge(std::uint32_t uid, const admin::BootstrapRequest& request, const BundleHash& hash) {
  Show({"gate", 0, 1, ""});
  // Folding the whole log takes a processor for seconds: routes go first. The thread
  // ends with the job.
  YieldProcessorsToOthers(kGateNice);
  const auto verdict = JudgeBundle(store, hash);
  if (!verdict.ok()) return verdict.error();
  FAULT_POINT("daemon.gate.judged");
  const bool overruled = verdict->refused() && request.force;
  const std::string text =
      fmt::format("bundle {}: {}{}", Hex(hash.bytes).substr(0, 12), verdict->Text(), overruled ? "; forced" : "");
  const Status noted = mutations.Note({policy::Origin::kOperator, uid}, text);
  if (!noted.ok()) return noted;
  {
    const std::lock_guard lock(mutex);
    report.gate = verdict->Text();
  }
  if (!verdict->refused() || request.force) return {};
  return MakeError(Code::kFailedPrecondition, "gate_refused",
                   verdict->Text() + "; the live generation stays. --force activates it all the same");
}

void JobRunner::Impl::Run(std::uint32_t uid, const admin::BootstrapRequest& request) {
  NameThisThread("job");
  Status ended;
  try {
    ended = Work(uid, request);
  } catch (const std::exception& exception) {
    ended = MakeError(Code::kInternal, "job_exception", exception.what());
  }
  std::error_code ignored;
  std::filesystem::remove_all(options.work_directory, ignored);
  // Judging and folding the history leave memory of their size behind, in pools that the
  // next job does not find again: without this each one makes the process larger.
  ::malloc_trim(0);
  const std::lock_guard lock(mutex);
  report.ended_at_us = clock.WallMicros();
  if (ended.ok()) {
    report.state = "done";
    report.progress = 1;
    log::Info("bootstrap done: bundle {}, generation {}", report.bundle, report.generation);
  } else {
    report.state = cancel.load() ? "cancelled" : "failed";
    report.message = ended.error().message;
    log::Warning("bootstrap {}: {}", report.state, report.message);
  }
}

JobRunner::JobRunner(const JobRunnerOptions& options, const Clock& clock, const store::Store& store, SnapshotCell& cell,
                     Mutations& mutations)
    : impl_(std::make_unique<Impl>(options, clock, store, cell, mutations)) {}

JobRunner::~JobRunner() { Stop(); }

Result<admin::BootstrapReport> JobRunner::Start(std::uint32_t uid, const admin::BootstrapRequest& request) {
  if (request.labels != "consensus" && request.labels != "scores") {
    return MakeError(Code::kInvalidArgument, "labels", "labels must be consensus or scores");
  }
  const auto choices = bootstrap::ChoicesFromNames(request.method, request.filter, request.recogniser);
  if (!choices.ok()) return choices.error();
  constexpr std::uint32_t kClustersMax = 2000;
  if (request.clusters_max < 1 || request.clusters_max > kClustersMax) {
    return MakeError(Code::kInvalidArgument, "clusters", fmt::format("clusters must be from 1 to {}", kClustersMax));
  }
  const bool planned = !request.plan_path.empty();
  if (planned && !request.table_path.empty()) {
    return MakeError(Code::kInvalidArgument, "plan_path", "give a table or a plan, not both");
  }
  const Status readable =
      Readable(planned ? "plan_path" : "table_path", planned ? request.plan_path : request.table_path);
  if (!readable.ok()) return readable.error();
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stopping) return MakeError(Code::kUnavailable, "shutting_down", "the daemon is shutting down");
  if (impl_->report.state == "running") {
    return MakeError(Code::kBusy, "bootstrap_running", "a bootstrap runs already; wait for it or cancel it");
  }
  if (impl_->thread.joinable()) impl_->thread.join();  // it has ended: the state says so
  impl_->cancel = false;
  impl_->report = {};
  impl_->report.state = "running";
  impl_->report.stage = "start";
  impl_->report.started_at_us = impl_->clock.WallMicros();
  try {
    impl_->thread = std::thread([impl = impl_.get(), uid, request] { impl->Run(uid, request); });
  } catch (const std::system_error& fault) {
    impl_->report.state = "failed";
    impl_->report.message = fault.what();
    return MakeError(Code::kResourceExhausted, "no_thread", "the system gives no thread for the job");
  }
  return impl_->report;
}

admin::BootstrapReport JobRunner::Report() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->report;
}

Result<std::string> JobRunner::Estimate(const std::string& plan_path) {
  const Status readable = Readable("plan_path", plan_path);
  if (!readable.ok()) return readable.error();
  std::string answer;
  const std::atomic<bool> never{false};
  const Status ran =
      RunJobProcess({impl_->options.program, impl_->options.kill_after_ms}, impl_->clock,
                    {"pointsmand", "job", "--estimate", "--plan", plan_path, "--parent", std::to_string(getpid())},
                    never, [&](const std::string& line) { answer = line; });
  if (!ran.ok()) return ran.error();
  return answer;
}

Result<admin::BootstrapReport> JobRunner::Cancel() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->report.state != "running") {
    return MakeError(Code::kFailedPrecondition, "no_bootstrap", "no bootstrap is running");
  }
  impl_->cancel = true;
  return impl_->report;
}

void JobRunner::Stop() {
  std::thread ended;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->cancel = true;
    ended.swap(impl_->thread);
  }
  if (ended.joinable()) ended.join();
}

}  // namespace pointsman::daemon
