// The OpenAPI document against the behaviour: every answer fits the schema that the
// document names for it, every refusal is a problem document.
#include "admin/openapi.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "admin/http_server.h"
#include "tests/admin/fake_ports.h"
#include "tests/admin/raw_client.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

bool HasType(const json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

// What is wrong with `value`, or nothing. As much of JSON Schema as the document uses.
std::string Fault(const json& document, const json& schema, const json& value, const std::string& place) {
  if (schema.contains("$ref")) {
    return Fault(document, document.at(json::json_pointer(schema["$ref"].get<std::string>().substr(1))), value, place);
  }
  if (schema.contains("type")) {
    const json types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
    bool fits = false;
    for (const json& type : types) fits = fits || HasType(value, type);
    if (!fits) return place + " is " + value.dump() + ", not " + types.dump();
  }
  if (schema.contains("enum")) {
    const json& words = schema["enum"];
    if (std::find(words.begin(), words.end(), value) == words.end()) return place + " is " + value.dump();
  }
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string fault = Fault(document, schema["items"], value[i], place + "[" + std::to_string(i) + "]");
      if (!fault.empty()) return fault;
    }
  }
  if (!value.is_object() || !schema.contains("properties")) return "";
  for (const json& name : schema["required"]) {
    if (!value.contains(name)) return place + " lacks " + name.dump();
  }
  for (const auto& [name, inner] : value.items()) {
    if (!schema["properties"].contains(name)) {
      if (schema["additionalProperties"] == false) return place + " has the unknown field " + name;
      continue;
    }
    const std::string fault = Fault(document, schema["properties"][name], inner, place + "." + name);
    if (!fault.empty()) return fault;
  }
  return "";
}

const std::string kToken = "d1_" + std::string(52, 'a');

// A good body for each schema of a request.
const std::map<std::string, std::string>& GoodBodies() {
  static const std::map<std::string, std::string> bodies = {
      {"RouteRequest", R"({"text":"hi","weights":{"quality":1,"cost":0},"allowed":["alpha"],"explain":2})"},
      {"RouteBatchRequest", R"({"routes":[{"text":"a"},{"text":"refuse me"}]})"},
      {"OutcomeRequest", R"({"token":")" + kToken + R"(","tokens_out":5,"verdict":"failed","cost_usd":0.1})"},
      {"FeedbackRequest", R"({"token":")" + kToken + R"(","source":"thumbs","value":1,"subject":"a"})"},
      {"RetractRequest", R"({"token":")" + kToken + R"(","source":"thumbs","revision":1})"},
      {"VoteRequest", R"({"token":")" + kToken + R"(","answers":[{"text":"A"},{"text":"a","model":"m"}]})"},
      {"AddModelRequest", R"({"name":"x","input_usd_per_million":1,"output_usd_per_million":2})"},
      {"ProbesRequest", R"({"probes":[{"query":"hi","score":0.5},{"embedding":[1,0],"score":1}]})"},
      {"Price", R"({"input_usd_per_million":1,"output_usd_per_million":2})"},
      {"StateRequest", R"({"state":"draining"})"},
      {"ActivateRequest", R"({"target":2})"},
      {"BootstrapRequest", R"({"table_path":"/t.jsonl"})"},
      {"PlanRequest", R"({"plan_path":"/p.toml"})"},
      {"RefitRequest", R"({"learner":"dr","base":"forest","dry_run":true})"},
      {"GoldRequest", R"({"decision":"00112233445566778899aabbccddeeff","value":0.5})"},
      {"RolloutRequest", R"({"mode":"canary","share":0.25,"incumbent":"alpha"})"},
      {"WhatIfRequest", R"({"weights":{"quality":1,"cost":0},"epsilon":0.1,"events":1000})"},
      {"SubjectRequest", R"({"subject":"alice","tenant":"shop"})"},
      {"LearningRequest", R"({"frozen":true})"},
      {"Nothing", "{}"}};
  return bodies;
}

std::string PathOf(const RouteRow& row) {
  std::string path(row.path);
  for (const auto& [name, value] :
       {std::pair{"{n}", "1"}, std::pair{"{name}", "alpha"}, std::pair{"{decision}", "0123"},
        std::pair{"{file}", "app.js"}, std::pair{"{target}", "2"}, std::pair{"{from..to}", "1..2"}}) {
    if (const auto at = path.find(name); at != std::string::npos) path.replace(at, std::string(name).size(), value);
  }
  return path;
}

class OpenApi : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmoXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    HttpOptions options;
    options.socket_path = directory_ + "/admin.sock";
    auto started = HttpServer::Start(options, ports_, Role::kAdmin);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = std::move(started).value();
    document_ = json::parse(AskServer("GET", "/v1/openapi.json").body, nullptr, false);
    ASSERT_TRUE(document_.is_object());
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  RawReply AskServer(std::string_view method, std::string_view path, std::string_view body = {}) {
    return Ask(directory_ + "/admin.sock", method, path, body);
  }
  const json& OperationOf(const RouteRow& row) {
    return document_["paths"][std::string(row.path)][row.method == "GET" ? "get" : "post"];
  }
  // That `reply` is a problem document with a hint.
  void ExpectProblem(const RawReply& reply, const std::string& what) {
    EXPECT_GE(reply.status, 400) << what << reply.body;
    EXPECT_LT(reply.status, 500) << what << reply.body;
    EXPECT_NE(reply.headers.find("application/problem+json"), std::string::npos) << what;
    const json body = json::parse(reply.body, nullptr, false);
    EXPECT_EQ(Fault(document_, {{"$ref", "#/components/schemas/Problem"}}, body, "problem"), "") << what;
    if (!body.is_object()) return;
    EXPECT_EQ(body["status"], reply.status) << what;
    EXPECT_FALSE(body["reason"].get<std::string>().empty()) << what;
    EXPECT_GT(body["detail"].get<std::string>().size(), 10u) << what;
  }

  FakePorts ports_;
  std::string directory_;
  std::unique_ptr<HttpServer> server_;
  json document_;
};

TEST_F(OpenApi, EveryRowIsThereAndEveryAnswerFitsItsSchema) {
  std::set<std::string> operations;
  for (const RouteRow& row : Routes()) {
    const std::string name = std::string(row.method) + " " + std::string(row.path);
    const json& operation = OperationOf(row);
    ASSERT_TRUE(operation.is_object()) << name;
    EXPECT_TRUE(operations.insert(operation["operationId"]).second) << name << operation["operationId"];
    const std::string body = row.method == "POST" ? GoodBodies().at(std::string(row.takes)) : "";
    if (!body.empty()) {
      const json& taken = operation["requestBody"]["content"]["application/json"]["schema"];
      EXPECT_EQ(Fault(document_, taken, json::parse(body), "request"), "") << name;
    }
    const RawReply reply = AskServer(row.method, PathOf(row), body);
    if (row.path == "/v1/bootstrap/cancel") {  // the fake has no job
      ExpectProblem(reply, name);
      continue;
    }
    EXPECT_EQ(reply.status, row.good) << name << reply.body;
    if (row.gives.empty()) continue;
    const json& schema = operation["responses"][std::to_string(row.good)]["content"]["application/json"]["schema"];
    ASSERT_TRUE(schema.is_object()) << name;
    const json answer = json::parse(reply.body, nullptr, false);
    EXPECT_EQ(Fault(document_, schema, answer, "answer"), "") << name;
    for (const auto& [field, type] : document_["components"]["schemas"][std::string(row.gives)]["properties"].items()) {
      EXPECT_TRUE(answer.contains(field) || row.gives == "RouteBatchItem") << name << " never gives " << field;
    }
  }
}

TEST_F(OpenApi, NonsenseIsAProblemDocumentOnEveryRowAndReachesNothing) {
  std::string deep(40, '[');
  for (const RouteRow& row : Routes()) {
    const std::string name = std::string(row.method) + " " + std::string(row.path);
    ExpectProblem(AskServer("DELETE", PathOf(row)), name + " as DELETE: ");
    if (row.method != "POST") continue;
    for (const std::string& body :
         {std::string("["), std::string("[]"), std::string("null"), std::string("\"text\""),
          std::string("{\"a\":1,\"a\":2}"), std::string("{\"nonsense\":1}"), std::string("{\"text\":\"\xff\xfe\"}"),
          "{\"text\":" + deep,
          std::string("{\"token\":7,\"text\":[],\"name\":{},\"state\":0,\"target\":[],\"frozen\":1,\"table_path\":3,"
                      "\"routes\":{},\"decision\":1}")}) {
      ExpectProblem(AskServer("POST", PathOf(row), body), name + " with " + body + ": ");
    }
  }
  ExpectProblem(AskServer("GET", "/v1/nothing"), "an unknown path: ");
  ExpectProblem(AskServer("GET", "/ui/../../etc/passwd"), "a path with dots: ");
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(OpenApi, WrongFieldsAreNamed) {
  const auto reason = [&](std::string_view path, std::string_view body) {
    const RawReply reply = AskServer("POST", path, body);
    const json problem = json::parse(reply.body, nullptr, false);
    return problem.is_object() ? problem.value("reason", "none") : "no problem";
  };
  EXPECT_EQ(reason("/v1/route", R"({"text":1})"), "wrong_type");
  EXPECT_EQ(reason("/v1/route", R"({"embedding":["a"]})"), "wrong_type");
  EXPECT_EQ(reason("/v1/route", R"({"messages":[{"role":"system","content":"x"}]})"), "no_user_message");
  EXPECT_EQ(reason("/v1/route", R"({"text":"a","messages":[{"role":"user","content":"x"}]})"), "text_and_messages");
  EXPECT_EQ(reason("/v1/route", R"({"text":"a","weights":{"quality":1}})"), "missing_field");
  EXPECT_EQ(reason("/v1/route", R"({"text":"a","tokens_in":-1})"), "out_of_range");
  EXPECT_EQ(reason("/v1/route/batch", R"({"routes":[]})"), "batch_size");
  EXPECT_EQ(reason("/v1/route/batch", R"({"routes":[7]})"), "wrong_type");
  EXPECT_EQ(reason("/v1/feedback", R"({"token":"t","source":"thumbs"})"), "missing_field");
  EXPECT_EQ(reason("/v1/feedback", R"({"token":"t","source":"thumbs","value":1,"stars":5})"), "two_values");
  EXPECT_EQ(reason("/v1/feedback", R"({"token":"t","source":"s","stars":9})"), "out_of_range");
  EXPECT_EQ(reason("/v1/feedback", R"({"token":"t","source":"s","thumbs":"sideways"})"), "wrong_type");
  EXPECT_EQ(reason("/v1/feedback", R"({"token":"t","inference_id":"u","source":"s","value":1})"), "two_names");
  EXPECT_EQ(reason("/v1/feedback", R"({"winner":"t","source":"s"})"), "missing_field");
  EXPECT_EQ(reason("/v1/outcome", R"({"tokens_out":5})"), "missing_field");
  EXPECT_EQ(reason("/v1/outcome", R"({"token":"t","tokens_out":4294967296})"), "out_of_range");
  EXPECT_EQ(reason("/v1/vote", R"({"token":"t","answers":"A"})"), "wrong_type");
  EXPECT_EQ(reason("/v1/gold", R"({"decision":"t"})"), "missing_field");
  EXPECT_EQ(reason("/v1/rollout", R"({"share":0.5})"), "missing_field");
  EXPECT_EQ(reason("/v1/rollout", R"({"mode":"shadow"})"), "rollout_mode");
  EXPECT_EQ(reason("/v1/rollout", R"({"mode":"canary","share":"half"})"), "wrong_type");
  EXPECT_EQ(reason("/v1/whatif", R"({"model":"a","epsilon":0.5})"), "model_alone");
  EXPECT_EQ(reason("/v1/whatif", R"({"preset":"cost","weights":{"quality":1,"cost":0}})"), "preset_and_weights");
  EXPECT_EQ(reason("/v1/whatif", R"({"epsilon":7})"), "out_of_range");
  EXPECT_EQ(reason("/v1/whatif", R"({"weights":{"quality":1}})"), "missing_field");
  EXPECT_EQ(reason("/v1/whatif", R"({"weights":3})"), "wrong_type");
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(OpenApi, ShapesOfOtherSystemsMeanTheSame) {
  const std::string prefix = R"({"inference_id":")" + kToken + R"(","metric_name":"thumbs",)";
  for (const char* value :
       {R"("value":true,"tags":{"a":"b"}})", R"("value":1.0})", R"("stars":5})", R"("thumbs":"up"})"}) {
    EXPECT_EQ(AskServer("POST", "/v1/feedback", prefix + value).status, 200) << value;
  }
  EXPECT_EQ(AskServer("POST", "/v1/route",
                      R"({"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url"}]}]})")
                .status,
            200);
  EXPECT_EQ(AskServer("POST", "/v1/feedback", R"({"winner":"a","loser":"b","metric_name":"judge","tie":true})").status,
            200);
  const auto calls = ports_.calls();
  ASSERT_EQ(calls.size(), 6u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(calls[i].what, "feedback " + kToken + " thumbs 1.000000 ");
  EXPECT_EQ(calls[4].what, "route hi 0 ");
  EXPECT_EQ(calls[5].what, "prefer a b judge tie");
}

TEST_F(OpenApi, ARepetitionWithItsKeyGetsTheFirstAnswerAndHappensOnce) {
  const std::string socket = directory_ + "/admin.sock";
  const std::string key = "Idempotency-Key: 7c0b-11\r\n";
  const RawReply first = Ask(socket, "POST", "/v1/route", R"({"text":"once"})", key);
  const RawReply again = Ask(socket, "POST", "/v1/route", R"({"text":"once"})", key);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(first.body, again.body);
  EXPECT_EQ(first.headers.find("Idempotency-Replayed"), std::string::npos);
  EXPECT_NE(again.headers.find("Idempotency-Replayed: true"), std::string::npos);
  EXPECT_EQ(ports_.calls().size(), 1u);
  const RawReply other = Ask(socket, "POST", "/v1/route", R"({"text":"twice"})", key);
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(json::parse(other.body)["reason"], "idempotency_key_reused");
  ExpectProblem(
      Ask(socket, "POST", "/v1/route", R"({"text":"x"})", "Idempotency-Key: " + std::string(300, 'k') + "\r\n"),
      "a long key: ");
  // What may succeed the next time is not kept.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Ask(socket, "POST", "/v1/route", R"({"text":"refuse me"})", "Idempotency-Key: full\r\n").status, 429);
  }
  EXPECT_EQ(ports_.calls().size(), 1u);
}

TEST_F(OpenApi, TheDashboardsFilesComeWithTheirTypesAndAPolicyAgainstOutsideRequests) {
  const RawReply page = AskServer("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.headers.find("text/html"), std::string::npos);
  EXPECT_NE(page.headers.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(AskServer("GET", "/ui/app.js").headers.find("text/javascript"), std::string::npos);
  EXPECT_NE(AskServer("GET", "/ui/style.css").headers.find("text/css"), std::string::npos);
  EXPECT_EQ(AskServer("GET", "/ui/nothing.js").status, 404);
}

}  // namespace
}  // namespace pointsman::admin
