#include "store/record_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "store/keys.h"

namespace pointsman::store {

namespace {

constexpr int kContextNumbers = 6;
constexpr int kContextFloats = 4;  // those of them that may be floats
constexpr int kWidthNumbers = 7;

}  // namespace

void PutNumbers(std::span<const double> from, Doubles* doubles, Floats* floats) {
  const bool exact = std::all_of(from.begin(), from.end(), [](double number) {
    return std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()) &&
           static_cast<double>(static_cast<float>(number)) == number;
  });
  if (!exact) return doubles->Add(from.begin(), from.end());
  floats->Reserve(static_cast<int>(from.size()));
  for (const double number : from) floats->Add(static_cast<float>(number));
}

void PutHash(const BundleHash& from, std::string* to) {
  if (!from.IsZero()) to->assign(KeyOf(from));
}

bool GetHash(std::string_view from, BundleHash* to) {
  *to = BundleHash{};
  if (from.empty()) return true;
  if (from.size() != to->bytes.size()) return false;
  std::memcpy(to->bytes.data(), from.data(), from.size());
  return !to->IsZero();
}

bool GetDecision(std::string_view from, DecisionId* to) {
  if (from.size() != to->bytes.size()) return false;
  std::memcpy(to->bytes.data(), from.data(), from.size());
  return true;
}

void PutContext(const policy::DecisionContext& from, record::Context* to) {
  to->set_decision(std::string(KeyOf(from.decision)));
  to->set_model(from.model.value);
  to->set_generation(from.generation.value);
  PutHash(from.bundle, to->mutable_bundle());
  to->set_decided_at_us(from.decided_at_us);
  std::array<double, policy::ClusterWeights::capacity()> weights{};
  std::size_t count = 0;
  for (const auto& entry : from.clusters) {
    to->add_clusters(entry.cluster.value);
    weights[count++] = entry.weight;
  }
  PutNumbers(std::span(weights).first(count), to->mutable_cluster_weights(), to->mutable_cluster_weights_float());
  static_assert(policy::AnchorWeights::capacity() <= policy::ClusterWeights::capacity());
  count = 0;
  for (const auto& entry : from.anchors) {
    to->add_anchors(entry.anchor);
    weights[count++] = entry.weight;
  }
  PutNumbers(std::span(weights).first(count), to->mutable_anchor_weights(), to->mutable_anchor_weights_float());
  PutNumbers(std::array{from.prior, from.prior_centred, from.predicted_quality, from.predicted_variance},
             to->mutable_numbers(), to->mutable_numbers_float());
  to->add_numbers(from.propensity);
  to->add_numbers(from.gold_probability);
  to->set_audit(from.audit);
}

bool GetContext(const record::Context& from, policy::DecisionContext* to) {
  *to = policy::DecisionContext{};
  if (!GetDecision(from.decision(), &to->decision) || !GetHash(from.bundle(), &to->bundle)) return false;
  to->model = ModelId{from.model()};
  to->generation = Generation{from.generation()};
  to->decided_at_us = from.decided_at_us();
  const int floats = from.numbers_float_size();
  if (from.clusters_size() != CountNumbers(from.cluster_weights(), from.cluster_weights_float()) ||
      from.anchors_size() != CountNumbers(from.anchor_weights(), from.anchor_weights_float()) ||
      from.clusters_size() > static_cast<int>(policy::ClusterWeights::capacity()) ||
      from.anchors_size() > static_cast<int>(policy::AnchorWeights::capacity()) ||
      (floats != 0 && floats != kContextFloats) || from.numbers_size() + floats != kContextNumbers) {
    return false;
  }
  for (int i = 0; i < from.clusters_size(); ++i) {
    to->clusters.push_back(
        {ClusterId{from.clusters(i)}, GetNumber(from.cluster_weights(), from.cluster_weights_float(), i)});
  }
  for (int i = 0; i < from.anchors_size(); ++i) {
    to->anchors.push_back({from.anchors(i), GetNumber(from.anchor_weights(), from.anchor_weights_float(), i)});
  }
  to->prior = GetNumber(from.numbers(), from.numbers_float(), 0);
  to->prior_centred = GetNumber(from.numbers(), from.numbers_float(), 1);
  to->predicted_quality = GetNumber(from.numbers(), from.numbers_float(), 2);
  to->predicted_variance = GetNumber(from.numbers(), from.numbers_float(), 3);
  to->propensity = from.numbers(kContextFloats - floats);
  to->gold_probability = from.numbers(kContextFloats - floats + 1);
  to->audit = from.audit();
  return true;
}

std::string_view FaultOfContext(const policy::DecisionContext& context) {
  for (const auto& entry : context.clusters) {
    if (!Finite(entry.weight) || entry.weight < 0) return "context.clusters";
  }
  for (const auto& entry : context.anchors) {
    if (!Finite(entry.weight) || entry.weight < 0) return "context.anchors";
  }
  if (!Finite(context.prior, context.prior_centred)) return "context.prior";
  if (!Finite(context.predicted_quality, context.predicted_variance)) return "context.predicted_quality";
  if (!Finite(context.propensity) || context.propensity < 0 || context.propensity > 1) return "context.propensity";
  if (!Finite(context.gold_probability) || context.gold_probability < 0 || context.gold_probability > 1) {
    return "context.gold_probability";
  }
  return {};
}

void PutOutcome(const policy::OutcomeReported& from, record::OutcomeReported* to) {
  to->set_decision(std::string(KeyOf(from.decision)));
  to->set_model(from.model.value);
  to->set_decided_at_us(from.decided_at_us);
  to->set_tokens_in(from.tokens_in);
  to->set_tokens_out(from.tokens_out);
  to->set_latency_ms(from.latency_ms);
  to->set_failed(from.failed);
  to->set_verdict(static_cast<std::uint32_t>(from.verdict));
  if (from.cost_usd) to->set_cost_usd(*from.cost_usd);
  to->set_revision(from.revision);
  if (from.replaced_tokens_out) to->set_replaced_tokens_out(*from.replaced_tokens_out);
  to->set_replaced_failed(from.replaced_failed);
  if (!from.tenant.empty()) to->set_tenant(from.tenant);
}

bool GetOutcome(const record::OutcomeReported& from, policy::OutcomeReported* to) {
  *to = policy::OutcomeReported{};
  if (!GetDecision(from.decision(), &to->decision)) return false;
  if (from.verdict() > static_cast<std::uint32_t>(policy::Verdict::kFailed)) return false;
  to->model = ModelId{from.model()};
  to->decided_at_us = from.decided_at_us();
  to->tokens_in = from.tokens_in();
  to->tokens_out = from.tokens_out();
  to->latency_ms = from.latency_ms();
  to->failed = from.failed();
  to->verdict = static_cast<policy::Verdict>(from.verdict());
  if (from.has_cost_usd()) to->cost_usd = from.cost_usd();
  to->tenant = from.tenant();
  to->revision = from.revision();
  if (from.has_replaced_tokens_out()) to->replaced_tokens_out = from.replaced_tokens_out();
  to->replaced_failed = from.replaced_failed();
  return true;
}

std::string_view FaultOfOutcome(const policy::OutcomeReported& outcome) {
  if (!Finite(outcome.latency_ms) || outcome.latency_ms < 0) return "latency_ms";
  if (outcome.cost_usd && (!Finite(*outcome.cost_usd) || *outcome.cost_usd < 0)) return "cost_usd";
  if (outcome.verdict > policy::Verdict::kFailed) return "verdict";
  return {};
}

void PutWidths(const policy::Widths& from, record::Widths* to) {
  for (const double number :
       {from.model, from.trust, from.cell, from.source, from.source_model, from.source_cell, from.common}) {
    to->add_numbers(number);
  }
}

bool GetWidths(const record::Widths& from, policy::Widths* to) {
  if (from.numbers_size() != kWidthNumbers) return false;
  *to = policy::Widths{from.numbers(0), from.numbers(1), from.numbers(2), from.numbers(3),
                       from.numbers(4), from.numbers(5), from.numbers(6)};
  return true;
}

}  // namespace pointsman::store
