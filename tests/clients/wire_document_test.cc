// docs/WIRE.md tells the truth: its example runs, its error table is base/error.h.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "daemon/error_reply.h"
#include "tests/daemon/transport/transport_support.h"

namespace pointsman::client {
namespace {

constexpr int kNoPython = -1;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Document() {
  const char* root = std::getenv("POINTSMAN_SOURCE");
  return Contents(std::string(root == nullptr ? "." : root) + "/docs/WIRE.md");
}

// The exit status of python3 on `script` with stdout in `output`, or kNoPython.
int RunPython(std::string script, std::string argument, const std::string& output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string program = "python3";
  char* words[] = {program.data(), script.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return kNoPython;
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

class WireDocument : public daemon::testing::TransportFixture {};

TEST_F(WireDocument, ItsPythonExampleTalksToTheTransport) {
  const std::string document = Document();
  ASSERT_FALSE(document.empty()) << "run through ctest, which says where the sources are";
  const std::string open = "```python\n";
  const std::size_t begin = document.find(open) + open.size();
  const std::size_t end = document.find("```", begin);
  ASSERT_NE(end, std::string::npos);
  std::ofstream(directory.File("example.py")) << document.substr(begin, end - begin);
  Start();
  const std::string answer = directory.File("answer");
  const int status = RunPython(directory.File("example.py"), options.socket_path, answer);
  if (status == kNoPython) GTEST_SKIP() << "no python3 on this machine";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Contents(answer), "pong\n");
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
