#include "bootstrap/job/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kModelsMax = 1000;
constexpr std::size_t kThreadsMax = 512;
// What an answer is expected to be long, in tokens, where nothing is known yet.
constexpr double kAnswerTokens = 200;
constexpr double kJudgementTokens = 80;
constexpr double kQuestionTokens = 120;  // a question with options and answer, as a generator writes it
constexpr double kPromptTokens = 250;    // around it
constexpr double kCharactersPerToken = 4;

Error Bad(const std::string& field, const std::string& what) {
  return MakeError(Code::kInvalidArgument, "plan", field + ": " + what);
}

Status CheckName(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (fits) return {};
  return Bad("name", "must be 1 to 64 letters, digits, '-' or '_'");
}

Status CheckEndpoint(const PlanEndpoint& endpoint) {
  const ChatEndpointOptions& chat = endpoint.chat;
  if (chat.name.empty()) return Bad(chat.field + ".name", "is missing");
  if (chat.base_url.empty()) return Bad(chat.field + ".base_url", "is missing, for example https://host/v1");
  if (chat.model.empty()) return Bad(chat.field + ".model", "is missing: the endpoint's name for it");
  for (const auto& [price, key] : {std::pair{chat.input_usd_per_million, "input_usd_per_million"},
                                   std::pair{chat.output_usd_per_million, "output_usd_per_million"}}) {
    if (std::isnan(price)) return Bad(chat.field + "." + key, "is missing: without prices no budget can be kept");
    if (price < 0) return Bad(chat.field + "." + key, "is negative");
  }
  return {};
}

Status CheckModels(const Plan& plan) {
  if (plan.models.size() < 2) return Bad("models", "at least two are needed: with one there is nothing to choose");
  if (plan.models.size() > kModelsMax) return Bad("models", fmt::format("at most {} are possible", kModelsMax));
  std::set<std::string> names;
  std::size_t threads = 0;
  for (const PlanEndpoint& model : plan.models) {
    if (const Status checked = CheckEndpoint(model); !checked.ok()) return checked;
    if (!names.insert(model.chat.name).second) return Bad(model.chat.field + ".name", "occurs twice");
    threads += model.chat.concurrency;
  }
  if (threads > kThreadsMax) {
    return Bad("limits.concurrency",
               fmt::format("{} requests at once over all models; at most {} are possible", threads, kThreadsMax));
  }
  if (plan.per_query > plan.models.size()) return Bad("per_query", "is more than there are models");
  if (plan.per_query == 1) return Bad("per_query", "must be 0 (all models) or at least 2: one answer says nothing");
  return {};
}

Status CheckSynthesis(const Plan& plan) {
  if (plan.generator.chat.name.empty()) return Bad("generator", "is missing: queries = \"synthesise\" needs one");
  const SynthesisOptions& options = plan.synthesis;
  if (!options.starter_taxonomy && options.domains.empty() && options.new_domains == 0) {
    return Bad("synthesise.domains", "is empty and new_domains is 0: there would be no domain");
  }
  std::set<std::string> names;
  for (const PlanDomain& domain : options.domains) {
    if (domain.name.empty()) return Bad("synthesise.domains", "holds an empty name");
    if (!names.insert(domain.name).second) return Bad("synthesise.domains", "names " + domain.name + " twice");
  }
  return {};
}

struct Usage {
  std::uint64_t calls = 0;
  double tokens_in = 0;
  double tokens_out = 0;
};

void Add(PlanEstimate& estimate, const std::string& stage, const ChatEndpointOptions& chat, const Usage& usage) {
  PlanStage one{stage, chat.name, usage.calls, usage.tokens_in, usage.tokens_out, 0};
  one.cost_usd = (usage.tokens_in * chat.input_usd_per_million + usage.tokens_out * chat.output_usd_per_million) / 1e6;
  estimate.cost_usd += one.cost_usd;
  estimate.worst_cost_usd += (usage.tokens_in * chat.input_usd_per_million +
                              static_cast<double>(usage.calls) * chat.max_tokens * chat.output_usd_per_million) /
                             1e6;
  estimate.stages.push_back(std::move(one));
}

}  // namespace

Status ValidatePlan(const Plan& plan) {
  if (const Status name = CheckName(plan.name); !name.ok()) return name;
  if (const Status models = CheckModels(plan); !models.ok()) return models;
  for (const PlanEndpoint* endpoint : {&plan.generator, &plan.judge}) {
    if (endpoint->chat.name.empty()) continue;
    if (const Status checked = CheckEndpoint(*endpoint); !checked.ok()) return checked;
  }
  if (plan.source == QuerySource::kFile && plan.queries_path.empty()) return Bad("queries", "names no file");
  if (plan.source == QuerySource::kSynthesise) {
    if (const Status synthesis = CheckSynthesis(plan); !synthesis.ok()) return synthesis;
  }
  if (plan.labels.empty()) return Bad("labels", "is empty; take reference, judge and consensus, in your order");
  const auto has = [&](LabelSource source) {
    return std::find(plan.labels.begin(), plan.labels.end(), source) != plan.labels.end();
  };
  if (std::set<LabelSource>(plan.labels.begin(), plan.labels.end()).size() != plan.labels.size()) {
    return Bad("labels", "names one source twice");
  }
  if (plan.labels.size() == 1 && has(LabelSource::kJudge) && plan.judge.chat.name.empty()) {
    return Bad("judge", "is missing: labels names nothing else");
  }
  return {};
}

PlanEstimate EstimatePlan(const Plan& plan, std::uint64_t queries, double query_bytes) {
  PlanEstimate estimate;
  estimate.queries = plan.queries_max > 0 ? std::min<std::uint64_t>(queries, plan.queries_max) : queries;
  const double query_tokens = query_bytes > 0 ? query_bytes / kCharactersPerToken : kQuestionTokens;
  const auto count = static_cast<double>(estimate.queries);
  if (plan.source == QuerySource::kSynthesise) {
    const std::uint64_t calls = (queries + plan.synthesis.batch - 1) / std::max<std::uint32_t>(plan.synthesis.batch, 1);
    Add(estimate, "synthesise", plan.generator.chat,
        {calls, static_cast<double>(calls) * kPromptTokens, static_cast<double>(queries) * kQuestionTokens});
  }
  const double each = plan.per_query == 0 ? static_cast<double>(plan.models.size()) : plan.per_query;
  const double asked = count * each / static_cast<double>(plan.models.size());
  for (const PlanEndpoint& model : plan.models) {
    Add(estimate, "collect", model.chat,
        {static_cast<std::uint64_t>(std::ceil(asked)), asked * (query_tokens + 30),
         asked * std::min<double>(kAnswerTokens, model.chat.max_tokens)});
  }
  const auto judge = std::find(plan.labels.begin(), plan.labels.end(), LabelSource::kJudge);
  if (judge != plan.labels.end() && !plan.judge.chat.name.empty()) {
    // At most: what a reference decides before is not known yet.
    const double answers = count * each;
    Add(estimate, "label", plan.judge.chat,
        {static_cast<std::uint64_t>(answers), answers * (query_tokens + kAnswerTokens + 120),
         answers * kJudgementTokens});
  }
  return estimate;
}

}  // namespace pointsman::bootstrap
