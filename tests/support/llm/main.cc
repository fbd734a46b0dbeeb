// llm_standin [--table FILE] [--rows N] [--port N] [--key TEXT] [--idempotency]
// The stand-in endpoint as a program. Prints its base URL, serves until stdin ends.
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/support/llm/llm_server.h"

int main(int argc, char** argv) {
  std::string table;
  std::size_t rows = 300;
  pointsman::testing::LlmServerOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--idempotency") options.idempotency = true;
    if (name == "--table") table = value;
    if (name == "--rows") rows = std::stoul(value);
    if (name == "--port") options.port = std::stoi(value);
    if (name == "--key") options.key = value;
  }
  if (table.empty()) {
    options.table = pointsman::testing::SmallWorld(rows, 1);
  } else {
    auto read = pointsman::bootstrap::ReadTable(table);
    if (!read.ok()) {
      std::fprintf(stderr, "llm_standin: %s\n", read.error().message.c_str());
      return 1;
    }
    options.table = std::move(read).value();
  }
  pointsman::testing::LlmServer server(std::move(options));
  std::printf("%s\n", server.base_url().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
