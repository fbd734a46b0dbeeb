#include "eval/arm.h"

#include <algorithm>

#include "base/unit_draw.h"

namespace pointsman::eval {

namespace {

class Baseline : public Arm {
 public:
  Result<ArmChoice> Route(const StreamItem& item) final {
    ArmChoice choice;
    choice.model = Choose(item);
    choice.number = item.number;
    return choice;
  }
  Status Report(const ArmChoice&, const ArmFeedback&) final { return {}; }

 private:
  virtual std::size_t Choose(const StreamItem& item) = 0;
};

class FixedArm final : public Baseline {
 public:
  explicit FixedArm(std::size_t model) : model_(model) {}

 private:
  std::size_t Choose(const StreamItem&) override { return model_; }
  std::size_t model_;
};

class RandomArm final : public Baseline {
 public:
  RandomArm(std::size_t models, std::uint64_t seed) : models_(models), random_(seed) {}

 private:
  std::size_t Choose(const StreamItem&) override { return static_cast<std::size_t>(random_.Below(models_)); }
  std::size_t models_;
  SplitMix64 random_;
};

class OracleArm final : public Baseline {
 public:
  explicit OracleArm(const TableWorld& world) : world_(world) {}

 private:
  std::size_t Choose(const StreamItem& item) override {
    std::size_t best = 0;
    for (std::size_t m = 1; m < world_.models().size(); ++m) {
      if (world_.Score(item.row, m) > world_.Score(item.row, best)) best = m;
    }
    return best;
  }
  const TableWorld& world_;
};

}  // namespace

std::unique_ptr<Arm> MakeFixedArm(std::size_t model) { return std::make_unique<FixedArm>(model); }
std::unique_ptr<Arm> MakeRandomArm(std::size_t models, std::uint64_t seed) {
  return std::make_unique<RandomArm>(models, seed);
}
std::unique_ptr<Arm> MakeOracleArm(const TableWorld& world) { return std::make_unique<OracleArm>(world); }

std::size_t BestSingle(const TableWorld& world, std::span<const std::size_t> rows) {
  std::vector<double> sums(world.models().size(), 0.0);
  for (const std::size_t row : rows) {
    for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += world.Score(row, m);
  }
  return static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace pointsman::eval
