#include "base/this_thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/contract.h"

namespace pointsman {

void NameThisThread(const char* name) { static_cast<void>(::pthread_setname_np(::pthread_self(), name)); }

void YieldProcessorsToOthers(int nice) {
  REQUIRE(nice >= 1 && nice <= 19, "a priority is lowered by 1 to 19");
  // Linux keeps the nice value of each thread by itself.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), nice));
}

}  // namespace pointsman
