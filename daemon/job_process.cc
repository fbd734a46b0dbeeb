#include "daemon/job_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>

#include "base/log.h"

extern char** environ;

namespace pointsman::daemon {
namespace {

constexpr std::size_t kLineBytesMax = 1U << 20;

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

// Reads until the process has closed both pipes, then takes its end.
Status Watch(Child& child, const JobProcessOptions& options, const Clock& clock, const std::atomic<bool>& cancel,
             const std::function<void(const std::string&)>& take) {
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
      drain(child.out, &open_out, [&](std::string_view bytes) { out.Feed(bytes, take); });
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

}  // namespace

Status RunJobProcess(const JobProcessOptions& options, const Clock& clock, const std::vector<std::string>& arguments,
                     const std::atomic<bool>& cancel, const std::function<void(const std::string&)>& take) {
  Child child;
  const Status started = Spawn(options.program, arguments, &child);
  if (!started.ok()) return started;
  return Watch(child, options, clock, cancel, take);
}

}  // namespace pointsman::daemon
