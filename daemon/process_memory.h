// How much memory this process has, for status and metrics.
//
// `allocated_bytes` is what malloc has handed out and not got back, in all its arenas:
// where that stands still while `resident_bytes` grows, memory is not leaked but kept
// in pieces that nothing fits.
#pragma once

#include <cstdint>

namespace pointsman::daemon {

struct ProcessMemory {
  std::uint64_t resident_bytes = 0;  // 0: the system does not say
  std::uint64_t allocated_bytes = 0;
};

// Any thread. Takes malloc's locks, one after the other, for some microseconds.
ProcessMemory MeasureProcessMemory();

}  // namespace pointsman::daemon
