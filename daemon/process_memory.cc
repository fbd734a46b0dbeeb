#include "daemon/process_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>

namespace pointsman::daemon {

ProcessMemory MeasureProcessMemory() {
  ProcessMemory memory;
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (std::ifstream("/proc/self/statm") >> size_pages >> resident_pages) {
    memory.resident_bytes = resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  const struct mallinfo2 heaps = ::mallinfo2();
  memory.allocated_bytes = heaps.uordblks + heaps.hblkhd;
  return memory;
}

}  // namespace pointsman::daemon
