#include "bootstrap/llm/meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace pointsman::bootstrap {

Status Meter::Reserve(double worst_usd) {
  const std::lock_guard lock(mutex_);
  if (!why_.ok()) return why_;
  if (budget_usd_ > 0 && reading_.spent_usd + reserved_usd_ + worst_usd > budget_usd_) {
    return MakeError(
        Code::kResourceExhausted, "budget",
        fmt::format("limits.budget_usd: {:.4f} dollars of {:.4f} are spent and the next request could cost "
                    "{:.4f}; raise it and run again, nothing is paid twice",
                    reading_.spent_usd, budget_usd_, worst_usd));
  }
  reserved_usd_ += worst_usd;
  return {};
}

void Meter::Settle(double reserved_usd, double paid_usd, bool answered) {
  const std::lock_guard lock(mutex_);
  reserved_usd_ = std::max(reserved_usd_ - reserved_usd, 0.0);
  reading_.spent_usd += paid_usd;
  if (answered) ++reading_.asked;
}

void Meter::Reused() {
  const std::lock_guard lock(mutex_);
  ++reading_.reused;
}

void Meter::Retried() {
  const std::lock_guard lock(mutex_);
  ++reading_.retries;
}

MeterReading Meter::reading() const {
  const std::lock_guard lock(mutex_);
  return reading_;
}

void Meter::Stop(Error why) {
  {
    const std::lock_guard lock(mutex_);
    if (why_.ok()) why_ = std::move(why);
  }
  stopped_.notify_all();
}

bool Meter::Wait(double seconds) {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, std::chrono::duration<double>(std::max(seconds, 0.0)), [this] { return !why_.ok(); });
  return why_.ok();
}

}  // namespace pointsman::bootstrap
