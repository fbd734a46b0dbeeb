// What a job may spend and has spent, shared by all of its endpoints; and where it
// is told to stop.
//
// Before a request its worst cost is reserved, so that requests under way together
// cannot pass the cap. What was paid in earlier runs (the call log) counts too.
//
// Threads: all methods, any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "base/result.h"

namespace pointsman::bootstrap {

struct MeterReading {
  double spent_usd = 0;       // with earlier runs under the same name
  std::uint64_t asked = 0;    // answers paid for in this run
  std::uint64_t reused = 0;   // answers found in the call log
  std::uint64_t retries = 0;  // requests that had to be sent again
};

// Contract at the top of this file.
class Meter {
 public:
  // `budget_usd` 0: no cap.
  Meter(double budget_usd, double spent_usd) : budget_usd_(budget_usd) { reading_.spent_usd = spent_usd; }

  // Errors: RESOURCE_EXHAUSTED budget, naming cap and spent; the reason given to Stop.
  Status Reserve(double worst_usd);
  // Every reservation is settled once, with what it cost; 0 for a failed request.
  void Settle(double reserved_usd, double paid_usd, bool answered);
  void Reused();
  void Retried();
  MeterReading reading() const;

  // Ends all waiting; later reservations fail with `why`. The first reason stays.
  void Stop(Error why);
  // Waits; false when stopped meanwhile.
  bool Wait(double seconds);

 private:
  const double budget_usd_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  MeterReading reading_;
  double reserved_usd_ = 0;
  Status why_;
};

}  // namespace pointsman::bootstrap
