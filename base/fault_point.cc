#include "base/fault_point.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

namespace pointsman::fault {

namespace {

struct Plan {
  bool armed = false;
  std::string name;
  long at = 1;
  long sleep_ms = -1;
  std::string armed_by;  // a file; empty: armed from the start
};

Plan ReadPlan() {
  Plan plan;
  const char* text = std::getenv("POINTSMAN_FAULT");
  if (text == nullptr) return plan;
  const std::string_view view(text);
  const auto equals = view.find('=');
  if (equals == std::string_view::npos) return plan;
  plan.name = view.substr(0, equals);
  std::string action(view.substr(equals + 1));
  if (action.rfind("kill", 0) == 0) {
    if (const auto at = action.find('@'); at != std::string::npos) plan.at = std::atol(action.c_str() + at + 1);
    if (const auto file = action.find('?'); file != std::string::npos) plan.armed_by = action.substr(file + 1);
    plan.armed = true;
  } else if (action.rfind("sleep:", 0) == 0) {
    plan.sleep_ms = std::atol(action.c_str() + 6);
    plan.armed = true;
  }
  return plan;
}

}  // namespace

void Pass(const char* name) {
  static const Plan plan = ReadPlan();
  static std::atomic<long> passes{0};
  if (!plan.armed || plan.name != name) return;
  if (plan.sleep_ms >= 0) {
    timespec pause{plan.sleep_ms / 1000, (plan.sleep_ms % 1000) * 1'000'000};
    nanosleep(&pause, nullptr);
    return;
  }
  if (!plan.armed_by.empty() && ::access(plan.armed_by.c_str(), F_OK) != 0) return;
  if (++passes == plan.at) std::raise(SIGKILL);
}

}  // namespace pointsman::fault
