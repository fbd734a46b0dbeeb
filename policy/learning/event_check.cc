#include "policy/learning/event_check.h"

#include <cmath>

namespace pointsman::policy {

namespace {

// Ranges are written so that NaN fails.
bool InUnit(double value) { return value >= 0 && value <= 1; }

Status CheckChannels(const State& state, const Channels& channels) {
  int last = -1;
  for (const ChannelValue& channel : channels) {
    if (channel.channel <= last || channel.channel > state.options.sources.size()) {
      return BadEvent("channels must ascend and name gold or a configured source");
    }
    if (!InUnit(channel.value) || !(std::abs(channel.offset) <= 1)) {
      return BadEvent("a channel's value is out of range");
    }
    last = channel.channel;
  }
  return {};
}

}  // namespace

Error BadEvent(const std::string& what) {
  return MakeError(Code::kInvalidArgument, "bad_event", "the event cannot be folded: " + what);
}

Status CheckModel(const State& state, ModelId model) {
  if (state.pool.Find(model) != nullptr) return {};
  return BadEvent("the pool has no model with number " + std::to_string(model.value));
}

Status CheckContext(const State& state, const DecisionContext& context) {
  if (auto s = CheckModel(state, context.model); !s.ok()) return s;
  if (context.decided_at_us > kTimeMaxUs || context.decided_at_us < -kTimeMaxUs) {
    return BadEvent("the decision's time is out of range");
  }
  if (context.clusters.empty()) return BadEvent("a decision lies in at least one cluster");
  double sum = 0;
  for (std::size_t i = 0; i < context.clusters.size(); ++i) {
    const ClusterWeight& entry = context.clusters[i];
    if (i > 0 && entry.cluster <= context.clusters[i - 1].cluster) return BadEvent("clusters must ascend");
    if (!InUnit(entry.weight)) return BadEvent("a cluster's weight is out of range");
    sum += entry.weight;
  }
  if (!(std::abs(sum - 1) <= 1e-6)) return BadEvent("cluster weights must sum to 1");
  for (const AnchorWeight& anchor : context.anchors) {
    if (!InUnit(anchor.weight)) return BadEvent("an anchor's weight is out of range");
  }
  if (!InUnit(context.prior) || !(std::abs(context.prior_centred) <= 1)) return BadEvent("the prior is out of range");
  if (!std::isfinite(context.predicted_quality) || !(context.predicted_variance >= 0) ||
      !std::isfinite(context.predicted_variance)) {
    return BadEvent("the prediction is out of range");
  }
  if (!InUnit(context.propensity) || !InUnit(context.gold_probability)) {
    return BadEvent("a probability is out of range");
  }
  return {};
}

Status CheckRow(const State& state, const RowChanged& change, LogSeq seq) {
  if (auto s = CheckContext(state, change.context); !s.ok()) return s;
  if (auto s = CheckChannels(state, change.before); !s.ok()) return s;
  if (auto s = CheckChannels(state, change.after); !s.ok()) return s;
  if (change.channel > state.options.sources.size()) return BadEvent("the channel is not configured");
  for (const double weight : {change.weight_before, change.weight_after, change.arrival_weight}) {
    if (!(weight > 0 && weight <= 1)) return BadEvent("an arrival weight must lie in (0,1]");
  }
  if (!InUnit(change.value)) return BadEvent("the value must lie in [0,1]");
  for (const SubjectSaid& said : change.compared) {
    if (said.channel < 1 || said.channel > state.options.sources.size() || !InUnit(said.value)) {
      return BadEvent("what gold is compared with is out of range");
    }
  }
  if (change.last_folded >= seq) return BadEvent("a row cannot have been folded later than this event");
  return {};
}

Status CheckPreference(const State& state, const PreferenceGiven& preference) {
  if (auto s = CheckContext(state, preference.winner); !s.ok()) return s;
  if (auto s = CheckContext(state, preference.loser); !s.ok()) return s;
  if (!InUnit(preference.outcome) || !InUnit(preference.replaced_outcome.value_or(0))) {
    return BadEvent("a preference's outcome must lie in [0,1]");
  }
  if (preference.channel > state.options.sources.size()) return BadEvent("the channel is not configured");
  if (!(preference.arrival_weight > 0 && preference.arrival_weight <= 1)) {
    return BadEvent("an arrival weight must lie in (0,1]");
  }
  return {};
}

Status CheckSurface(const State& state, const BiasSurfaceInstalled& surface, std::size_t clusters, LogSeq seq) {
  if (surface.channel < 1 || surface.channel > state.options.sources.size()) {
    return BadEvent("the surface's channel is not a configured source");
  }
  if (surface.bundle != state.bundle) return BadEvent("the surface was fitted on another bundle than the live one");
  if (!surface.clusters.empty() && surface.clusters.size() != clusters + 1) {
    return BadEvent("the surface must name every cluster of the live bundle");
  }
  const auto in_force = state.surfaces.find(surface.channel);
  if (in_force != state.surfaces.end() && surface.version <= in_force->second.version) {
    return BadEvent("a surface's version rises");
  }
  if (surface.fitted_from > surface.fitted_to || surface.fitted_to >= seq) {
    return BadEvent("the surface was fitted on events that are not there");
  }
  if (surface.learner.size() > kSurfaceLearnerBytes) return BadEvent("the surface's learner has too long a name");
  if (!(surface.noise >= 0 && surface.noise <= 10) || !(surface.error >= 0 && surface.error <= 10)) {
    return BadEvent("the surface's noise is out of range");
  }
  for (const double bias : surface.clusters) {
    if (!(std::abs(bias) <= 1)) return BadEvent("a bias must lie in [-1,1]");
  }
  ModelId last;
  for (const ModelBias& model : surface.models) {
    if (model.model <= last) return BadEvent("the surface's models must ascend");
    if (auto s = CheckModel(state, model.model); !s.ok()) return s;
    if (!(std::abs(model.bias) <= 1)) return BadEvent("a bias must lie in [-1,1]");
    last = model.model;
  }
  return {};
}

Status CheckRefitted(const State& state, const Refitted& refitted) {
  const std::size_t channels_max = state.options.sources.size() + 1;
  if (!refitted.noise.empty()) {
    std::size_t n = 1;
    while (n < channels_max && n * n != refitted.noise.size()) ++n;
    if (n * n != refitted.noise.size()) return BadEvent("the noise covariance has the wrong size");
    for (std::size_t i = 0; i < refitted.noise.size(); ++i) {
      const bool diagonal = i % (n + 1) == 0;
      if (!(std::abs(refitted.noise[i]) <= 10) || (diagonal && !(refitted.noise[i] > 0))) {
        return BadEvent("the noise covariance is out of range");
      }
    }
  }
  if (refitted.response.size() >= channels_max && !refitted.response.empty()) {
    return BadEvent("more response slopes than sources");
  }
  for (const double slope : refitted.response) {
    if (!(slope > 0 && slope <= 10)) return BadEvent("a response slope is out of range");
  }
  if (!(refitted.trust_width >= 0 && refitted.trust_width <= 10)) return BadEvent("the trust width is out of range");
  for (const PacerStart& start : refitted.pacers) {
    if (!(start.lambda >= 0 && start.lambda <= 1e6)) return BadEvent("a pacer's price is out of range");
  }
  if (!(refitted.model_width >= 0 && refitted.model_width <= 10)) return BadEvent("the model width is out of range");
  return {};
}

}  // namespace pointsman::policy
