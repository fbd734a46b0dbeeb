#include "admin/cli/app_doctor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <vector>

#include "admin/cli/admin_call.h"
#include "admin/cli/http_client.h"
#include "admin/cli/operator_render.h"
#include "admin/cli/render.h"
#include "clients/cpp/client.h"
#include "daemon/config.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

enum class Verdict { kFine, kLook, kBroken };

struct Finding {
  Verdict verdict = Verdict::kFine;
  std::string what;
  std::string found;
  std::string advice;
};

class Doctor {
 public:
  Doctor(Context& context, std::string config_path) : context_(context), config_path_(std::move(config_path)) {}

  void Examine() {
    CheckConfig();
    CheckSocket("route socket", context_.route_socket, "client verbs and services need it");
    CheckSocket("admin socket", context_.admin_socket, "operator verbs need it; run this as root or as pointsmand");
    CheckRoute();
    CheckDisk();
    CheckPermissions();
    CheckClock();
    CheckDaemon();
  }
  Exit Report() const;

 private:
  void Add(Verdict verdict, std::string what, std::string found, std::string advice = "") {
    findings_.push_back({verdict, std::move(what), std::move(found), std::move(advice)});
  }
  void CheckConfig();
  void CheckSocket(const std::string& what, const std::string& path, const std::string& need);
  void CheckRoute();
  void CheckDisk();
  void CheckPermissions();
  void CheckClock();
  void CheckDaemon();
  void CheckEmbedder(const json& status);
  void CheckStore(const json& status);
  void CheckSilence(const json& status);

  Context& context_;
  const std::string config_path_;
  daemon::Config config_;
  std::vector<Finding> findings_;
};

void Doctor::CheckConfig() {
  const auto config = daemon::LoadConfig(config_path_);
  if (config.ok()) {
    config_ = config.value();
    return Add(Verdict::kFine, "configuration", config_path_ + " has no faults");
  }
  if (config.error().code == Code::kNotFound) {
    return Add(Verdict::kLook, "configuration", config_path_ + " cannot be read",
               "the daemon then runs with its defaults only if it was told so; give the file with --config");
  }
  Add(Verdict::kBroken, "configuration", config.error().message,
      "mend the lines named; then systemctl reload pointsmand");
}

void Doctor::CheckSocket(const std::string& what, const std::string& path, const std::string& need) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const bool hidden = errno == EACCES;
    return Add(Verdict::kBroken, what, path + ": " + std::strerror(errno),
               hidden ? "your user may not look there: join the group pointsmand-clients, or use sudo"
                      : "is the daemon running? systemctl status pointsmand; journalctl -u pointsmand");
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Add(Verdict::kBroken, what, path + " is not a socket", "remove it and restart the daemon");
  }
  if (::access(path.c_str(), W_OK) != 0) {
    return Add(Verdict::kBroken, what, path + ": you may not connect",
               need + "; for the route socket: adduser YOU pointsmand-clients, then log in again");
  }
  Add(Verdict::kFine, what, path);
}

void Doctor::CheckRoute() {
  auto client = client::Client::Connect({.socket_path = context_.route_socket});
  if (!client.ok()) {
    return Add(Verdict::kBroken, "a connection", client.failure().message,
               "start the daemon: systemctl start pointsmand");
  }
  const std::int64_t start = context_.clock.MonotonicNanos();
  const auto pong = client->Call(wire::Ping());
  const double micros = static_cast<double>(context_.clock.MonotonicNanos() - start) / 1e3;
  if (!pong.ok()) return Add(Verdict::kBroken, "a connection", pong.failure().message, "journalctl -u pointsmand");
  Add(Verdict::kFine, "a connection", "the daemon answers in " + Fixed(micros, 0) + " us");
}

void Doctor::CheckDisk() {
  struct statvfs space {};
  if (::statvfs(config_.store_directory.c_str(), &space) != 0) {
    return Add(Verdict::kLook, "disk", config_.store_directory + ": " + std::strerror(errno),
               errno == EACCES ? "run this as root to see the disk" : "the daemon makes the folder when it starts");
  }
  const double free_mib = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) / (1 << 20);
  const auto needed = static_cast<double>(config_.limits.free_space_min_mib);
  const std::string found = Fixed(free_mib, 0) + " MiB free at " + config_.store_directory;
  if (free_mib < needed) {
    return Add(Verdict::kBroken, "disk", found, "below limits.free_space_min_mib nothing is written: free some space");
  }
  if (free_mib < 8 * needed) return Add(Verdict::kLook, "disk", found, "soon too little: free some space");
  Add(Verdict::kFine, "disk", found);
}

// The store holds what users did and the keys of all tokens; the port's token opens the API.
void Doctor::CheckPermissions() {
  std::string seen;
  bool fine = true;
  const auto private_to_owner = [&](const std::string& path, mode_t forbidden, const std::string& advice) {
    struct stat status {};
    if (path.empty() || ::stat(path.c_str(), &status) != 0) return;  // the disk says that it is not there
    seen += (seen.empty() ? "" : ", ") + path;
    if ((status.st_mode & forbidden) == 0) return;
    fine = false;
    std::ostringstream mode;
    mode << std::oct << (status.st_mode & 07777);
    Add(Verdict::kLook, "permissions", path + " has mode " + mode.str(), advice);
  };
  private_to_owner(config_.store_directory, 0077,
                   "others may look into the store: chmod 0700 " + config_.store_directory);
  private_to_owner(config_.token_file, 0077, "others may read the bearer token: chmod 0600 " + config_.token_file);
  private_to_owner(config_path_, 0022, "others may change the configuration: chmod 0644 " + config_path_);
  if (fine && !seen.empty()) Add(Verdict::kFine, "permissions", "only the owner may change " + seen);
}

void Doctor::CheckClock() {
  constexpr std::int64_t kYear2024 = 1'704'067'200'000'000;
  const std::int64_t now = context_.clock.WallMicros();
  if (now < kYear2024) {
    return Add(Verdict::kBroken, "clock", "it says " + UtcTime(now), "set it: timedatectl set-ntp true");
  }
  Add(Verdict::kFine, "clock", UtcTime(now));
}

void Doctor::CheckEmbedder(const json& status) {
  if (FieldNumber(status, "generation") == 0) {
    return Add(Verdict::kLook, "embedder", "no bundle is live: every query is treated alike",
               "pointsman bootstrap run --table answers.jsonl.gz --wait");
  }
  Add(Verdict::kFine, "embedder",
      FieldText(status, "embedder") + ", " + FieldText(status, "dimension") + " dimensions, generation " +
          FieldText(status, "generation"));
}

void Doctor::CheckStore(const json& status) {
  const double behind = FieldNumber(status, "last_sequence") - FieldNumber(status, "learned_sequence");
  const double waiting = FieldNumber(status, "commit_waiting");
  if (behind > 100'000 || waiting > 10'000) {
    Add(Verdict::kLook, "store", Fixed(behind, 0) + " events not learnt, " + Fixed(waiting, 0) + " wait for the disk",
        "the disk or the machine is too slow for this traffic");
  } else {
    Add(Verdict::kFine, "store",
        FieldText(status, "last_sequence") + " events, " + Fixed(behind, 0) + " not yet learnt");
  }
  if (FieldNumber(status, "quarantined_cells") > 0) {
    Add(Verdict::kLook, "store", FieldText(status, "quarantined_cells") + " cells are in quarantine",
        "stop the daemon and run: pointsman check");
  }
}

// A learner that hears nothing looks healthy: these say so.
void Doctor::CheckSilence(const json& status) {
  const double decisions = FieldNumber(status, "decisions");
  const double outcomes = FieldNumber(status, "outcomes");
  const std::size_t before = findings_.size();
  if (decisions >= 100 && outcomes < decisions / 2) {
    Add(Verdict::kLook, "feedback",
        "only " + Fixed(100 * outcomes / decisions, 0) + "% of the decisions have an outcome",
        "services must report: pointsman outcome, or POST /v1/outcome; else costs and failures are not learnt");
  }
  if (decisions >= 1000 && FieldNumber(status, "ratings") == 0) {
    Add(Verdict::kLook, "feedback", "no rating has come yet",
        "send thumbs or stars: pointsman rate, POST /v1/feedback");
  }
  if (decisions >= 100 && FieldNumber(status, "gold") == 0) {
    Add(Verdict::kLook, "gold", "no gold label has come yet",
        "pointsman gold next, or the gold queue of pointsman dashboard");
  }
  if (FieldNumber(status, "not_folded") > 0) {
    Add(Verdict::kLook, "feedback", FieldText(status, "not_folded") + " reports were stored but not learnt from",
        "they came while learning was frozen, or from excluded subjects");
  }
  if (const json subjects = status.value("subjects", json::object()); subjects.value("group_alarm", false)) {
    Add(Verdict::kLook, "raters",
        "some say the same whatever the answer since event " + FieldText(subjects, "group_since"),
        "pointsman status names them; docs/OPERATIONS.md, When ratings look bought");
  }
  if (status.value("frozen", false)) Add(Verdict::kLook, "learning", "it is frozen", "pointsman resume");
  if (findings_.size() == before) {
    Add(Verdict::kFine, "feedback",
        FieldText(status, "outcomes") + " outcomes, " + FieldText(status, "ratings") + " ratings, " +
            FieldText(status, "gold") + " gold labels on " + FieldText(status, "decisions") + " decisions");
  }
}

void Doctor::CheckDaemon() {
  const auto ready = AskAdmin(context_, "GET", "/ready", "");
  if (const Failed* failed = std::get_if<Failed>(&ready)) {
    const bool pool = failed->error.reason == "no_model" || failed->error.reason == "no_healthy_model";
    if (!pool) return Add(Verdict::kBroken, "daemon", failed->error.message, "journalctl -u pointsmand says more");
    Add(Verdict::kLook, "models", failed->error.message, "pointsman models list");
  }
  const auto answer = AskAdmin(context_, "GET", "/status", "");
  if (const Failed* failed = std::get_if<Failed>(&answer)) {
    return Add(Verdict::kBroken, "daemon", failed->error.message, "journalctl -u pointsmand says more");
  }
  const json& status = std::get<json>(answer);
  Add(Verdict::kFine, "daemon",
      "version " + FieldText(status, "version") + ", up " + Duration(FieldNumber(status, "uptime_seconds")));
  CheckEmbedder(status);
  CheckStore(status);
  CheckSilence(status);
  for (const json& warning : status.value("warnings", json::array())) {
    if (warning.is_string()) Add(Verdict::kLook, "the daemon says", warning.get<std::string>());
  }
}

Exit Doctor::Report() const {
  constexpr const char* kWords[] = {"ok", "look", "BROKEN"};
  constexpr const char* kNames[] = {"ok", "look", "broken"};
  bool broken = false;
  json list = json::array();
  for (const Finding& finding : findings_) {
    const auto verdict = static_cast<std::size_t>(finding.verdict);
    broken = broken || finding.verdict == Verdict::kBroken;
    if (context_.json) {
      list.push_back(
          {{"verdict", kNames[verdict]}, {"what", finding.what}, {"found", finding.found}, {"advice", finding.advice}});
      continue;
    }
    context_.out << std::string(kWords[verdict]) + std::string(8 - std::strlen(kWords[verdict]), ' ')
                 << Printable(finding.what) << ": " << Printable(finding.found) << "\n";
    if (!finding.advice.empty()) context_.out << "        -> " << Printable(finding.advice) << "\n";
  }
  if (context_.json) context_.Print({{"healthy", !broken}, {"findings", std::move(list)}});
  return broken ? Exit::kNegative : Exit::kOk;
}

}  // namespace

void AddDoctor(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "doctor", "Looks for what is wrong, and says what to do", "pointsman doctor");
  verb->group("Help");
  auto path = std::make_shared<std::string>("/etc/pointsman/pointsman.toml");
  verb->add_option("--config", *path, "The daemon's configuration")->capture_default_str();
  verb->callback([&context, path] {
    Doctor doctor(context, *path);
    doctor.Examine();
    context.exit = doctor.Report();
  });
}

}  // namespace pointsman::cli
