#include "admin/rollout_json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "admin/json.h"
#include "admin/json_fields.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

json EstimateJson(const policy::ValueEstimate& estimate) {
  return {{"value", Finite(estimate.value)},
          {"error", Finite(estimate.error)},
          {"low", Finite(estimate.low)},
          {"high", Finite(estimate.high)}};
}

}  // namespace

json ToJson(const RolloutReport& report) {
  const RolloutReport::Look& look = report.look;
  return {{"mode", report.mode},
          {"share", Finite(report.share)},
          {"incumbent", report.incumbent},
          {"since_sequence", Number64(report.since_sequence)},
          {"since_us", report.since_us},
          {"set_by", report.set_by},
          {"reason", report.reason},
          {"routed", Number64(report.routed)},
          {"followed", Number64(report.followed)},
          {"labels", Number64(report.labels)},
          {"next_look_labels", Number64(report.next_look_labels)},
          {"look",
           {{"number", Number64(look.number)},
            {"labels", Number64(look.labels)},
            {"decisions", Number64(look.decisions)},
            {"gain", Finite(look.gain)},
            {"gain_error", Finite(look.gain_error)},
            {"quality_gain", Finite(look.quality_gain)},
            {"chance", Finite(look.chance)},
            {"level", Finite(look.level)},
            {"verdict", look.verdict}}}};
}

json ToJson(const policy::Judgement& judgement) {
  return {{"decisions", Number64(judgement.decisions)},
          {"without_gold_asked", Number64(judgement.without_gold_asked)},
          {"without_candidates", Number64(judgement.without_candidates)},
          {"observed", Number64(judgement.observed)},
          {"forced", Number64(judgement.forced)},
          {"asked", Number64(judgement.asked)},
          {"answered", Number64(judgement.answered)},
          {"subjects", Number64(judgement.subjects)},
          {"effective_labels", Finite(judgement.effective_labels)},
          {"largest_weight", Finite(judgement.largest_weight)},
          {"support_gap", Finite(judgement.support_gap)},
          {"ips", EstimateJson(judgement.ips)},
          {"snips", EstimateJson(judgement.snips)},
          {"dr", EstimateJson(judgement.dr)},
          {"logged", EstimateJson(judgement.logged)},
          {"difference", EstimateJson(judgement.difference)},
          {"utility_difference", EstimateJson(judgement.utility_difference)},
          {"cost_usd", Finite(judgement.cost_usd)},
          {"logged_cost_usd", Finite(judgement.logged_cost_usd)}};
}

Result<policy::Rollout> ParseRollout(std::string_view body) {
  struct Body {
    std::string mode;
    double share = 0.1;
    std::string incumbent;
  };
  auto parsed = ParseInto<Body>(body, [](Fields& fields, Body& out) {
    fields.Text("mode", &out.mode, true);
    fields.Real("share", &out.share, false);
    fields.Text("incumbent", &out.incumbent, false);
  });
  if (!parsed.ok()) return parsed.error();
  const auto mode = policy::ParseRolloutMode(parsed->mode);
  if (!mode.ok()) return mode.error();
  const double share = mode.value() == policy::RolloutMode::kFull ? 1 : parsed->share;
  return policy::Rollout{mode.value(), share, parsed->incumbent};
}

Result<WhatIfBody> ParseWhatIf(std::string_view body) {
  std::string preset;
  const json* weights = nullptr;
  json object;
  auto parsed = ParseInto<WhatIfBody>(body, [&](Fields& fields, WhatIfBody& out) {
    fields.Text("model", &out.target.model, false);
    fields.Text("preset", &preset, false);
    if ((weights = fields.Raw("weights")) != nullptr) object = *weights;
    fields.Real("epsilon", &out.target.epsilon, false);
    fields.Whole("events", &out.events, false);
  });
  if (!parsed.ok()) return parsed;
  policy::TargetPolicy& target = parsed->target;
  if (!target.model.empty() && (weights != nullptr || !preset.empty() || target.epsilon != 0)) {
    return BadInput("model_alone", "a fixed model takes no preset, weights or epsilon");
  }
  if (weights != nullptr && !preset.empty()) {
    return BadInput("preset_and_weights", "send either a preset or weights, not both");
  }
  if (!preset.empty()) {
    const auto named = policy::PresetWeights(preset);
    if (!named.ok()) return named.error();
    target.weights = named.value();
  }
  if (weights != nullptr) {
    const auto read = ParseInto<policy::Weights>(Dump(object), [](Fields& fields, policy::Weights& out) {
      fields.Real("quality", &out.quality, true);
      fields.Real("cost", &out.cost, true);
    });
    if (!read.ok()) return read.error();
    if (const Status valid = policy::ValidateWeights(read.value()); !valid.ok()) return valid.error();
    target.weights = read.value();
  }
  if (!(target.epsilon >= 0 && target.epsilon <= 1)) {
    return MakeError(Code::kOutOfRange, "out_of_range", "field 'epsilon' must be between 0 and 1");
  }
  return parsed;
}

json WhatIfJson(const policy::TargetPolicy& target, std::uint64_t events) {
  json body = {{"events", events}};
  if (!target.model.empty()) body["model"] = target.model;
  if (target.weights) body["weights"] = {{"quality", target.weights->quality}, {"cost", target.weights->cost}};
  if (target.epsilon > 0) body["epsilon"] = target.epsilon;
  return body;
}

}  // namespace pointsman::admin
