// The program's version, from the project() line of CMake.
// A constant; any thread.
#pragma once

namespace pointsman::daemon {

#ifndef POINTSMAN_VERSION
#error "POINTSMAN_VERSION is defined by daemon/CMakeLists.txt"
#endif
inline constexpr const char* kVersion = POINTSMAN_VERSION;

}  // namespace pointsman::daemon
