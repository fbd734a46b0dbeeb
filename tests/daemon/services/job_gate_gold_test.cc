// Which gold the gate judges a bundle by.
#include "daemon/job_gate_gold.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/store/samples.h"

namespace pointsman::daemon {
namespace {

// The n-th decision that is kept back.
std::vector<std::uint64_t> HeldBackNumbers(std::size_t count) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t number = 1; numbers.size() < count; ++number) {
    if (HeldBack(store::IdOf(number))) numbers.push_back(number);
  }
  return numbers;
}

policy::Event EventOf(std::uint64_t seq, policy::Payload payload) {
  policy::Event event;
  event.seq = LogSeq{seq};
  event.payload = std::move(payload);
  return event;
}

policy::Event Gold(std::uint64_t seq, std::uint64_t number, double value) {
  policy::GoldGiven gold;
  gold.context = store::ContextOf(number);
  gold.channel = 0;
  gold.after = {{.channel = 0, .value = value}};
  return EventOf(seq, gold);
}

policy::Event TakenBack(std::uint64_t seq, std::uint64_t number) {
  policy::Retracted retracted;
  retracted.context = store::ContextOf(number);
  retracted.channel = 0;
  return EventOf(seq, retracted);
}

TEST(KeptGold, HasTheLastLabelOfEachDecisionThatIsKeptBackAndOfNoOther) {
  const auto held = HeldBackNumbers(2);
  std::uint64_t other = 1;
  while (HeldBack(store::IdOf(other))) ++other;
  KeptGold kept;
  kept.See(Gold(1, held[0], 0));
  kept.See(Gold(2, held[0], 1));
  kept.See(Gold(3, other, 1));
  kept.See(Gold(4, held[1], 1));
  kept.See(TakenBack(5, held[1]));
  ASSERT_EQ(kept.labels().size(), 1u);
  EXPECT_EQ(kept.labels().begin()->first, store::IdOf(held[0]));
  EXPECT_EQ(kept.labels().begin()->second.gold, 1);
}

TEST(KeptGold, OfMoreThanItTakesTheDecisionsLabelledFirstGo) {
  const auto held = HeldBackNumbers(kGateGoldMax + 2);
  KeptGold kept;
  std::uint64_t seq = 0;
  for (std::size_t i = 0; i < kGateGoldMax; ++i) kept.See(Gold(++seq, held[i], 1));
  // The first is taken back and given again: it is a late one now.
  kept.See(TakenBack(++seq, held[0]));
  kept.See(Gold(++seq, held[0], 0.5));
  EXPECT_EQ(kept.labels().size(), kGateGoldMax);
  for (std::size_t i = kGateGoldMax; i < held.size(); ++i) kept.See(Gold(++seq, held[i], 1));
  EXPECT_EQ(kept.labels().size(), kGateGoldMax);
  EXPECT_TRUE(kept.labels().contains(store::IdOf(held[0])));
  EXPECT_FALSE(kept.labels().contains(store::IdOf(held[1])));
  EXPECT_FALSE(kept.labels().contains(store::IdOf(held[2])));
  EXPECT_TRUE(kept.labels().contains(store::IdOf(held[3])));
}

TEST(KeptGold, LabelsTakenBackAndGivenAgainWithoutEndTakeNoMoreRoom) {
  const auto held = HeldBackNumbers(2);
  KeptGold kept;
  std::uint64_t seq = 0;
  for (std::size_t i = 0; i < 3 * kGateGoldMax; ++i) {
    kept.See(Gold(++seq, held[0], 1));
    kept.See(TakenBack(++seq, held[0]));
  }
  kept.See(Gold(++seq, held[1], 1));
  EXPECT_LE(kept.places(), 2 * kGateGoldMax);
  EXPECT_EQ(kept.labels().size(), 1U);
  EXPECT_TRUE(kept.labels().contains(store::IdOf(held[1])));
}

}  // namespace
}  // namespace pointsman::daemon
