#include "store/bundle_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/unit_draw.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

TEST(BundleFile, AHeadIsFormatTwoAndABundleWithoutOneKeepsTheBytesOfFormatOne) {
  policy::Bundle bundle = SmallBundle();
  EXPECT_EQ(EncodeBundle(bundle)[8], 1);
  const auto without = DecodeBundle(EncodeBundle(bundle));
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without->head_share, 0);
  EXPECT_TRUE(without->head_basis.empty());
  for (std::size_t j = 0; j < bundle.dimension(); ++j) bundle.head_basis.push_back(0.125F * static_cast<float>(j));
  bundle.head_loadings.assign(bundle.models.size(), 0.5F);
  bundle.head_bias.assign(bundle.models.size(), 0.25);
  bundle.task_share = 0.25;
  bundle.head_share = 0.5;
  const std::string bytes = EncodeBundle(bundle);
  EXPECT_EQ(bytes[8], 2);
  const auto back = DecodeBundle(bytes);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->head_basis, bundle.head_basis);
  EXPECT_EQ(back->head_loadings, bundle.head_loadings);
  EXPECT_EQ(back->head_bias, bundle.head_bias);
  EXPECT_EQ(back->head_share, 0.5);
  EXPECT_NE(back->hash, without->hash);
}

TEST(BundleFile, ComesBackEqualAndUnderTheSameHash) {
  const ScratchDirectory scratch;
  policy::Bundle bundle = SmallBundle();
  bundle.embedder_model = {1, 2, 3};
  ASSERT_TRUE(WriteBundleFile(scratch / "b", bundle).ok());
  EXPECT_FALSE(bundle.hash.IsZero());
  const auto back = ReadBundleFile(scratch / "b");
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->hash, bundle.hash);
  EXPECT_EQ(EncodeBundle(*back), EncodeBundle(bundle)) << "same content, same bytes";
  EXPECT_EQ(back->embedder_model, bundle.embedder_model);
  EXPECT_EQ(back->skills, bundle.skills);
  EXPECT_EQ(back->tokens[0].rows, 10);
  EXPECT_EQ(back->widths, bundle.widths);
}

TEST(BundleFile, AnotherContentHasAnotherHash) {
  policy::Bundle bundle = SmallBundle();
  const auto first = DecodeBundle(EncodeBundle(bundle));
  bundle.skills[1] = 0.7500001;
  const auto second = DecodeBundle(EncodeBundle(bundle));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->hash, second->hash);
}

TEST(BundleFile, EveryFlippedByteIsDamageOrANewerFormat) {
  const std::string bytes = EncodeBundle(SmallBundle());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x20);
    const auto back = DecodeBundle(flipped);
    ASSERT_FALSE(back.ok()) << "byte " << at;
    const bool format_field = at >= 8 && at < 12;
    EXPECT_EQ(back.error().code, format_field ? Code::kFailedPrecondition : Code::kDataLoss) << "byte " << at;
  }
}

TEST(BundleFile, EveryCutIsDamage) {
  const std::string bytes = EncodeBundle(SmallBundle());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto back = DecodeBundle(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(back.ok()) << size;
    EXPECT_EQ(back.error().code, Code::kDataLoss);
  }
  EXPECT_FALSE(DecodeBundle(bytes + "x").ok());
}

TEST(BundleFile, RandomBytesAreDamage) {
  SplitMix64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = "PMBUNDLE";
    bytes += std::string("\1\0\0\0", 4);
    const auto length = random.Below(200);
    for (std::uint64_t i = 0; i < length; ++i) bytes.push_back(static_cast<char>(random()));
    const auto back = DecodeBundle(bytes);
    ASSERT_FALSE(back.ok());
    EXPECT_EQ(back.error().code, Code::kDataLoss);
  }
}

TEST(BundleFile, ThatIsNotThereIsNotFound) {
  const ScratchDirectory scratch;
  EXPECT_EQ(ReadBundleFile(scratch / "none").error().code, Code::kNotFound);
}

TEST(BundleFile, IntoAMissingFolderIsRefusedWithThePath) {
  const ScratchDirectory scratch;
  policy::Bundle bundle = SmallBundle();
  const Status written = WriteBundleFile(scratch / "none/b", bundle);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, Code::kUnavailable);
  EXPECT_NE(written.error().message.find("none/b"), std::string::npos);
}

}  // namespace
}  // namespace pointsman::store
