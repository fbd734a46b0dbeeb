// Fault points: named places where a test can make the process fail.
//
//   FAULT_POINT("store.commit.before_sync");
//
// With the environment variable POINTSMAN_FAULT="name=kill" (or "name=kill@N":
// at the N-th passing; or "name=sleep:MILLIS") the process kills itself with
// SIGKILL, or sleeps, there. A point registers itself when first passed.
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
