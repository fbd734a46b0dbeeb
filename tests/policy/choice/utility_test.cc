#include "policy/choice/utility.h"

#include <gtest/gtest.h>

namespace pointsman::policy {
namespace {

TEST(Utility, IsQualityMinusTheCostInPartsOfTheDearest) {
  const Weights weights{.quality = 0.8, .cost = 0.2};
  EXPECT_DOUBLE_EQ(Utility(weights, 0.5, 0.25, 1), 0.8 * 0.5 - 0.2 * 0.25);
  EXPECT_LT(Utility(weights, 0.5, 0.5, 1), Utility(weights, 0.5, 0.25, 1));
  EXPECT_DOUBLE_EQ(Utility(weights, 0.5, 7, 1), 0.8 * 0.5 - 0.2) << "never more than the dearest";
  EXPECT_DOUBLE_EQ(Utility(weights, 0.5, 7, 0), 0.8 * 0.5) << "where all are free, cost says nothing";
}

}  // namespace
}  // namespace pointsman::policy
