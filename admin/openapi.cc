#include "admin/openapi.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace pointsman::admin {
namespace {

using nlohmann::json;

// One object type: fields apart by blanks, each "name:type", "name?:type" where it
// may be missing. Types: text, bool, int (32 bits), big (a number, or a string
// beyond 2^53), real (null where it is not finite), number (never null), any,
// object, the name of a schema, [type] for an array, a|b|c for one of these words.
struct Schema {
  std::string_view name;
  std::string_view fields;
  bool open = false;  // further fields may come
};

constexpr std::array kSchemas = {
    Schema{"State", "status:text"},
    Schema{"Problem",
           "type:text title:text status:int detail:text code:text reason:text retry:never|same_request|"
           "after_backoff"},
    Schema{"Nothing", ""},
    Schema{"OpenApi", "openapi:text info:object paths:object components:object", true},
    Schema{"Help", "routes:[HelpRow]"},
    Schema{"HelpRow", "method:GET|POST path:text help:text mutates:bool socket:api|admin"},
    Schema{
        "Status",
        "version:text generation:int bundle:text bundle_made_from:text embedder:text dimension:int last_sequence:big "
        "synced_sequence:big learned_sequence:big checkpoint_sequence:big base_sequence:big state_hash:text "
        "open_decisions:big disk_bytes:big memory:Memory decisions:big audits:big outcomes:big ratings:big gold:big "
        "preferences:big retractions:big expired:big not_folded:big quarantined_cells:big lost_unsynced:big "
        "refused:big commit_waiting:big commit_refused:big connections:big frozen:bool audited_gold:big "
        "audited_rmse:real audited_z_squared:real uptime_seconds:real sources:[Source] alarms:big cell_alarms:big "
        "judge_alarms:big guard_z_squared:real guard_bias_factor:real guard_steps:big model_width:real "
        "trust_width:real budgets:[Budget] subjects:Subjects rollout:Rollout warnings:[text]",
        true},
    Schema{"Memory", "resident_bytes:big allocated_bytes:big memtable_bytes:big read_cache_bytes:big"},
    Schema{"Source",
           "name:text reports:big bias:real bias_deviation:real quarantine:text quarantined_since:big "
           "answers_with_gold:real"},
    Schema{"Subjects",
           "capped:bool reports:big lessened:big withheld:real watched:big distrusted:big excluded:big "
           "likeness:real "
           "group_alarm:bool group_since:big group_alarms:big conspicuous:[Subject]"},
    Schema{"Subject", "subject:text reports:big mean_weight:real trust:real answers_with_gold:real deviation:real"},
    Schema{"Budget", "tenant:text usd_per_request:real mean_cost_usd:real lambda:real spent_usd:real settled:big"},
    Schema{"Weights", "quality:number cost:number"},
    Schema{
        "RouteRequest",
        "text?:text messages?:[Message] embedding?:[number] preset?:cost|balanced|quality weights?:Weights "
        "allowed?:[text] cost_cap_usd?:number quality_floor?:number tokens_in?:int no_explore?:bool tenant?:text "
        "latency_cap_ms?:number incumbent?:text switch_cost?:number observed?:text explain?:int candidates_max?:int"},
    Schema{"Message", "role:text content:any", true},
    Schema{"Ranked", "name:text quality:real quality_deviation:real cost_usd:real utility:real probability:real"},
    Schema{"Named", "number:int name:text weight:real"},
    Schema{
        "Route",
        "token:text model:text model_epoch:int propensity:real ranked:[Ranked] gold_wanted:bool gold_probability:real "
        "audit:bool forced:bool observed:bool advised:text followed:bool generation:int durability:none|process|synced "
        "clusters:[Named] tasks:[Named] "
        "expires_at_us:int"},
    Schema{"RouteBatchRequest", "routes:[RouteRequest]"},
    Schema{"RouteBatch", "items:[RouteBatchItem]"},
    Schema{"RouteBatchItem", "reply?:Route error?:Problem"},
    Schema{"OutcomeRequest",
           "token?:text inference_id?:text tokens_in?:int tokens_out?:int latency_ms?:number failed?:bool "
           "verdict?:too_weak|too_costly|failed cost_usd?:number revision?:int tenant?:text"},
    Schema{"FeedbackRequest",
           "token?:text inference_id?:text source?:text metric_name?:text value?:any stars?:number thumbs?:up|down "
           "winner?:text loser?:text tie?:bool subject?:text revision?:int tenant?:text tags?:object"},
    Schema{"RetractRequest",
           "token?:text inference_id?:text source?:text metric_name?:text subject?:text revision?:int tenant?:text"},
    Schema{"VoteRequest", "token:text answers:[VoteRequestAnswer] kind?:letter|number|text tenant?:text"},
    Schema{"VoteRequestAnswer", "text:text model?:text confidence?:number"},
    Schema{"Vote", "chosen:int answer:text model:text agreement:real escalate:bool groups:[[int]] kind:text"},
    Schema{"Acknowledgement", "code:OK|DUPLICATE_OK sequence:big feedback_id:text durability:none|process|synced"},
    Schema{"Price", "input_usd_per_million:number output_usd_per_million:number"},
    Schema{"AddModelRequest",
           "name:text input_usd_per_million:number output_usd_per_million:number context_tokens?:int family?:text "
           "strength?:number"},
    Schema{"ProbesRequest", "probes:[ProbeRequest]"},
    Schema{"ProbeRequest", "query?:text embedding?:[number] score:number"},
    Schema{"Probes", "model:Model probes:big thin_clusters:[text]"},
    Schema{"StateRequest", "state:active|draining|retired"},
    Schema{"Models", "models:[Model]"},
    Schema{"Model",
           "id:int name:text epoch:int state:active|draining|retired|new|probation trial?:Trial price:Price "
           "context_tokens:int in_bundle:bool "
           "prior_quality:real level:real level_deviation:real expected_tokens_out:real latency_median_ms:real "
           "latency_high_ms:real decisions:big outcomes:big "
           "failures:big ratings:big gold:big biases:[Bias]",
           true},
    Schema{"Trial",
           "prior:nothing|facts|again like:[text] reports:big reports_needed:big plays:big spent:real allowance:real "
           "spent_usd:real allowance_usd:real gold_asked:big probes:big"},
    Schema{"Bias", "source:text bias:real deviation:real"},
    Schema{"ModelProfile", "model:Model clusters:int best_in:int mean_quality:real niches:[Niche]"},
    Schema{"Niche",
           "cluster:int terms:text size:int rank:int quality:real quality_deviation:real lead:real skill:real "
           "gold_weight:real rating_weight:real conflict:bool"},
    Schema{"ModelTree", "clusters:int leaves:[Leaf] joins:[Join]"},
    Schema{"Leaf", "model:text family:int"},
    Schema{"Join", "left:int right:int distance:real models:int"},
    Schema{"Clusters", "clusters:[Cluster]"},
    Schema{"Cluster",
           "number:int name:text size:int leader:text leader_quality:real x:real y:real gold_weight:real "
           "rating_weight:real"},
    Schema{"ClusterDetail",
           "number:int name:text size:int leader:text leader_quality:real x:real y:real gold_weight:real "
           "rating_weight:real cells:[Cell]"},
    Schema{"Cell",
           "model:text prior:real quality:real quality_deviation:real gold_weight:real rating_weight:real "
           "conflict:bool"},
    Schema{"Traffic",
           "from_us:int to_us:int decisions:big audits:big forced:big quality:real cost_usd:real points:[TrafficPoint] "
           "models:[TrafficShare] clusters:[TrafficCluster] channels:[TrafficChannel] dearest:Alone best:Alone "
           "observed:Observed"},
    Schema{"Observed",
           "decisions:big agreed:big quality:real cost_usd:real advised_quality:real advised_cost_usd:real"},
    Schema{"TrafficPoint", "at_us:int decisions:big quality:real cost_usd:real"},
    Schema{"TrafficShare", "model:text decisions:big candidates:big quality:real cost_usd:real"},
    Schema{"TrafficCluster", "number:int decisions:real"},
    Schema{"TrafficChannel", "source:text reports:big mean:real"},
    Schema{"Alone", "model:text saved_usd:real saved_share:real quality_gained:real"},
    Schema{"Generations", "generations:[Generation]"},
    Schema{"Generation",
           "number:int bundle:text made_from:text labels:text clusters:int models:int rows:big activated_sequence:big "
           "activated_at_us:int reason:text live:bool",
           true},
    Schema{"ActivateRequest", "target:any"},
    Schema{"BootstrapRequest",
           "table_path?:text plan_path?:text labels?:consensus|scores method?:text filter?:text "
           "recogniser?:text clusters_max?:int seed?:int embedder?:text "
           "refit_embedder?:bool activate?:bool force?:bool",
           true},
    Schema{"Bootstrap",
           "state:text stage:text progress:real message:text bundle:text generation:int started_at_us:int "
           "ended_at_us:int cost_usd:real asked:big reused:big gate:text",
           true},
    Schema{"RefitRequest", "learner?:r|dr base?:ridge|forest dry_run?:bool", true},
    Schema{"Refit", "sources:[RefitSource]"},
    Schema{"RefitSource",
           "source:text outcome:text message:text version:int learner:text ratings:big gold:big paired:big "
           "fitted_from:big fitted_to:big scale:real noise:real error:real correction:real clusters:[RefitBias]"},
    Schema{"RefitBias", "number:int name:text bias:real error:real"},
    Schema{"PlanRequest", "plan_path:text"},
    Schema{"PlanEstimate",
           "name:text queries:int cost_usd:real worst_cost_usd:real budget_usd:real stages:[PlanStage]"},
    Schema{"PlanStage", "stage:text model:text calls:int tokens_in:real tokens_out:real cost_usd:real"},
    Schema{"GenerationDiff",
           "comparable:bool clusters:[ClusterChange] models:[ModelChange] decisions:big value_from:real "
           "value_from_error:real value_to:real value_to_error:real"},
    Schema{"ClusterChange", "kind:text number:int name:text size:int from:[text] cosine:real"},
    Schema{"ModelChange", "name:text prior_from:real prior_to:real share_from:real share_to:real"},
    Schema{"Explanation",
           "decision:text sequence:big decided_at_us:int generation:int chosen:text propensity:real audit:bool "
           "forced:bool gold_wanted:bool incumbent:text followed:bool router_share:real observed:bool advised:text "
           "prior:real "
           "predicted_quality:real predicted_deviation:real clusters:[Named] "
           "tasks:[Named] candidates:[Candidate] channels:[Channel] outcome_known:bool tokens_out:int latency_ms:real "
           "failed:bool open:bool",
           true},
    Schema{"Candidate", "model:text probability:real quality:real cost_usd:real utility:real"},
    Schema{"Channel", "source:text value:real revision:int retracted:bool"},
    Schema{"GoldQueue", "decisions:[GoldTask]"},
    Schema{
        "GoldTask",
        "decision:text sequence:big decided_at_us:int expires_at_us:int tenant:text model:text audit:bool worth:real "
        "gold_probability:real predicted_quality:real predicted_deviation:real clusters:[Named]"},
    Schema{"GoldRequest", "decision:text value:number revision?:int"},
    Schema{"LearningRequest", "frozen:bool"},
    Schema{"Learning", "frozen:bool"},
    Schema{"RolloutRequest", "mode:full|canary|apprentice share?:number incumbent?:text"},
    Schema{"Rollout",
           "mode:full|canary|apprentice share:real incumbent:text since_sequence:big since_us:int set_by:text "
           "reason:text routed:big followed:big labels:big next_look_labels:big look:RolloutLook"},
    Schema{"RolloutLook",
           "number:big labels:big decisions:big gain:real gain_error:real quality_gain:real chance:real level:real "
           "verdict:text"},
    Schema{"WhatIfRequest", "model?:text preset?:cost|balanced|quality weights?:Weights epsilon?:number events?:int"},
    Schema{"WhatIf",
           "decisions:big without_gold_asked:big without_candidates:big observed:big forced:big asked:big answered:big "
           "subjects:big effective_labels:real largest_weight:real support_gap:real ips:Estimate snips:Estimate "
           "dr:Estimate logged:Estimate difference:Estimate utility_difference:Estimate cost_usd:real "
           "logged_cost_usd:real"},
    Schema{"Estimate", "value:real error:real low:real high:real"},
    Schema{"SubjectRequest", "subject:text tenant?:text"},
    Schema{"Exclusion", "subject:text reports:big before:bool"},
    Schema{"Inclusion", "subject:text missed:big"},
    Schema{"Compaction", "bytes_before:big bytes_after:big seconds:real"},
    Schema{"Undo", "undone:text undone_sequence:big now:text"},
};

json Reference(std::string_view name) { return {{"$ref", "#/components/schemas/" + std::string(name)}}; }

json TypeOf(std::string_view type) {
  if (type.starts_with('[')) return {{"type", "array"}, {"items", TypeOf(type.substr(1, type.size() - 2))}};
  if (type == "text") return {{"type", "string"}};
  if (type == "bool") return {{"type", "boolean"}};
  if (type == "int") return {{"type", "integer"}};
  if (type == "big") return {{"type", {"integer", "string"}}};
  if (type == "real") return {{"type", {"number", "null"}}};
  if (type == "number" || type == "object") return {{"type", std::string(type)}};
  if (type == "any") return json::object();
  if (type.find('|') == std::string_view::npos && std::isupper(static_cast<unsigned char>(type[0])) != 0) {
    return Reference(type);
  }
  json words = json::array();
  std::istringstream list{std::string(type)};
  for (std::string word; std::getline(list, word, '|');) words.push_back(word);
  return {{"type", "string"}, {"enum", std::move(words)}};
}

json SchemaJson(const Schema& schema) {
  json properties = json::object();
  json required = json::array();
  std::istringstream fields{std::string(schema.fields)};
  for (std::string field; fields >> field;) {
    const std::size_t colon = field.find(':');
    std::string name = field.substr(0, colon);
    const bool optional = name.ends_with('?');
    if (optional) name.pop_back();
    if (!optional) required.push_back(name);
    properties[name] = TypeOf(std::string_view(field).substr(colon + 1));
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", schema.open}};
}

json Content(std::string_view type, json schema) { return {{std::string(type), {{"schema", std::move(schema)}}}}; }

// "postModelsPrice" from POST /v1/models/{name}/price.
std::string OperationId(const RouteRow& row) {
  std::string id = row.method == "GET" ? "get" : "post";
  bool upper = true;
  bool skipping = false;
  const std::string_view path = row.path.starts_with("/v1/") ? row.path.substr(3) : row.path;
  for (const char c : path) {
    if (c == '{') skipping = true;
    if (!skipping && std::isalnum(static_cast<unsigned char>(c)) != 0) {
      id += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      upper = false;
    } else {
      upper = true;
    }
    if (c == '}') skipping = false;
  }
  const std::size_t brace = row.path.find('{');
  if (brace != std::string_view::npos && row.path.ends_with('}')) id += "Item";
  return id == "get" ? "getDashboard" : id;
}

json Operation(const RouteRow& row) {
  json good = {{"description", "done"}};
  if (!row.gives.empty()) good["content"] = Content("application/json", Reference(row.gives));
  json operation = {{"summary", std::string(row.help)},
                    {"operationId", OperationId(row)},
                    {"tags", {row.role == Role::kApi ? "api and admin socket" : "admin socket"}},
                    {"responses",
                     {{std::to_string(row.good), std::move(good)},
                      {"default",
                       {{"description", "a problem document (RFC 9457)"},
                        {"content", Content("application/problem+json", Reference("Problem"))}}}}}};
  json parameters = json::array();
  if (const std::size_t open = row.path.find('{'); open != std::string_view::npos) {
    const std::string name(row.path.substr(open + 1, row.path.find('}') - open - 1));
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  if (row.method == "POST") {
    parameters.push_back({{"name", "Idempotency-Key"},
                          {"in", "header"},
                          {"required", false},
                          {"description", "A repetition with the same key gets the first answer."},
                          {"schema", {{"type", "string"}, {"minLength", 1}, {"maxLength", 255}}}});
    operation["requestBody"] = {{"required", row.takes != "Nothing"},
                                {"content", Content("application/json", Reference(row.takes))}};
  }
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  return operation;
}

}  // namespace

bool HasSchema(std::string_view name) {
  return std::any_of(kSchemas.begin(), kSchemas.end(), [&](const Schema& schema) { return schema.name == name; });
}

json OpenApiDocument(std::span<const RouteRow> rows) {
  json paths = json::object();
  for (const RouteRow& row : rows) {
    paths[std::string(row.path)][row.method == "GET" ? "get" : "post"] = Operation(row);
  }
  json schemas = json::object();
  for (const Schema& schema : kSchemas) schemas[std::string(schema.name)] = SchemaJson(schema);
  return {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Pointsman"},
        {"version", "1"},
        {"description",
         "Which language model answers each query, and what came of it. Served on api.sock (what services need) and "
         "admin.sock (everything); on a loopback port only where the configuration says so, with a bearer token."},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", {{{"url", "http://localhost"}, {"description", "any host name: the socket decides"}}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(schemas)}, {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace pointsman::admin
