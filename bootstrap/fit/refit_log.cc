#include "bootstrap/fit/refit_log.h"

#include <cmath>
#include <limits>
#include <utility>
#include <variant>

#include "base/unit_draw.h"

namespace pointsman::bootstrap {

using namespace policy;  // NOLINT(google-build-using-namespace): events of one domain

RefitLog::RefitLog(const BundleCatalogue& bundles, BundleHash live_hash, std::shared_ptr<const Bundle> live)
    : translator_(bundles, live_hash, std::move(live)) {}

Status RefitLog::Take(const Event& event) {
  const RowChanged* change = nullptr;
  if (const auto* rating = std::get_if<RatingGiven>(&event.payload)) change = rating;
  if (const auto* gold = std::get_if<GoldGiven>(&event.payload)) change = gold;
  if (const auto* retracted = std::get_if<Retracted>(&event.payload)) change = retracted;
  if (const auto* options = std::get_if<OptionsChanged>(&event.payload)) options_ = options->options;
  if (const auto* switched = std::get_if<LearningSwitched>(&event.payload)) frozen_ = switched->frozen;
  if (const auto* excluded = std::get_if<SubjectExcluded>(&event.payload)) excluded_.insert(excluded->subject);
  if (const auto* included = std::get_if<SubjectIncluded>(&event.payload)) excluded_.erase(included->subject);
  if (const auto* added = std::get_if<ModelAdded>(&event.payload)) {
    if (auto id = pool_.Add(added->name, added->price, added->context_tokens); !id.ok()) return id.error();
  }
  if (const auto* changed = std::get_if<ModelStateChanged>(&event.payload)) {
    return pool_.SetState(changed->id, changed->state);
  }
  if (change == nullptr || frozen_ || excluded_.contains(change->subject)) return {};
  auto at = rows_.find(change->context.decision);
  if (at == rows_.end()) {
    auto live = translator_.Translate(change->context, pool_);
    if (!live.ok()) return live.error();
    Held held{live.value(), change->context.model, change->context.gold_probability,
              {},           change->subject.value, event.seq};
    if (held.unit == 0) held.unit = Mix(change->context.decision.bytes, 1);
    at = rows_.emplace(change->context.decision, std::move(held)).first;
    order_.push_back(change->context.decision);
    if (order_.size() > kRefitRowsMax) {
      rows_.erase(order_.front());
      order_.pop_front();
      first_ = rows_.at(order_.front()).seq;
    }
  }
  at->second.channels = change->after;
  if (first_.value == 0) first_ = event.seq;
  last_ = event.seq;
  ++reports_;
  return {};
}

std::vector<RefitRow> RefitLog::RowsOf(std::uint8_t channel) const {
  std::vector<RefitRow> rows;
  for (const DecisionId& id : order_) {
    const Held& held = rows_.at(id);
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    RefitRow row{held.model, held.live.clusters, held.live.prior, kNone, kNone, held.gold_probability, held.unit};
    for (const ChannelValue& value : held.channels) {
      if (value.channel == 0) row.gold = value.value - value.offset;
      if (value.channel == channel) row.rating = value.value - value.offset;
    }
    if (std::isnan(row.rating) && std::isnan(row.gold)) continue;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace pointsman::bootstrap
