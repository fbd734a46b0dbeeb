// A real pointsmand in a temporary directory, for tests.
// For one test's thread, but Connect: any.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/client.h"

extern char** environ;

namespace pointsman::testing {

// Far beyond what a loaded machine needs: a bootstrap runs at idle priority, under a sanitizer beside other tests too.
inline constexpr std::chrono::seconds kPatience{240};

// Looks for `reached` until patience ends.
inline bool Eventually(const std::function<bool()>& reached) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!reached()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

// A temporary directory with a short path, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmXXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string Binary() {
  const char* folder = std::getenv("POINTSMAN_BIN");
  return std::string(folder == nullptr ? "." : folder) + "/pointsmand";
}

inline std::string BasicConfig(const Folder& folder, std::string_view more = "") {
  return "[store]\ndirectory = \"" + folder.File("store") + "\"\n[sockets]\nroute = \"" + folder.File("r.sock") +
         "\"\napi = \"" + folder.File("h.sock") + "\"\nadmin = \"" + folder.File("a.sock") +
         "\"\n[learning]\nsources = [\"thumbs\", \"judge\"]\n" +
         "[[models]]\nname = \"small\"\ninput_usd_per_million = 0.1\noutput_usd_per_million = 0.4\n"
         "[[models]]\nname = \"large\"\ninput_usd_per_million = 2\noutput_usd_per_million = 8\n" +
         std::string(more);
}

// Starts on construction; SIGKILLs on destruction if it still runs.
class DaemonProcess {
 public:
  DaemonProcess(const Folder& folder, const std::string& config,
                const std::vector<std::pair<std::string, std::string>>& environment = {})
      : config_path_(folder.File("pointsman.toml")),
        notify_path_(folder.File("n.sock")),
        log_path_(folder.File("log")),
        route_path_(folder.File("r.sock")),
        admin_path_(folder.File("a.sock")) {
    std::ofstream(config_path_) << config;
    OpenNotify();
    std::vector<std::string> variables{"NOTIFY_SOCKET=" + notify_path_};
    for (char** v = environ; *v != nullptr; ++v) {
      const std::string_view one(*v);
      if (!one.starts_with("NOTIFY_SOCKET=") && !one.starts_with("WATCHDOG_")) variables.emplace_back(one);
    }
    for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
    std::vector<char*> envp;
    for (std::string& variable : variables) envp.push_back(variable.data());
    envp.push_back(nullptr);
    std::string binary = Binary();
    std::string flag = "--config";
    std::array<char*, 4> argv{binary.data(), flag.data(), config_path_.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    // Who reads this test's output must not wait for a daemon that outlives it.
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    if (posix_spawn(&pid_, binary.c_str(), &actions, nullptr, argv.data(), envp.data()) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~DaemonProcess() {
    Kill(SIGKILL);
    Wait();
    if (notify_ >= 0) close(notify_);
  }
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  // Until READY=1, or the process has ended.
  bool Ready() { return Notified("READY=1"); }
  // Until the daemon has told systemd `message`, or has ended without.
  bool Notified(std::string_view message_wanted) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      std::array<char, 512> message{};
      const ssize_t got = recv(notify_, message.data(), message.size(), 0);
      if (got > 0) notified_ += std::string(message.data(), static_cast<std::size_t>(got)) + "\n";
      if (notified_.find(message_wanted) != std::string::npos) return true;
      if (got < 0 && Ended()) return false;
    }
    return false;
  }
  void Kill(int signal) {
    if (pid_ > 0 && !status_) ::kill(pid_, signal);
  }
  bool Ended() {
    int status = 0;
    if (!status_ && pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return status_.has_value();
  }
  // Exit code; 128 + signal for a signal.
  int Wait() {
    int status = 0;
    if (!status_ && pid_ > 0 && waitpid(pid_, &status, 0) == pid_) status_ = status;
    if (!status_) return -1;
    return WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 128 + WTERMSIG(*status_);
  }
  client::Outcome<client::Client> Connect() const {
    client::Options options;
    options.socket_path = route_path_;
    options.timeout_ms = 120'000;
    return client::Client::Connect(options);
  }
  std::string Log() const {
    std::ifstream file(log_path_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  const std::string& admin_path() const { return admin_path_; }
  pid_t pid() const { return pid_; }

 private:
  void OpenNotify() {
    unlink(notify_path_.c_str());
    notify_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", notify_path_.c_str());
    if (bind(notify_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) throw std::runtime_error("bind");
    const timeval limit{0, 50'000};
    setsockopt(notify_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  std::string config_path_;
  std::string notify_path_;
  std::string log_path_;
  std::string route_path_;
  std::string admin_path_;
  std::string notified_;
  int notify_ = -1;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// Six topics, one model good at each half of them; quality seen in the answers.
inline void WriteTable(const std::string& path, int rows) {
  const std::array<std::string, 6> topics{"algebra equations polynomial", "python function loop bug",
                                          "roman history emperor senate", "protein cell biology enzyme",
                                          "contract law court appeal",    "recipe oven butter flour"};
  std::ofstream table(path);
  for (int i = 0; i < rows; ++i) {
    const int topic = i % 6;
    const bool first = topic < 3;
    table << "{\"id\":\"q" << i << "\",\"query\":\"question number " << i << " about " << topics[topic] << " item "
          << i % 17 << "\",\"task\":\"topic" << topic << "\",\"models\":{"
          << "\"small\":{\"score\":" << (first ? 0.9 : 0.2) << ",\"answer\":\"" << (first ? "A" : "B")
          << "\",\"tokens_out\":100},"
          << "\"large\":{\"score\":" << (first ? 0.3 : 0.8) << ",\"answer\":\"A\",\"tokens_out\":200},"
          << "\"third\":{\"score\":0.5,\"answer\":\"" << (i % 2 == 0 ? "A" : "B") << "\",\"tokens_out\":150}}}\n";
  }
}

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// One HTTP request over a Unix socket; status 0 when there is no answer.
inline HttpAnswer Http(const std::string& path, const std::string& method, const std::string& target,
                       const std::string& body = "") {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
  HttpAnswer answer;
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    if (method != "GET") {
      request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    }
    request += "\r\n" + body;
    std::string reply;
    if (send(descriptor, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      std::array<char, 65536> buffer{};
      ssize_t got = 0;
      while ((got = recv(descriptor, buffer.data(), buffer.size(), 0)) > 0) {
        reply.append(buffer.data(), static_cast<std::size_t>(got));
      }
    }
    if (reply.size() > 12) answer.status = std::atoi(reply.c_str() + 9);
    const std::size_t end = reply.find("\r\n\r\n");
    if (end != std::string::npos) answer.body = reply.substr(end + 4);
  }
  close(descriptor);
  return answer;
}

}  // namespace pointsman::testing
