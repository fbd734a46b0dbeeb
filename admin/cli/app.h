// The program `pointsman`: the second composition root. Verbs come in three
// families, named in --help; this file puts them together and hands in what only a
// root may see (the daemon's configuration reader, eval).
#pragma once

namespace pointsman::cli {

// Parses the command line, runs one verb, returns the exit code (base/error.h).
// Environment: POINTSMAN_SOCKET, POINTSMAN_ADMIN_SOCKET, NO_COLOR.
int Run(int argc, char** argv);

}  // namespace pointsman::cli
