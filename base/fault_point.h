// Fault points: named places where a test can make the process fail.
//
//   FAULT_POINT("store.commit.before_sync");
//
// The environment variable POINTSMAN_FAULT names one point and what happens there:
//   name=kill          SIGKILL at the first passing
//   name=kill@N        at the N-th
//   name=kill?FILE     at the first passing after FILE exists, so that a test can
//                      arm it when enough has been acknowledged
//   name=sleep:MILLIS  a pause, at each passing
// Compiled to nothing unless POINTSMAN_FAULT_POINTS is defined (dev, asan and
// tsan presets); the release build has no hook.
#pragma once

namespace pointsman::fault {

// Threads: any. Cost when no fault is armed: one relaxed load.
void Pass(const char* name);

}  // namespace pointsman::fault

#ifdef POINTSMAN_FAULT_POINTS
#define FAULT_POINT(name) ::pointsman::fault::Pass(name)
#else
#define FAULT_POINT(name) static_cast<void>(0)
#endif
