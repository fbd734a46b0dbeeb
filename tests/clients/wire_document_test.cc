// docs/WIRE.md tells the truth: its example runs, its error table is base/error.h.
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "daemon/error_reply.h"
#include "tests/daemon/transport/transport_support.h"

namespace pointsman::client {
namespace {

std::string Document() {
  const char* root = std::getenv("POINTSMAN_SOURCE");
  std::ifstream file(std::string(root == nullptr ? "." : root) + "/docs/WIRE.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class WireDocument : public daemon::testing::TransportFixture {};

TEST_F(WireDocument, ItsPythonExampleTalksToTheTransport) {
  const std::string document = Document();
  ASSERT_FALSE(document.empty()) << "run through ctest, which says where the sources are";
  if (std::system("command -v python3 >/dev/null 2>&1") != 0) GTEST_SKIP() << "no python3 on this machine";
  const std::string open = "```python\n";
  const std::size_t begin = document.find(open) + open.size();
  const std::size_t end = document.find("```", begin);
  ASSERT_NE(end, std::string::npos);
  std::ofstream(directory.File("example.py")) << document.substr(begin, end - begin);
  Start();
  const std::string command = "python3 " + directory.File("example.py") + " " + options.socket_path;
  FILE* output = ::popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  std::array<char, 256> text{};
  const std::size_t count = std::fread(text.data(), 1, text.size(), output);
  const int status = ::pclose(output);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(std::string(text.data(), count), "pong\n");
}

TEST(WireErrors, TheTableHasEveryCodeWithItsHttpStatusAndExit) {
  const std::string document = Document();
  ASSERT_FALSE(document.empty()) << "run through ctest, which says where the sources are";
  for (int number = 0; number <= 14; ++number) {
    const Code code = static_cast<Code>(number);
    std::string retry = "never";
    if (number <= 1) retry = "–";
    if (RetryAdvice(code) == Retry::kSameRequest) retry = "same request";
    if (RetryAdvice(code) == Retry::kAfterBackoff) {
      const auto pause = daemon::RetryAfterMs(code);
      retry = "pause (" + (pause == 1000 ? std::string("1 s") : std::to_string(pause) + " ms") + ")";
    }
    const std::string row = "| " + std::to_string(number) + " | " + std::string(CodeName(code)) + " | " + retry +
                            " | " + std::to_string(HttpStatus(code)) + " | " +
                            std::to_string(static_cast<int>(ExitFor(code))) + " |";
    EXPECT_NE(document.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace pointsman::client
