#include "daemon/job_gate_ratings.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "policy/learning/row_translation.h"

namespace pointsman::daemon {
namespace {

constexpr std::size_t kRatingsMax = 20'000;
constexpr std::uint64_t kRatingsMin = 400;
constexpr double kErrorsAgainst = 4;
constexpr double kErrorsFor = 2;

struct Rated {
  policy::DecisionContext context;
  std::uint8_t channel = 0;
  double value = 0;
};

// The latest word on each (decision, channel), of the latest kRatingsMax.
class LatestRatings {
 public:
  void See(const policy::RatingGiven& rating) {
    for (const policy::ChannelValue& value : rating.after) {
      if (value.channel != rating.channel) continue;
      const Key key{rating.context.decision, rating.channel};
      const auto [at, fresh] = rated_.insert_or_assign(key, Rated{rating.context, rating.channel, value.value});
      if (fresh) order_.push_back(key);
    }
    for (; order_.size() > kRatingsMax; order_.pop_front()) rated_.erase(order_.front());
  }
  void Forget(const policy::Retracted& retracted) {
    const auto at = rated_.find({retracted.context.decision, retracted.channel});
    if (at != rated_.end()) at->second.channel = 0;  // its place in the order stays
  }
  std::vector<Rated> All() const {
    std::vector<Rated> all;
    for (const auto& [key, rated] : rated_) {
      if (rated.channel != 0) all.push_back(rated);
    }
    return all;
  }

 private:
  using Key = std::pair<DecisionId, std::uint8_t>;
  std::map<Key, Rated> rated_;
  std::deque<Key> order_;
};

// Least squares of ratings on the bundle's prior, means by source and model taken out.
Result<Slope> SlopeOn(const store::Store& store, const policy::Pool& pool, const BundleHash& hash,
                      const std::vector<Rated>& ratings) {
  std::shared_ptr<const policy::Bundle> bundle = policy::ColdBundle();
  if (!hash.IsZero()) {
    auto found = store.Find(hash);
    if (!found.ok()) return found.error();
    bundle = std::move(found).value();
  }
  policy::RowTranslator translator(store, hash, bundle);
  struct Group {
    double count = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  };
  std::map<std::pair<std::uint8_t, std::uint32_t>, Group> groups;
  for (const Rated& rated : ratings) {
    const auto row = translator.Translate(rated.context, pool);
    if (!row.ok()) return row.error();
    Group& group = groups[{rated.channel, rated.context.model.value}];
    group.count += 1;
    group.x += row->prior;
    group.y += rated.value;
    group.xx += row->prior * row->prior;
    group.xy += row->prior * rated.value;
    group.yy += rated.value * rated.value;
  }
  double xx = 0;
  double xy = 0;
  double yy = 0;
  double free = -1;
  for (const auto& [key, group] : groups) {
    xx += group.xx - group.x * group.x / group.count;
    xy += group.xy - group.x * group.y / group.count;
    yy += group.yy - group.y * group.y / group.count;
    free += group.count - 1;
  }
  Slope slope;
  if (!(xx > 1e-9) || !(free > 0)) return slope;
  slope.slope = xy / xx;
  slope.error = std::sqrt(std::max(yy - slope.slope * xy, 0.0) / free / xx);
  return slope;
}

}  // namespace

Result<RatingVerdict> JudgeByRatings(const store::Store& store, const policy::State& state,
                                     const BundleHash& candidate) {
  LatestRatings latest;
  const LogSeq end{store.Statistics().synced_seq.value + 1};
  const Status read = store.ForEachLasting(end, [&](const policy::Event& event) -> Status {
    if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) {
      if (!state.excluded.contains(rating->subject)) latest.See(*rating);
    } else if (const auto* retracted = std::get_if<policy::Retracted>(&event.payload)) {
      latest.Forget(*retracted);
    }
    return {};
  });
  if (!read.ok()) return read.error();
  const std::vector<Rated> ratings = latest.All();
  RatingVerdict verdict;
  verdict.ratings = ratings.size();
  if (verdict.ratings < kRatingsMin) return verdict;
  const auto live = SlopeOn(store, state.pool, state.bundle, ratings);
  if (!live.ok()) return live.error();
  const auto next = SlopeOn(store, state.pool, candidate, ratings);
  if (!next.ok()) return next.error();
  verdict.live = *live;
  verdict.candidate = *next;
  verdict.contradicted = live->error > 0 && live->slope - kErrorsFor * live->error > 0 && next->error > 0 &&
                         next->slope + kErrorsAgainst * next->error < 0;
  return verdict;
}

}  // namespace pointsman::daemon
