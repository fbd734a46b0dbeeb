#include "admin/client_json.h"

#include <string>
#include <utility>

#include "admin/json.h"
#include "admin/json_fields.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

constexpr std::size_t kBatchMax = 256;

Error Wrong(const char* name, const char* wanted) {
  return BadInput("wrong_type", std::string("field '") + name + "' must be " + wanted);
}

// The text of a message's `content`: a string, or parts {"type": "text", "text"}.
// Parts of other types carry nothing to route by and are passed over.
Result<std::string> TextOfContent(const json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return Wrong("content", "a string or an array of parts");
  std::string text;
  for (const json& part : content) {
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) {
      return Wrong("content", "an array of parts, each with a type");
    }
    if (part["type"] != "text" && part["type"] != "input_text") continue;
    if (!part.contains("text") || !part["text"].is_string()) return Wrong("text", "a string in a part of type text");
    if (!text.empty()) text += '\n';
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

Status TakeMessages(Fields& fields, std::string* text) {
  const json* messages = fields.Raw("messages");
  if (messages == nullptr) return {};
  if (!text->empty()) return BadInput("text_and_messages", "send either text or messages, not both");
  if (!messages->is_array()) return Wrong("messages", "an array");
  for (auto message = messages->rbegin(); message != messages->rend(); ++message) {
    if (!message->is_object() || !message->contains("role") || !message->contains("content")) {
      return Wrong("messages", "an array of {role, content}");
    }
    if ((*message)["role"] != "user") continue;
    Result<std::string> found = TextOfContent((*message)["content"]);
    if (!found.ok()) return found.error();
    *text = std::move(found).value();
    return {};
  }
  return BadInput("no_user_message", "no message has the role user; send one, or text");
}

Status TakeNumbers(Fields& fields, const char* name, std::vector<float>* out) {
  const json* list = fields.Raw(name);
  if (list == nullptr) return {};
  if (!list->is_array()) return Wrong(name, "an array of numbers");
  out->reserve(list->size());
  for (const json& item : *list) {
    if (!item.is_number()) return Wrong(name, "an array of numbers");
    out->push_back(item.get<float>());
  }
  return {};
}

Status TakeNames(Fields& fields, const char* name, std::vector<std::string>* out) {
  const json* list = fields.Raw(name);
  if (list == nullptr) return {};
  if (!list->is_array()) return Wrong(name, "an array of strings");
  for (const json& item : *list) {
    if (!item.is_string()) return Wrong(name, "an array of strings");
    out->push_back(item.get<std::string>());
  }
  return {};
}

Status TakeWeights(Fields& fields, std::optional<RouteAsk::Weights>* out) {
  const json* weights = fields.Raw("weights");
  if (weights == nullptr) return {};
  if (!weights->is_object()) return Wrong("weights", "an object {quality, cost}");
  Fields inner(*weights);
  RouteAsk::Weights value;
  inner.Real("quality", &value.quality, true);
  inner.Real("cost", &value.cost, true);
  *out = value;
  return inner.Finish();
}

Result<RouteAsk> RouteOf(json object) {
  Fields fields(std::move(object));
  RouteAsk ask;
  fields.Text("text", &ask.text, false);
  fields.Text("preset", &ask.preset, false);
  fields.Real("cost_cap_usd", &ask.cost_cap_usd, false);
  fields.Real("quality_floor", &ask.quality_floor, false);
  fields.Whole("tokens_in", &ask.tokens_in, false);
  fields.Flag("no_explore", &ask.no_explore, false);
  fields.Real("latency_cap_ms", &ask.latency_cap_ms, false);
  fields.Text("incumbent", &ask.incumbent, false);
  fields.Real("switch_cost", &ask.switch_cost, false);
  fields.Text("observed", &ask.observed, false);
  fields.Text("tenant", &ask.tenant, false);
  fields.Whole("explain", &ask.explain, false);
  fields.Whole("candidates_max", &ask.candidates_max, false);
  for (const Status& taken : {TakeMessages(fields, &ask.text), TakeNumbers(fields, "embedding", &ask.embedding),
                              TakeNames(fields, "allowed", &ask.allowed), TakeWeights(fields, &ask.weights)}) {
    if (!taken.ok()) return taken.error();
  }
  if (Status finished = fields.Finish(); !finished.ok()) return finished.error();
  return ask;
}

void TakeWho(Fields& fields, std::string* subject, std::uint32_t* revision, std::string* tenant) {
  if (subject != nullptr) fields.Text("subject", subject, false);
  fields.Whole("revision", revision, false);
  fields.Text("tenant", tenant, false);
}

// One field under either of two names.
Status TakeEither(Fields& fields, const char* name, const char* other, std::string* out) {
  std::string second;
  fields.Text(name, out, false);
  fields.Text(other, &second, false);
  if (!out->empty() && !second.empty()) {
    return BadInput("two_names", std::string("send either '") + name + "' or '" + other + "', not both");
  }
  if (out->empty()) *out = std::move(second);
  if (!out->empty()) return {};
  return BadInput("missing_field", std::string("field '") + name + "' is missing");
}

// Exactly one of value, stars and thumbs.
Status TakeValue(Fields& fields, double* out) {
  const json* value = fields.Raw("value");
  const json* stars = fields.Raw("stars");
  const json* thumbs = fields.Raw("thumbs");
  const int given = (value != nullptr) + (stars != nullptr) + (thumbs != nullptr);
  if (given != 1) {
    return BadInput(given == 0 ? "missing_field" : "two_values", "send exactly one of value, stars and thumbs");
  }
  if (value != nullptr) {
    if (!value->is_number() && !value->is_boolean()) return Wrong("value", "a number in [0,1], true or false");
    *out = value->is_boolean() ? (value->get<bool>() ? 1.0 : 0.0) : value->get<double>();
  } else if (stars != nullptr) {
    if (!stars->is_number()) return Wrong("stars", "a number from 1 to 5");
    const double number = stars->get<double>();
    if (!(number >= 1 && number <= 5)) {
      return MakeError(Code::kOutOfRange, "out_of_range", "field 'stars' must be from 1 to 5");
    }
    *out = (number - 1) / 4;
  } else {
    if (*thumbs != "up" && *thumbs != "down") return Wrong("thumbs", "\"up\" or \"down\"");
    *out = *thumbs == "up" ? 1 : 0;
  }
  return {};
}

Result<PreferenceAsk> PreferenceOf(json object) {
  Fields fields(std::move(object));
  PreferenceAsk ask;
  fields.Text("winner", &ask.winner, true);
  fields.Text("loser", &ask.loser, true);
  fields.Flag("tie", &ask.tie, false);
  TakeWho(fields, &ask.subject, &ask.revision, &ask.tenant);
  if (Status source = TakeEither(fields, "source", "metric_name", &ask.source); !source.ok()) return source.error();
  if (Status finished = fields.Finish(); !finished.ok()) return finished.error();
  return ask;
}

Result<FeedbackAsk> OpinionOf(json object) {
  Fields fields(std::move(object));
  FeedbackAsk ask;
  TakeWho(fields, &ask.subject, &ask.revision, &ask.tenant);
  const json* tags = fields.Raw("tags");
  if (tags != nullptr && !tags->is_object()) return Wrong("tags", "an object");
  const Status token = TakeEither(fields, "token", "inference_id", &ask.token);
  const Status source = TakeEither(fields, "source", "metric_name", &ask.source);
  const Status value = TakeValue(fields, &ask.value);
  // What is there and unknown first: it is often the missing field, misspelt.
  for (const Status& taken : {fields.Finish(), token, source, value}) {
    if (!taken.ok()) return taken.error();
  }
  return ask;
}

const char* DurabilityName(std::uint32_t durability) {
  constexpr const char* kNames[] = {"none", "process", "synced"};
  return durability < 3 ? kNames[durability] : "unknown";
}

json NamesJson(const std::vector<RouteAnswer::Named>& list) {
  json out = json::array();
  for (const auto& item : list) {
    out.push_back({{"number", item.number}, {"name", item.name}, {"weight", Finite(item.weight)}});
  }
  return out;
}

}  // namespace

Result<RouteAsk> ParseRoute(std::string_view body) {
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  return RouteOf(std::move(object).value());
}

Result<std::vector<RouteAsk>> ParseRouteBatch(std::string_view body) {
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  const json* list = fields.Raw("routes");
  if (Status finished = fields.Finish(); !finished.ok()) return finished.error();
  if (list == nullptr) return BadInput("missing_field", "field 'routes' is missing");
  if (!list->is_array()) return Wrong("routes", "an array of route requests");
  if (list->empty() || list->size() > kBatchMax) {
    return BadInput("batch_size", "a batch of " + std::to_string(list->size()) + " queries; send 1 to 256");
  }
  std::vector<RouteAsk> asks;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string place = "routes[" + std::to_string(i) + "]: ";
    if (!(*list)[i].is_object()) return BadInput("wrong_type", place + "must be an object");
    Result<RouteAsk> ask = RouteOf((*list)[i]);
    if (!ask.ok()) return MakeError(ask.error().code, ask.error().reason, place + ask.error().message);
    asks.push_back(std::move(ask).value());
  }
  return asks;
}

Result<OutcomeAsk> ParseOutcome(std::string_view body) {
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  OutcomeAsk ask;
  fields.Whole("tokens_in", &ask.tokens_in, false);
  fields.Whole("tokens_out", &ask.tokens_out, false);
  fields.Real("latency_ms", &ask.latency_ms, false);
  fields.Flag("failed", &ask.failed, false);
  fields.Text("verdict", &ask.verdict, false);
  TakeWho(fields, nullptr, &ask.revision, &ask.tenant);
  const json* cost = fields.Raw("cost_usd");
  const Status token = TakeEither(fields, "token", "inference_id", &ask.token);
  for (const Status& taken : {fields.Finish(), token}) {
    if (!taken.ok()) return taken.error();
  }
  if (cost != nullptr && !cost->is_number()) return Wrong("cost_usd", "a number");
  if (cost != nullptr) ask.cost_usd = cost->get<double>();
  return ask;
}

Result<std::variant<FeedbackAsk, PreferenceAsk>> ParseFeedback(std::string_view body) {
  using Either = std::variant<FeedbackAsk, PreferenceAsk>;
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  if (object->contains("winner") || object->contains("loser")) {
    Result<PreferenceAsk> ask = PreferenceOf(std::move(object).value());
    if (!ask.ok()) return ask.error();
    return Either(std::move(ask).value());
  }
  Result<FeedbackAsk> ask = OpinionOf(std::move(object).value());
  if (!ask.ok()) return ask.error();
  return Either(std::move(ask).value());
}

Result<RetractAsk> ParseRetract(std::string_view body) {
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  RetractAsk ask;
  TakeWho(fields, &ask.subject, &ask.revision, &ask.tenant);
  const Status token = TakeEither(fields, "token", "inference_id", &ask.token);
  const Status source = TakeEither(fields, "source", "metric_name", &ask.source);
  for (const Status& taken : {fields.Finish(), token, source}) {
    if (!taken.ok()) return taken.error();
  }
  return ask;
}

Result<VoteAsk> ParseVote(std::string_view body) {
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  VoteAsk ask;
  fields.Text("token", &ask.token, true);
  fields.Text("kind", &ask.kind, false);
  fields.Text("tenant", &ask.tenant, false);
  const json* answers = fields.Raw("answers");
  if (Status finished = fields.Finish(); !finished.ok()) return finished.error();
  if (answers == nullptr) return BadInput("missing_field", "field 'answers' is missing");
  if (!answers->is_array()) return Wrong("answers", "an array of {text, model?, confidence?}");
  for (const json& item : *answers) {
    if (!item.is_object()) return Wrong("answers", "an array of {text, model?, confidence?}");
    Fields inner(item);
    VoteAsk::Answer answer;
    inner.Text("text", &answer.text, true);
    inner.Text("model", &answer.model, false);
    const json* confidence = inner.Raw("confidence");
    if (Status finished = inner.Finish(); !finished.ok()) return finished.error();
    if (confidence != nullptr && !confidence->is_number()) return Wrong("confidence", "a number");
    if (confidence != nullptr) answer.confidence = confidence->get<double>();
    ask.answers.push_back(std::move(answer));
  }
  return ask;
}

json ToJson(const RouteAnswer& answer) {
  json ranked = json::array();
  for (const auto& model : answer.ranked) {
    ranked.push_back({{"name", model.name},
                      {"quality", Finite(model.quality)},
                      {"quality_deviation", Finite(model.quality_deviation)},
                      {"cost_usd", Finite(model.cost_usd)},
                      {"utility", Finite(model.utility)},
                      {"probability", Finite(model.probability)}});
  }
  return {{"token", answer.token},
          {"model", answer.model},
          {"model_epoch", answer.model_epoch},
          {"propensity", Finite(answer.propensity)},
          {"ranked", std::move(ranked)},
          {"gold_wanted", answer.gold_wanted},
          {"gold_probability", Finite(answer.gold_probability)},
          {"audit", answer.audit},
          {"forced", answer.forced},
          {"observed", answer.observed},
          {"advised", answer.advised},
          {"followed", answer.followed},
          {"generation", answer.generation},
          {"durability", DurabilityName(answer.durability)},
          {"clusters", NamesJson(answer.clusters)},
          {"tasks", NamesJson(answer.tasks)},
          {"expires_at_us", answer.expires_at_us}};
}

json ToJson(const Acknowledgement& ack) {
  return {{"code", std::string(CodeName(ack.code))},
          {"sequence", Number64(ack.sequence)},
          {"feedback_id", std::to_string(ack.sequence)},
          {"durability", DurabilityName(ack.durability)}};
}

json ToJson(const VoteAnswer& answer) {
  return {{"chosen", answer.chosen},     {"answer", answer.answer},
          {"model", answer.model},       {"agreement", answer.agreement},
          {"escalate", answer.escalate}, {"groups", answer.groups},
          {"kind", answer.kind}};
}

}  // namespace pointsman::admin
