// What RecentRows remembers, and in which order it forgets.
#include "store/recent_rows.h"

#include <gtest/gtest.h>

#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

policy::DecisionRow RowOf(std::uint32_t tokens) {
  policy::DecisionRow row;
  row.tokens_in = tokens;
  return row;
}

TEST(RecentRows, ForgetTheOneThatCameInFirst) {
  RecentRows rows(2);
  rows.Put(IdOf(1), RowOf(1));
  rows.Put(IdOf(2), RowOf(2));
  rows.Put(IdOf(1), RowOf(11));  // its place stays
  rows.Put(IdOf(3), RowOf(3));
  EXPECT_EQ(rows.Find(IdOf(1)), nullptr);
  ASSERT_NE(rows.Find(IdOf(2)), nullptr);
  ASSERT_NE(rows.Find(IdOf(3)), nullptr);
  EXPECT_EQ(rows.Find(IdOf(2))->tokens_in, 2u);
}

TEST(RecentRows, GiveTheLastThatWasPut) {
  RecentRows rows(2);
  rows.Put(IdOf(1), RowOf(1));
  rows.Put(IdOf(1), RowOf(11));
  ASSERT_NE(rows.Find(IdOf(1)), nullptr);
  EXPECT_EQ(rows.Find(IdOf(1))->tokens_in, 11u);
}

TEST(RecentRows, AnErasedRowThatComesAgainIsNotForgottenForItsOldPlace) {
  RecentRows rows(2);
  rows.Put(IdOf(1), RowOf(1));
  rows.Erase(IdOf(1));
  EXPECT_EQ(rows.Find(IdOf(1)), nullptr);
  rows.Put(IdOf(1), RowOf(2));  // in the second place; the first is free
  rows.Put(IdOf(3), RowOf(3));  // takes the first
  ASSERT_NE(rows.Find(IdOf(1)), nullptr);
  EXPECT_EQ(rows.Find(IdOf(1))->tokens_in, 2u);
  ASSERT_NE(rows.Find(IdOf(3)), nullptr);
}

}  // namespace
}  // namespace pointsman::store
