// pointsman: see admin/cli/app.h.
#include <cstdio>
#include <exception>

#include "admin/cli/app.h"
#include "base/error.h"

int main(int argc, char** argv) {
  try {
    return pointsman::cli::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pointsman: our bug: %s\n", error.what());
  } catch (...) {
    std::fprintf(stderr, "pointsman: our bug: something was thrown that is no exception\n");
  }
  return static_cast<int>(pointsman::Exit::kOurBug);
}
