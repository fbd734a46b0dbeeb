#include "bootstrap/llm/call_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <fstream>

#include "tests/bootstrap/llm/support.h"

namespace pointsman::bootstrap {
namespace {

StoredCall Call(const std::string& text) {
  StoredCall call;
  call.label = "m";
  call.text = text;
  call.tokens_in = 12;
  call.tokens_out = 3;
  call.latency_ms = 1.5;
  call.cost_usd = 0.25;
  return call;
}

TEST(CallLog, FindsAfterReopeningWhatWasPut) {
  const TemporaryFolder folder;
  const CallKey key = KeyOf("what is asked");
  {
    auto log = CallLog::Open(folder.File("l"));
    ASSERT_TRUE(log.ok());
    StoredCall call = Call("line one\nline \"two\" \\ \x01 é");
    call.log_probability = -0.5;
    call.truncated = true;
    ASSERT_TRUE((*log)->Put(key, call).ok());
    ASSERT_TRUE((*log)->Put(KeyOf("other"), Call("x")).ok());
  }
  auto log = CallLog::Open(folder.File("l"));
  ASSERT_TRUE(log.ok());
  const auto found = (*log)->Find(key);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->text, "line one\nline \"two\" \\ \x01 é");
  EXPECT_EQ(found->label, "m");
  EXPECT_DOUBLE_EQ(found->tokens_in, 12);
  EXPECT_DOUBLE_EQ(found->log_probability, -0.5);
  EXPECT_TRUE(found->truncated);
  EXPECT_TRUE(std::isnan((*log)->Find(KeyOf("other"))->log_probability));
  EXPECT_EQ((*log)->statistics().calls, 2U);
  EXPECT_DOUBLE_EQ((*log)->statistics().cost_usd, 0.5);
  EXPECT_FALSE((*log)->Find(KeyOf("never asked")).has_value());
}

TEST(CallLog, CutsATornLineOffAndLeavesADamagedOneOut) {
  const TemporaryFolder folder;
  const std::string path = folder.File("l");
  {
    auto log = CallLog::Open(path);
    ASSERT_TRUE(log.ok());
    for (const char* text : {"first", "second", "third"}) ASSERT_TRUE((*log)->Put(KeyOf(text), Call(text)).ok());
  }
  std::string bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  bytes[bytes.find("second")] ^= 1;  // a flipped bit
  bytes.resize(bytes.size() - 7);    // half a line
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  auto log = CallLog::Open(path);
  ASSERT_TRUE(log.ok());
  EXPECT_TRUE((*log)->Find(KeyOf("first")).has_value());
  EXPECT_FALSE((*log)->Find(KeyOf("second")).has_value());
  EXPECT_FALSE((*log)->Find(KeyOf("third")).has_value());
  EXPECT_EQ((*log)->statistics().damaged_lines, 1U);
  EXPECT_GT((*log)->statistics().torn_bytes, 0U);
  ASSERT_TRUE((*log)->Put(KeyOf("third"), Call("third")).ok());
  log.value().reset();
  auto again = CallLog::Open(path);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE((*again)->Find(KeyOf("third")).has_value()) << "what follows the cut is read";
}

TEST(CallLog, IsForOneAtATimeAndNeverBeyondItsBound) {
  const TemporaryFolder folder;
  auto log = CallLog::Open(folder.File("l"), 400);
  ASSERT_TRUE(log.ok());
  const auto second = CallLog::Open(folder.File("l"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kBusy);
  ASSERT_TRUE((*log)->Put(KeyOf("a"), Call("a")).ok());
  const Status full = (*log)->Put(KeyOf("b"), Call(std::string(400, 'b')));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().reason, "call_log_full");
}

TEST(CallLog, SaysThatTheDiskIsFullAndTakesNoMore) {
  const TemporaryFolder folder;
  auto log = CallLog::Open(folder.File("l"));
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE((*log)->Put(KeyOf("a"), Call("a")).ok());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{300, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status full = (*log)->Put(KeyOf("b"), Call(std::string(300, 'b')));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().reason, "storage_full");
  EXPECT_NE(full.error().message.find("make space and try again, nothing that was paid is lost"), std::string::npos);
  EXPECT_FALSE((*log)->Put(KeyOf("c"), Call("c")).ok()) << "half a line may be there: nothing is put behind it";
  EXPECT_FALSE((*log)->Find(KeyOf("b")).has_value());
  log.value().reset();
  auto again = CallLog::Open(folder.File("l"));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE((*again)->Find(KeyOf("a")).has_value());
}

}  // namespace
}  // namespace pointsman::bootstrap
