// What the fold demands of whoever feeds it: one event after the other.
#include <gtest/gtest.h>

#include "policy/learning/learner.h"

namespace pointsman::policy {
namespace {

class NoBundles final : public BundleCatalogue {
 public:
  Result<std::shared_ptr<const Bundle>> Find(const BundleHash&) const override {
    return MakeError(Code::kNotFound, "unknown_bundle", "there is none");
  }
};

class NoHistory final : public History {
 public:
  Status ForEach(LogSeq, const std::function<Status(const Event&)>&) const override { return {}; }
};

TEST(LearnerDeathTest, AGapOrARepetitionInTheLogIsOurBug) {
  const NoBundles bundles;
  const NoHistory history;
  auto learner = Learner::Create(bundles, history, State{});
  ASSERT_TRUE(learner.ok());
  const auto tick = [](std::uint64_t seq) { return Event{LogSeq{seq}, 0, Origin::kStore, 0, Tick{}}; };
  ASSERT_TRUE((*learner)->Learn(tick(1)).ok());
  EXPECT_DEATH((void)(*learner)->Learn(tick(3)), "a gap in the log");
  EXPECT_DEATH((void)(*learner)->Learn(tick(1)), "a gap in the log");
}

}  // namespace
}  // namespace pointsman::policy
