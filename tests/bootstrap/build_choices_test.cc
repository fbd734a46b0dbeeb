#include "bootstrap/job/build_choices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pointsman::bootstrap {
namespace {

using ::testing::HasSubstr;

TEST(BuildChoices, EveryNameMeansItsChoiceAndAnUnknownOneIsRefusedWithTheNames) {
  const auto usual = ChoicesFromNames("shared", "none", "linear");
  ASSERT_TRUE(usual.ok());
  EXPECT_EQ(usual->method, BuildOptions{}.cluster_method);
  EXPECT_EQ(usual->filter, BuildOptions{}.filter);
  EXPECT_EQ(usual->recogniser, BuildOptions{}.recogniser);
  const auto other = ChoicesFromNames("scaled", "not-by-chance", "dual");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->method, ClusterMethod::kScaled);
  EXPECT_EQ(other->filter, RowFilter::kNotByChance);
  EXPECT_EQ(other->recogniser, TaskRecogniser::kDual);
  EXPECT_EQ(ChoicesFromNames("guess", "none", "linear").error().reason, "method");
  EXPECT_EQ(ChoicesFromNames("shared", "guess", "linear").error().reason, "filter");
  EXPECT_THAT(ChoicesFromNames("shared", "guess", "linear").error().message, HasSubstr("above-chance"));
  EXPECT_EQ(ChoicesFromNames("shared", "none", "").error().reason, "recogniser");
}

}  // namespace
}  // namespace pointsman::bootstrap
