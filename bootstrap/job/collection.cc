#include "bootstrap/job/collection.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "bootstrap/collect/collect.h"
#include "bootstrap/collect/synthesise.h"
#include "bootstrap/collect/taxonomy.h"
#include "bootstrap/data/table_writer.h"
#include "bootstrap/llm/call_log.h"
#include "bootstrap/llm/chat_client.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::uint32_t kCheckTokens = 16;

class CollectionRun {
 public:
  CollectionRun(const Plan& plan, const CollectionInputs& inputs, const Clock& clock)
      : plan_(plan), inputs_(inputs), clock_(clock) {
    progress_ = [this](std::string_view stage, std::uint64_t done, std::uint64_t total) {
      if (inputs_.progress) inputs_.progress(stage, done, total, meter_->reading());
    };
  }

  Result<Collection> Run() {
    if (const Status valid = ValidatePlan(plan_); !valid.ok()) return valid.error();
    if (const Status opened = Open(); !opened.ok()) return opened.error();
    if (const Status made = MakeClients(); !made.ok()) return made.error();
    if (const Status checked = Check(); !checked.ok()) return checked.error();
    auto set = Queries();
    if (!set.ok()) return set.error();
    if (plan_.queries_max > 0 && set->queries.size() > plan_.queries_max) set->queries.resize(plan_.queries_max);
    auto collected = Collect(plan_.name, set.value(), models_, plan_.per_query, plan_.seed, *meter_, progress_);
    if (!collected.ok()) return collected.error();
    DropNonsense(&collected.value());
    const auto labels = LabelAnswers(set.value(), plan_.labels, judge_.get(), *meter_, progress_, &collected.value());
    if (!labels.ok()) return labels.error();
    result_.table_path = inputs_.directory + "/table.jsonl";
    if (const Status kept = WriteTable(result_.table_path, collected->table); !kept.ok()) return kept.error();
    result_.queries = set->queries.size();
    result_.labels = labels.value();
    result_.meter = meter_->reading();
    for (auto* warnings : {&set->warnings, &collected->warnings}) {
      result_.warnings.insert(result_.warnings.end(), warnings->begin(), warnings->end());
    }
    return std::move(result_);
  }

 private:
  Status Open();
  Result<std::unique_ptr<ChatClient>> MakeClient(const PlanEndpoint& endpoint);
  Status MakeClients();
  Status Check();
  Result<QuerySet> Queries();

  const Plan& plan_;
  const CollectionInputs& inputs_;
  const Clock& clock_;
  StageProgress progress_;
  std::unique_ptr<CallLog> log_;
  std::unique_ptr<Meter> meter_;
  std::unique_ptr<ChatClient> generator_;
  std::unique_ptr<ChatClient> judge_;
  std::vector<std::unique_ptr<ChatClient>> models_;
  Collection result_;
};

Status CollectionRun::Open() {
  namespace fs = std::filesystem;
  std::error_code fault;
  fs::create_directories(inputs_.directory, fault);
  if (!fault) fs::permissions(inputs_.directory, fs::perms::owner_all, fault);
  if (fault) {
    return MakeError(Code::kUnavailable, "storage_io",
                     fmt::format("the job's folder {}: {}", inputs_.directory, fault.message()));
  }
  auto log = CallLog::Open(inputs_.directory + "/calls.log");
  if (!log.ok()) return log.error();
  log_ = std::move(log).value();
  const CallLogStatistics known = log_->statistics();
  if (known.damaged_lines > 0) {
    result_.warnings.push_back(fmt::format(
        "{} damaged lines of calls.log were left out; these answers are asked for again", known.damaged_lines));
  }
  meter_ = std::make_unique<Meter>(plan_.budget_usd, known.cost_usd);
  return {};
}

Result<std::unique_ptr<ChatClient>> CollectionRun::MakeClient(const PlanEndpoint& endpoint) {
  ChatEndpointOptions options = endpoint.chat;
  if (!endpoint.key_env.empty()) {
    const auto key = inputs_.environment(endpoint.key_env);
    if (!key || key->empty()) {
      return MakeError(Code::kInvalidArgument, "key_missing",
                       fmt::format("{}.key_env: the environment variable {} is not set for the job", options.field,
                                   endpoint.key_env));
    }
    options.key = *key;
  }
  return ChatClient::Create(options, clock_, *log_, *meter_);
}

Status CollectionRun::MakeClients() {
  const bool synthesise = plan_.source == QuerySource::kSynthesise;
  for (const auto& [endpoint, client, wanted] :
       {std::tuple{&plan_.generator, &generator_, synthesise}, std::tuple{&plan_.judge, &judge_, true}}) {
    if (!wanted || endpoint->chat.name.empty()) continue;
    auto made = MakeClient(*endpoint);
    if (!made.ok()) return made.error();
    *client = std::move(made).value();
  }
  for (const PlanEndpoint& endpoint : plan_.models) {
    auto made = MakeClient(endpoint);
    if (!made.ok()) return made.error();
    models_.push_back(std::move(made).value());
  }
  return {};
}

Status CollectionRun::Check() {
  std::vector<ChatClient*> all;
  for (const auto& model : models_) all.push_back(model.get());
  if (generator_ != nullptr) all.push_back(generator_.get());
  if (judge_ != nullptr) all.push_back(judge_.get());
  Stage stage("check", all.size(), *meter_, progress_);
  return stage.Run(all.size(), all.size(), true, [&](std::size_t i) -> Status {
    ChatQuestion question;
    question.text = "Answer with the one word: ready";
    question.max_tokens = kCheckTokens;
    const auto answer = all[i]->Ask(question);
    return answer.ok() ? Status() : answer.error();
  });
}

Result<QuerySet> CollectionRun::Queries() {
  switch (plan_.source) {
    case QuerySource::kStarter: return StarterQueries(plan_.starter_directory);
    case QuerySource::kFile: return ReadQueryFile(plan_.queries_path);
    case QuerySource::kSynthesise: break;
  }
  Result<std::vector<TaxonomyNode>> nodes = std::vector<TaxonomyNode>{};
  if (plan_.synthesis.starter_taxonomy) {
    std::vector<std::string> domains;
    for (const PlanDomain& domain : plan_.synthesis.domains) domains.push_back(domain.name);
    nodes = StarterTaxonomy(plan_.starter_directory, domains);
  } else {
    nodes = GrowTaxonomy(plan_.synthesis, plan_.seed, *generator_, *meter_, progress_);
  }
  if (!nodes.ok()) return nodes.error();
  return Synthesise(nodes.value(), plan_.synthesis, plan_.queries_max, *generator_, *meter_, progress_);
}

}  // namespace

Result<Collection> CollectByPlan(const Plan& plan, const CollectionInputs& inputs, const Clock& clock) {
  return CollectionRun(plan, inputs, clock).Run();
}

Result<QueryForecast> ForecastQueries(const Plan& plan) {
  QueryForecast forecast;
  if (plan.source == QuerySource::kSynthesise) {
    std::uint64_t nodes = 0;
    if (plan.synthesis.starter_taxonomy) {
      std::vector<std::string> domains;
      for (const PlanDomain& domain : plan.synthesis.domains) domains.push_back(domain.name);
      const auto known = StarterTaxonomy(plan.starter_directory, domains);
      if (!known.ok()) return known.error();
      nodes = known->size();
    } else {
      nodes = (plan.synthesis.domains.size() + plan.synthesis.new_domains) *
              static_cast<std::uint64_t>(plan.synthesis.subcategories) * plan.synthesis.levels;
    }
    forecast.queries = nodes * plan.synthesis.per_node;
    return forecast;
  }
  const auto set =
      plan.source == QuerySource::kStarter ? StarterQueries(plan.starter_directory) : ReadQueryFile(plan.queries_path);
  if (!set.ok()) return set.error();
  for (const SetQuery& query : set->queries) forecast.mean_bytes += static_cast<double>(query.text.size());
  forecast.queries = set->queries.size();
  forecast.mean_bytes /= static_cast<double>(forecast.queries);
  return forecast;
}

}  // namespace pointsman::bootstrap
