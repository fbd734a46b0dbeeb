// The program's version, from the project() line of CMake.
#pragma once

namespace pointsman::daemon {

#ifndef POINTSMAN_VERSION
#error "POINTSMAN_VERSION is defined by daemon/CMakeLists.txt"
#endif
inline constexpr const char* kVersion = POINTSMAN_VERSION;

}  // namespace pointsman::daemon
