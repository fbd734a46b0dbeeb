#include "tests/crash/fail_loop.h"

#include <cstdio>
#include <filesystem>
#include <set>

#include "tests/crash/audit.h"
#include "tests/crash/oracle.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

constexpr int kRounds = 34;  // a route and two reports each: 102 requests
const std::set<int> kAgreedExits = {0, 71, 74, 75};

// Routes and reports; refusals are answers too. Ends when the daemon is gone.
void Ask(const DaemonProcess& daemon, Oracle* oracle) {
  auto client = daemon.Connect();
  for (int round = 0; client.ok() && !client->closed() && round < kRounds; ++round) {
    wire::Route route;
    route.set_text("How do I reverse a list in place?");
    auto routed = client->Call(route);
    if (!routed.ok()) continue;
    for (const Operation& operation : {Operation{Kind::kRating, routed->token(), "", "thumbs", 1, 0},
                                       Operation{Kind::kOutcome, routed->token(), "", "", 100, 0}}) {
      if (Send(*client, operation).ok()) {
        oracle->Acknowledged(operation);
      } else {
        oracle->InDoubt(operation);
      }
    }
  }
}

bool EndsInTime(DaemonProcess& daemon) {
  daemon.Kill(SIGTERM);
  return Eventually([&] { return daemon.Ended(); });
}

// One run with the n-th call failing; false when no call was met.
bool RunOnce(const FailOptions& options, long nth, FailReport* report) {
  const auto fault = [&](const std::string& what) {
    if (report->fault.empty()) report->fault = "call " + std::to_string(nth) + ": " + what;
  };
  Folder folder;
  Oracle oracle;
  const char* bin = std::getenv("POINTSMAN_BIN");
  const std::string config = BasicConfig(folder, "[limits]\ncheckpoint_events = 40\n");
  {
    DaemonProcess daemon(folder, config,
                         {{"LD_PRELOAD", std::string(bin == nullptr ? "." : bin) + "/libfail_shim.so"},
                          {"POINTSMAN_SHIM_UNDER", folder.File("store")},
                          {"POINTSMAN_SHIM_NTH", std::to_string(nth)},
                          {"POINTSMAN_SHIM_ERRNO", std::to_string(options.error_number)},
                          {"POINTSMAN_SHIM_HIT", folder.File("hit")}});
    if (daemon.Ready()) Ask(daemon, &oracle);
    if (!EndsInTime(daemon)) fault("the daemon does not end");
    daemon.Kill(SIGKILL);
    const int code = daemon.Wait();
    ++report->exits[code];
    if (!kAgreedExits.contains(code)) fault("exit " + std::to_string(code) + "\n" + daemon.Log());
  }
  const bool met = std::filesystem::exists(folder.File("hit"));
  report->acknowledged += oracle.acknowledged();
  {
    DaemonProcess again(folder, config);
    if (!again.Ready()) fault("no start afterwards\n" + again.Log());
  }
  const Exported exported = Export(folder.File("store"));
  const Oracle::Difference found = oracle.Compare(exported);
  if (!exported.fault.empty()) fault(exported.fault);
  if (found.lost > 0 || found.doubled > 0 || found.invented > 0) fault(found.first);
  const Replayed replayed = Replay(folder.File("store"), nth % 2 == 0 ? "baseline" : "");
  if (!replayed.fault.empty()) fault(replayed.fault);
  if (!replayed.equal) fault("the replay differs");
  return met;
}

}  // namespace

std::string FailReport::Line() const {
  std::string codes;
  for (const auto& [code, times] : exits) {
    codes += (codes.empty() ? "\"" : ", \"") + std::to_string(code) + "\": " + std::to_string(times);
  }
  return "{\"calls\": " + std::to_string(last) + ", \"runs\": " + std::to_string(runs) +
         ", \"exhausted\": " + (exhausted ? "true" : "false") + ", \"acknowledged\": " + std::to_string(acknowledged) +
         ", \"exits\": {" + codes + "}, \"sound\": " + (fault.empty() ? "true" : "false") + "}";
}

FailReport RunFailLoop(const FailOptions& options) {
  FailReport report;
  for (long nth = options.first; report.fault.empty(); nth += options.step) {
    if (options.runs_max > 0 && report.runs == options.runs_max) break;
    const bool met = RunOnce(options, nth, &report);
    ++report.runs;
    if (!met) {
      report.exhausted = true;
      break;
    }
    report.last = nth;
    if (options.progress && report.runs % 10 == 0) std::fprintf(stderr, "%s\n", report.Line().c_str());
  }
  return report;
}

}  // namespace pointsman::testing
