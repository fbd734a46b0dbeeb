#include "daemon/job_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "daemon/hex.h"
#include "daemon/job.h"
#include "store/bundle_file.h"

extern char** environ;

namespace pointsman::daemon {
namespace {

constexpr std::size_t kLineBytesMax = 4096;

// The read ends of a job's stdout and stderr, and its process.
struct Child {
  pid_t pid = -1;
  int out = -1;
  int err = -1;

  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (out >= 0) close(out);
    if (err >= 0) close(err);
  }
};

Error SystemError(std::string_view what, int code) {
  return MakeError(Code::kUnavailable, "job_start", fmt::format("{}: {}", what, std::generic_category().message(code)));
}

Status Spawn(const std::string& program, const std::vector<std::string>& arguments, Child* child) {
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> err{-1, -1};
  if (pipe2(out.data(), O_CLOEXEC) != 0) return SystemError("no pipe for the job", errno);
  child->out = out[0];
  if (pipe2(err.data(), O_CLOEXEC) != 0) {
    const int fault = errno;
    close(out[1]);
    return SystemError("no pipe for the job", fault);
  }
  child->err = err[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&defaults, number);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int failed = posix_spawn(&child->pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(out[1]);
  close(err[1]);
  if (failed != 0) {
    child->pid = -1;
    return SystemError("the job process cannot be started", failed);
  }
  return {};
}

// Cuts bytes into lines; a longer line is cut at kLineBytesMax.
class Lines {
 public:
  template <typename Take>
  void Feed(std::string_view bytes, const Take& take) {
    for (const char c : bytes) {
      if (c == '\n') {
        take(line_);
        line_.clear();
      } else if (line_.size() < kLineBytesMax) {
        line_ += c;
      }
    }
  }

 private:
  std::string line_;
};

}  // namespace

struct JobRunner::Impl {
  Impl(const JobRunnerOptions& options_in, const Clock& clock_in, SnapshotCell& cell_in, Mutations& mutations_in)
      : options(options_in), clock(clock_in), cell(cell_in), mutations(mutations_in) {}

  const JobRunnerOptions options;
  const Clock& clock;
  SnapshotCell& cell;
  Mutations& mutations;

  mutable std::mutex mutex;
  admin::BootstrapReport report{.state = "none",
                                .stage = "",
                                .progress = 0,
                                .message = "",
                                .bundle = "",
                                .generation = 0,
                                .started_at_us = 0,
                                .ended_at_us = 0};
  bool stopping = false;
  std::atomic<bool> cancel{false};
  std::thread thread;

  void Run(std::uint32_t uid, const admin::BootstrapRequest& request);
  Status Work(std::uint32_t uid, const admin::BootstrapRequest& request);
  Status RunProcess(const std::vector<std::string>& arguments);
  Status Watch(Child& child);
  void Show(const JobProgress& progress);
  std::string InWork(std::string_view name) const { return fmt::format("{}/{}", options.work_directory, name); }
};

void JobRunner::Impl::Show(const JobProgress& progress) {
  const std::lock_guard lock(mutex);
  report.stage = progress.stage;
  report.progress = progress.total == 0 ? 0 : static_cast<double>(progress.done) / static_cast<double>(progress.total);
  if (!progress.message.empty()) report.message = progress.message;
}

// Reads until the process has closed both pipes, then takes its end.
Status JobRunner::Impl::Watch(Child& child) {
  Lines out;
  Lines err;
  std::string last_complaint;
  std::int64_t asked_nanos = 0;
  bool open_out = true;
  bool open_err = true;
  std::array<char, 4096> buffer{};
  const auto drain = [&](int descriptor, bool* open, const auto& feed) {
    const ssize_t got = read(descriptor, buffer.data(), buffer.size());
    if (got > 0) {
      feed(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    } else if (got == 0 || errno != EINTR) {
      *open = false;
    }
  };
  while (open_out || open_err) {
    std::array<pollfd, 2> polled{{{open_out ? child.out : -1, POLLIN, 0}, {open_err ? child.err : -1, POLLIN, 0}}};
    poll(polled.data(), polled.size(), 100);
    if (polled[0].revents != 0) {
      drain(child.out, &open_out, [&](std::string_view bytes) {
        out.Feed(bytes, [&](const std::string& line) {
          const auto progress = ParseProgressLine(line);
          if (progress) Show(*progress);
        });
      });
    }
    if (polled[1].revents != 0) {
      drain(child.err, &open_err,
            [&](std::string_view bytes) { err.Feed(bytes, [&](const std::string& line) { last_complaint = line; }); });
    }
    if (!cancel.load()) continue;
    const std::int64_t now = clock.MonotonicNanos();
    if (asked_nanos == 0) {
      kill(child.pid, SIGTERM);
      asked_nanos = now;
    } else if (now - asked_nanos > static_cast<std::int64_t>(options.kill_after_ms) * 1'000'000) {
      kill(child.pid, SIGKILL);
    }
  }
  int state = 0;
  while (waitpid(child.pid, &state, 0) < 0 && errno == EINTR) {
  }
  if (cancel.load()) return MakeError(Code::kUnavailable, "cancelled", "cancelled");
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
  const std::string end =
      WIFEXITED(state) ? fmt::format("exit code {}", WEXITSTATUS(state)) : fmt::format("signal {}", WTERMSIG(state));
  return MakeError(Code::kFailedPrecondition, "job_failed",
                   fmt::format("the job ended with {}: {}", end,
                               log::Escape(last_complaint).empty() ? "it gave no reason" : last_complaint));
}

Status JobRunner::Impl::RunProcess(const std::vector<std::string>& arguments) {
  Child child;
  const Status started = Spawn(options.program, arguments, &child);
  if (!started.ok()) return started;
  return Watch(child);
}

Status JobRunner::Impl::Work(std::uint32_t uid, const admin::BootstrapRequest& request) {
  namespace fs = std::filesystem;
  std::error_code fault;
  fs::remove_all(options.work_directory, fault);
  fs::create_directories(options.work_directory, fault);
  if (fault) return SystemError("the job's directory " + options.work_directory, fault.value());
  fs::permissions(options.work_directory, fs::perms::owner_all, fault);

  const std::string out_path = InWork("out.bundle");
  std::vector<std::string> arguments{"pointsmand", "job",
                                     "--table",    request.table_path,
                                     "--labels",   request.labels,
                                     "--clusters", std::to_string(request.clusters_max),
                                     "--seed",     std::to_string(request.seed),
                                     "--out",      out_path,
                                     "--parent",   std::to_string(getpid())};
  const auto view = cell.Load();
  if (!request.refit_embedder && view->snapshot->generation.value > 0) {
    policy::Bundle live = *view->snapshot->bundle;
    const std::string keep_path = InWork("live.bundle");
    const Status kept = store::WriteBundleFile(keep_path, live);
    if (!kept.ok()) return kept;
    arguments.insert(arguments.end(), {"--keep-embedder-of", keep_path});
  }
  const Status ran = RunProcess(arguments);
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
  if (!request.activate) return {};
  Show({"activate", 0, 1, ""});
  const auto generation =
      mutations.Activate({policy::Origin::kOperator, uid}, bundle->hash, "bootstrap", request.refit_embedder);
  if (!generation.ok()) return generation.error();
  const std::lock_guard lock(mutex);
  report.generation = generation->value;
  return {};
}

void JobRunner::Impl::Run(std::uint32_t uid, const admin::BootstrapRequest& request) {
  Status ended;
  try {
    ended = Work(uid, request);
  } catch (const std::exception& exception) {
    ended = MakeError(Code::kInternal, "job_exception", exception.what());
  }
  std::error_code ignored;
  std::filesystem::remove_all(options.work_directory, ignored);
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

JobRunner::JobRunner(const JobRunnerOptions& options, const Clock& clock, SnapshotCell& cell, Mutations& mutations)
    : impl_(std::make_unique<Impl>(options, clock, cell, mutations)) {}

JobRunner::~JobRunner() { Stop(); }

Result<admin::BootstrapReport> JobRunner::Start(std::uint32_t uid, const admin::BootstrapRequest& request) {
  if (request.labels != "consensus" && request.labels != "scores") {
    return MakeError(Code::kInvalidArgument, "labels", "labels must be consensus or scores");
  }
  constexpr std::uint32_t kClustersMax = 2000;
  if (request.clusters_max < 1 || request.clusters_max > kClustersMax) {
    return MakeError(Code::kInvalidArgument, "clusters", fmt::format("clusters must be from 1 to {}", kClustersMax));
  }
  if (request.table_path.empty() || request.table_path.front() != '/') {
    return MakeError(Code::kInvalidArgument, "table_path", "give the table's absolute path");
  }
  if (access(request.table_path.c_str(), R_OK) != 0) {
    return MakeError(Code::kNotFound, "table_path",
                     fmt::format("the daemon cannot read {}: {}", log::Escape(request.table_path),
                                 std::generic_category().message(errno)));
  }
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
