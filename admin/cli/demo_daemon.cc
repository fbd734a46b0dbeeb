#include "admin/cli/demo_daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "store/bundle_file.h"

namespace pointsman::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kReadySeconds = 120;

// A TOML basic string.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string Configuration(const DemoSetup& setup, const std::string& folder) {
  std::ostringstream toml;
  toml << "[store]\ndirectory = " << Quoted(folder + "/store") << "\n[sockets]\nroute = "
       << Quoted(folder + "/route.sock") << "\napi = " << Quoted(folder + "/api.sock") << "\nadmin = "
       << Quoted(folder + "/admin.sock") << "\n[routing]\npreset = \"quality\"\nbundle = " << Quoted(folder + "/bundle")
       << "\n[learning]\ngold_rate = " << setup.gold_rate << "\nsources = [";
  for (const std::string& source : setup.sources) toml << Quoted(source) << ",";
  toml << "]\n";
  for (const DemoModel& model : setup.models) {
    toml << "[[models]]\nname = " << Quoted(model.name)
         << "\ninput_usd_per_million = " << model.price.input_usd_per_million
         << "\noutput_usd_per_million = " << model.price.output_usd_per_million << "\n";
  }
  return toml.str();
}

// A datagram socket on which the daemon says READY=1, as it would to systemd.
int OpenNotifySocket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    ::close(fd);
    return -1;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ::unlink(path.c_str());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

std::string LastLines(const std::string& path, std::size_t count) {
  std::ifstream in(path);
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() > count) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

[[noreturn]] void Become(const std::string& program, const std::string& folder, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  // Ctrl-C is for this program; the daemon is told by it.
  ::setpgid(0, 0);
  const std::string log = folder + "/daemon.log";
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (out >= 0) {
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
  }
  ::setenv("NOTIFY_SOCKET", (folder + "/notify").c_str(), 1);
  const std::string config = folder + "/pointsman.toml";
  const std::string flag = "--config";
  const std::array<char*, 4> arguments = {const_cast<char*>(program.c_str()), const_cast<char*>(flag.c_str()),
                                          const_cast<char*>(config.c_str()), nullptr};
  ::execv(program.c_str(), arguments.data());
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<DemoDaemon>> DemoDaemon::Start(const DemoSetup& setup, policy::Bundle& bundle,
                                                      const Clock& clock) {
  std::unique_ptr<DemoDaemon> daemon(new DemoDaemon(clock));
  std::error_code ignored;
  std::string pattern = (fs::temp_directory_path(ignored) / "pointsmanXXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return MakeError(Code::kUnavailable, "temporary_folder", "cannot make " + pattern + ": " + std::strerror(errno));
  }
  daemon->folder_ = pattern;
  if (Status written = store::WriteBundleFile(pattern + "/bundle", bundle); !written.ok()) return written.error();
  std::ofstream config(pattern + "/pointsman.toml");
  config << Configuration(setup, pattern);
  config.close();
  if (!config) return MakeError(Code::kUnavailable, "configuration", "cannot write " + pattern + "/pointsman.toml");
  if (Status spawned = daemon->Spawn(); !spawned.ok()) return spawned.error();
  return daemon;
}

DemoDaemon::~DemoDaemon() {
  if (process_ > 0 && !Terminate().ok()) Kill();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Status DemoDaemon::Spawn() {
  std::error_code failed;
  const fs::path self = fs::read_symlink("/proc/self/exe", failed);
  const std::string program = (self.parent_path() / "pointsmand").string();
  if (failed || ::access(program.c_str(), X_OK) != 0) {
    return MakeError(Code::kNotFound, "daemon_program", "cannot run " + program + "; it belongs beside this program");
  }
  const int notify = OpenNotifySocket(folder_ + "/notify");
  if (notify < 0) {
    return MakeError(Code::kUnavailable, "notify_socket",
                     "cannot listen in " + folder_ + ": " + std::strerror(errno) + "; is TMPDIR too long?");
  }
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) Become(program, folder_, parent);
  if (child < 0) {
    ::close(notify);
    return MakeError(Code::kUnavailable, "fork", std::string("cannot start a process: ") + std::strerror(errno));
  }
  process_ = child;
  const Status ready = WaitReady(notify);
  ::close(notify);
  return ready;
}

Status DemoDaemon::WaitReady(int notify_fd) {
  const std::int64_t deadline = clock_.MonotonicNanos() + kReadySeconds * 1'000'000'000;
  while (clock_.MonotonicNanos() < deadline) {
    pollfd wait{notify_fd, POLLIN, 0};
    if (::poll(&wait, 1, 100) > 0) {
      std::array<char, 512> message{};
      const ssize_t bytes = ::recv(notify_fd, message.data(), message.size() - 1, 0);
      if (bytes > 0 && std::string_view(message.data()).find("READY=1") != std::string_view::npos) return {};
      continue;
    }
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) {
      process_ = -1;
      return NotReady("the daemon ended at its start");
    }
  }
  return NotReady("the daemon was not ready after " + std::to_string(kReadySeconds) + " s");
}

Error DemoDaemon::NotReady(const std::string& what) const {
  return MakeError(Code::kUnavailable, "daemon_not_ready", what + "; its log ends:" + LastLines(folder_ + "/daemon.log", 8));
}

void DemoDaemon::Kill() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

Status DemoDaemon::Terminate() {
  if (process_ <= 0) return {};
  ::kill(process_, SIGTERM);
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return MakeError(Code::kInternal, "daemon_stop",
                   "the daemon did not stop cleanly; its log ends:" + LastLines(folder_ + "/daemon.log", 8));
}

Status DemoDaemon::Restart() {
  REQUIRE(process_ <= 0, "Restart after Kill or Terminate");
  return Spawn();
}

}  // namespace pointsman::cli
