// The calling thread's name and its share of a busy processor. Threads: any, each for
// itself. Neither can fail in a way that matters: both are a convenience.
#pragma once

namespace pointsman {

// As `top -H` and a core dump show it; at most 15 letters.
void NameThisThread(const char* name);

// Makes the calling thread `nice` (1 to 19) against the rest of the process, until it
// ends: those that answer requests go first when the processors are all taken. What the
// system refuses is left as it was.
void YieldProcessorsToOthers(int nice);

}  // namespace pointsman
