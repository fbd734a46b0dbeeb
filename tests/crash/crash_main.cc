// crash_loop: the program behind `./dev crash`.
//
//   crash_loop [--kills N] [--seed S] [--point NAME | --points]
//   crash_loop --calls ERRNO [--first N] [--step K] [--runs N]
//   crash_loop --soak MINUTES [--rate ROUTES_A_SECOND]
//
// --point and --points (all of kFaultPoints and kJobFaultPoints, N kills each) need a build
// with fault points. Progress goes to standard error; the last line of standard output is
//   {"kills", "acknowledged", "lost", "doubled", "replay_equal"}
// --calls runs the loop of fail_loop.h instead and ends with that loop's line, --soak
// that of soak.h.
// Exit code: 0 all kept; 1 not; 2 wrong usage.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/crash/crash_loop.h"
#include "tests/crash/fail_loop.h"
#include "tests/crash/fault_points.h"
#include "tests/crash/soak.h"

namespace pointsman::testing {
namespace {

struct Arguments {
  CrashOptions options;
  FailOptions calls;
  bool fail_calls = false;
  SoakOptions soak;
  bool soaks = false;
  std::vector<std::string> points;
};

bool Parse(int argc, char** argv, Arguments* arguments) {
  arguments->options.progress = true;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag(argv[i]);
    if (flag == "--points") {
      arguments->points.assign(kFaultPoints.begin(), kFaultPoints.end());
      arguments->points.insert(arguments->points.end(), kJobFaultPoints.begin(), kJobFaultPoints.end());
      continue;
    }
    if (++i == argc) return false;
    if (flag == "--kills") {
      arguments->options.kills = std::atoi(argv[i]);
    } else if (flag == "--seed") {
      arguments->options.seed = std::strtoull(argv[i], nullptr, 10);
    } else if (flag == "--point") {
      arguments->points = {argv[i]};
    } else if (flag == "--calls") {
      arguments->fail_calls = true;
      arguments->calls.progress = true;
      arguments->calls.error_number = std::atoi(argv[i]);
    } else if (flag == "--soak") {
      arguments->soaks = true;
      arguments->soak.progress = true;
      arguments->soak.minutes = std::atof(argv[i]);
      arguments->soak.warm_minutes = arguments->soak.minutes / 3;  // until caches are full
    } else if (flag == "--rate") {
      arguments->soak.routes_per_second = std::atoi(argv[i]);
    } else if (flag == "--first") {
      arguments->calls.first = std::atol(argv[i]);
    } else if (flag == "--step") {
      arguments->calls.step = std::atol(argv[i]);
    } else if (flag == "--runs") {
      arguments->calls.runs_max = std::atol(argv[i]);
    } else {
      return false;
    }
  }
  if (arguments->points.empty()) arguments->points = {""};
  return arguments->soak.minutes > 0 && arguments->soak.routes_per_second > 0 && arguments->options.kills > 0 &&
         arguments->calls.first > 0 && arguments->calls.step > 0;
}

int FailCalls(const FailOptions& options) {
  const FailReport report = RunFailLoop(options);
  if (!report.fault.empty()) std::fprintf(stderr, "FAULT: %s\n", report.fault.c_str());
  std::printf("%s\n", report.Line().c_str());
  return report.fault.empty() ? 0 : 1;
}

int Soak(const SoakOptions& options) {
  const SoakReport report = RunSoak(options);
  if (!report.fault.empty()) std::fprintf(stderr, "FAULT: %s\n", report.fault.c_str());
  std::printf("%s\n", report.Line().c_str());
  return report.fault.empty() ? 0 : 1;
}

int Run(const Arguments& arguments) {
  if (arguments.soaks) return Soak(arguments.soak);
  if (arguments.fail_calls) return FailCalls(arguments.calls);
  CrashReport total;
  for (const std::string& point : arguments.points) {
    CrashOptions options = arguments.options;
    options.point = point;
    if (!point.empty()) std::fprintf(stderr, "%s\n", point.c_str());
    const CrashReport one = RunCrashLoop(options);
    total.acknowledged_least =
        total.kills == 0 ? one.acknowledged_least : std::min(total.acknowledged_least, one.acknowledged_least);
    total.kills += one.kills;
    total.acknowledged += one.acknowledged;
    total.lost += one.lost;
    total.doubled += one.doubled;
    total.replay_equal = total.replay_equal && one.replay_equal;
    total.startup_kills += one.startup_kills;
    total.hashes_compared_by_socket += one.hashes_compared_by_socket;
    total.sent_again += one.sent_again;
    total.unlogged_routes += one.unlogged_routes;
    total.generations = std::max(total.generations, one.generations);
    if (total.fault.empty() && !one.fault.empty()) total.fault = (point.empty() ? "" : point + ": ") + one.fault;
  }
  std::fprintf(stderr,
               "at least %llu acknowledged between two kills; %d more kills of restarts; %llu reports sent again; "
               "%d state hashes compared through the socket; up to generation %u; %llu answered routes had not "
               "reached the log\n",
               static_cast<unsigned long long>(total.acknowledged_least), total.startup_kills,
               static_cast<unsigned long long>(total.sent_again), total.hashes_compared_by_socket, total.generations,
               static_cast<unsigned long long>(total.unlogged_routes));
  if (!total.fault.empty()) std::fprintf(stderr, "FAULT: %s\n", total.fault.c_str());
  std::printf("%s\n", total.Line().c_str());
  return total.Sound() ? 0 : 1;
}

}  // namespace
}  // namespace pointsman::testing

int main(int argc, char** argv) {
  pointsman::testing::Arguments arguments;
  if (!pointsman::testing::Parse(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: crash_loop [--kills N] [--seed S] [--point NAME | --points]\n"
                 "       crash_loop --calls ERRNO [--first N] [--step K] [--runs N]\n"
                 "       crash_loop --soak MINUTES [--rate ROUTES_A_SECOND]\n");
    return 2;
  }
  ::setenv("POINTSMAN_BIN", std::filesystem::read_symlink("/proc/self/exe").parent_path().c_str(), 0);
  return pointsman::testing::Run(arguments);
}
