#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "base/unit_draw.h"
#include "tests/store/samples.h"
#include "store/decision_token.h"

namespace pointsman::store {
namespace {

TokenKey KeyOfByte(std::uint8_t byte) {
  TokenKey key{};
  key.fill(byte);
  return key;
}

class Tokens : public ::testing::Test {
 protected:
  TokenMint mint{KeyOfByte(1), TokenKey{}, 5};
  TokenBytes token = mint.Mint(1000, "team-a", kNoonUs + 1, Generation{0x12345});
};

TEST_F(Tokens, OpenForTheirOwnerAndSayWhatTheyHold) {
  const auto opened = mint.Open(token, 1000, "team-a", kNoonUs);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_TRUE(std::equal(opened->id.bytes.begin(), opened->id.bytes.end(), token.begin()));
  EXPECT_EQ(opened->generation.value, 0x2345u);
  EXPECT_EQ(opened->expires_at_us % 60'000'000, 0);
  EXPECT_GE(opened->expires_at_us, kNoonUs + 1);
  EXPECT_LT(opened->expires_at_us, kNoonUs + 1 + 60'000'000);
}

TEST_F(Tokens, WithAnyBitFlippedAreRefused) {
  for (std::size_t bit = 0; bit < token.size() * 8; ++bit) {
    TokenBytes forged = token;
    forged[bit / 8] = static_cast<std::uint8_t>(forged[bit / 8] ^ (1U << (bit % 8)));
    const auto opened = mint.Open(forged, 1000, "team-a", kNoonUs);
    ASSERT_FALSE(opened.ok()) << "bit " << bit;
    EXPECT_EQ(opened.error().code, bit < 8 ? Code::kInvalidArgument : Code::kNotFound) << "bit " << bit;
  }
}

TEST_F(Tokens, OfOthersAndForgedOnesGetTheSameAnswer) {
  const auto other_uid = mint.Open(token, 1001, "team-a", kNoonUs);
  const auto other_tenant = mint.Open(token, 1000, "team-b", kNoonUs);
  TokenMint stranger(KeyOfByte(2), TokenKey{}, 5);
  const auto forged = mint.Open(stranger.Mint(1000, "team-a", kNoonUs + 1, Generation{1}), 1000, "team-a", kNoonUs);
  for (const auto* opened : {&other_uid, &other_tenant, &forged}) {
    ASSERT_FALSE(opened->ok());
    EXPECT_EQ(opened->error().code, Code::kNotFound);
    EXPECT_EQ(opened->error().reason, "forged_or_foreign");
    EXPECT_EQ(opened->error().message, forged.error().message);
  }
}

TEST_F(Tokens, AreRefusedOnceTheirTimeIsOver) {
  const auto opened = mint.Open(token, 1000, "team-a", kNoonUs);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(mint.Open(token, 1000, "team-a", opened->expires_at_us - 1).ok());
  EXPECT_EQ(mint.Open(token, 1000, "team-a", opened->expires_at_us).error().code, Code::kExpired);
}

TEST_F(Tokens, OfThePreviousKeyAreTakenDuringARotation) {
  const TokenMint rotated(KeyOfByte(3), KeyOfByte(1), 6);
  EXPECT_TRUE(rotated.Open(token, 1000, "team-a", kNoonUs).ok());
  const TokenMint done(KeyOfByte(3), TokenKey{}, 7);
  EXPECT_FALSE(done.Open(token, 1000, "team-a", kNoonUs).ok());
}

TEST_F(Tokens, TheEmptyPreviousKeyOpensNothing) {
  TokenMint zero(TokenKey{}, TokenKey{}, 5);
  EXPECT_FALSE(mint.Open(zero.Mint(1000, "team-a", kNoonUs + 1, Generation{1}), 1000, "team-a", kNoonUs).ok());
}

TEST_F(Tokens, HaveOneTextEach) {
  const std::string text = TokenText(token);
  EXPECT_EQ(text.size(), 55u);
  const auto back = ParseTokenText(text);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(*back, token);
  for (const std::string& bad : {std::string(), text.substr(1), text + "a", "d2_" + text.substr(3),
                                 text.substr(0, 54) + "1", text.substr(0, 54) + "b", "D1_" + text.substr(3)}) {
    const auto parsed = ParseTokenText(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.error().reason, "malformed_token");
  }
}

TEST_F(Tokens, AreAllDifferent) {
  std::set<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.insert(TokenText(mint.Mint(1, "t", kNoonUs, Generation{1})));
  EXPECT_EQ(texts.size(), 1000u);
}

TEST(KeyFile, IsMadeOnceForItsOwnerOnly) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "key";
  const auto made = LoadOrMakeKey(path);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_NE(*made, TokenKey{});
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(*LoadOrMakeKey(path), *made);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1) << "no temporary file stays";
}

TEST(KeyFile, ThatOthersMayReadIsRefused) {
  const ScratchDirectory scratch;
  ASSERT_TRUE(LoadOrMakeKey(scratch / "key").ok());
  ::chmod((scratch / "key").c_str(), 0644);
  EXPECT_EQ(LoadOrMakeKey(scratch / "key").error().code, Code::kPermissionDenied);
}

TEST(KeyFile, OfAnotherLengthIsDamage) {
  const ScratchDirectory scratch;
  for (const std::size_t length : {std::size_t{0}, std::size_t{31}, std::size_t{33}, std::size_t{4096}}) {
    std::ofstream(scratch / "key", std::ios::trunc) << std::string(length, 'k');
    ::chmod((scratch / "key").c_str(), 0600);
    EXPECT_EQ(LoadOrMakeKey(scratch / "key").error().code, Code::kDataLoss) << length;
  }
}

}  // namespace
}  // namespace pointsman::store
