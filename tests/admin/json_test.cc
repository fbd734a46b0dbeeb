// JSON in and out, and the rules of the route table.
#include "admin/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "admin/routes.h"
#include "tests/admin/fake_ports.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Every leaf of `value` that is still what a default value gives.
void ExpectEveryLeafSet(const json& value, const std::string& at) {
  if (value.is_structured()) {
    EXPECT_FALSE(value.empty()) << at;
    for (const auto& [key, child] : value.items()) ExpectEveryLeafSet(child, at + "/" + key);
    return;
  }
  EXPECT_NE(value, json(0)) << at;
  EXPECT_NE(value, json("")) << at;
  EXPECT_NE(value, json(false)) << at;
  EXPECT_NE(value, json(nullptr)) << at;
}

TEST(Json, EveryFieldOfEveryReportComesOut) {
  FakePorts ports;
  ExpectEveryLeafSet(ToJson(ports.GetStatus()), "status");
  ExpectEveryLeafSet(ToJson(ports.Models().front()), "model");
  ExpectEveryLeafSet(ToJson(ports.Cluster(1).value()), "cluster");
  ExpectEveryLeafSet(ToJson(ports.Generations().back()), "generation");
  ExpectEveryLeafSet(ToJson(ports.BootstrapStatus()), "bootstrap");
  ExpectEveryLeafSet(ToJson(ports.Explain("0123").value()), "explain");
}

TEST(Json, SequencesBeyondTwoToThe53AreStringsAndHashesHexadecimal) {
  FakePorts ports;
  const json status = ToJson(ports.GetStatus());
  EXPECT_EQ(status["last_sequence"], "9007199254740993");
  EXPECT_EQ(status["synced_sequence"], 9007199254740992ULL);
  EXPECT_EQ(status["state_hash"], "0xfedcba9876543210");
}

TEST(Json, NumbersThatAreNotFiniteAreNullAndBadUtf8DoesNotThrow) {
  ModelReport report;
  report.level = std::nan("");
  report.name = "bad \xff name";
  const std::string text = Dump(ToJson(report));
  EXPECT_THAT(text, HasSubstr("\"level\":null"));
  EXPECT_TRUE(json::accept(text));
}

TEST(Json, AnUnknownFieldIsNamed) {
  const auto parsed = ParseLearning(R"({"frozen":true,"frosen":false})");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().reason, "unknown_field");
  EXPECT_THAT(parsed.error().message, HasSubstr("'frosen'"));
  EXPECT_THAT(parsed.error().message, HasSubstr("known: frozen"));
}

TEST(Json, AMissingFieldAWrongTypeAndARepeatedFieldAreNamed) {
  EXPECT_EQ(ParsePrice(R"({"input_usd_per_million":1})").error().reason, "missing_field");
  const auto wrong = ParsePrice(R"({"input_usd_per_million":"1","output_usd_per_million":2})");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().reason, "wrong_type");
  EXPECT_THAT(wrong.error().message, HasSubstr("'input_usd_per_million'"));
  EXPECT_THAT(ParseLearning(R"({"frozen":true,"frozen":false})").error().message, HasSubstr("twice"));
  EXPECT_EQ(ParseLearning(R"({"frozen":1})").error().reason, "wrong_type");
}

TEST(Json, NumbersOutsideTheirTypeAreOutOfRange) {
  const std::string start = R"({"name":"x","input_usd_per_million":1,"output_usd_per_million":1,"context_tokens":)";
  EXPECT_EQ(ParseAddModel(start + "4294967296}").error().code, Code::kOutOfRange);
  EXPECT_EQ(ParseAddModel(start + "-1}").error().code, Code::kOutOfRange);
  EXPECT_EQ(ParseAddModel(start + "1.5}").error().reason, "wrong_type");
  EXPECT_EQ(ParseAddModel(start + "4294967295}").value().context_tokens, 4294967295U);
}

TEST(Json, WhatIsNotOneObjectIsRefused) {
  for (const char* body : {"", "{", "[]", "null", "{} {}", "{\"frozen\":tru}", "\"x\"", "{\"frozen\":true"}) {
    EXPECT_FALSE(ParseLearning(body).ok()) << body;
  }
}

TEST(Json, DeepNestingIsRefusedWithoutRunningOutOfStack) {
  const std::string deep = R"({"frozen":)" + std::string(500'000, '[') + std::string(500'000, ']') + "}";
  const auto parsed = ParseLearning(deep);
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.error().message, HasSubstr("nested"));
}

TEST(Json, ABootstrapNeedsAnAbsolutePathAndKnownLabels) {
  EXPECT_EQ(ParseBootstrap(R"({"table_path":"t.jsonl"})").error().reason, "relative_path");
  EXPECT_EQ(ParseBootstrap(R"({"table_path":"/t","labels":"guess"})").error().reason, "unknown_labels");
  EXPECT_EQ(ParseBootstrap(R"({"table_path":"/t","clusters_max":0})").error().code, Code::kOutOfRange);
  const auto whole = ParseBootstrap(
      R"({"table_path":"/t","labels":"scores","clusters_max":7,"seed":5,"refit_embedder":true,"activate":false})");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->clusters_max, 7u);
  EXPECT_EQ(whole->seed, 5u);
  EXPECT_TRUE(whole->refit_embedder);
  EXPECT_FALSE(whole->activate);
}

TEST(Json, AProblemSaysWhatToDoAndWhetherToRetry) {
  const json problem = ProblemJson(MakeError(Code::kBusy, "job_runs", "a job runs; wait for it"), 409);
  EXPECT_EQ(problem["code"], "BUSY");
  EXPECT_EQ(problem["reason"], "job_runs");
  EXPECT_EQ(problem["detail"], "a job runs; wait for it");
  EXPECT_EQ(problem["retry"], "after_backoff");
  EXPECT_EQ(problem["status"], 409);
}

TEST(RouteTable, KeepsItsRules) {
  const Status checked = CheckRoutes(Routes());
  EXPECT_TRUE(checked.ok()) << checked.error().message;
}

TEST(RouteTable, AGetThatMutatesIsFoundAtTheStart) {
  RouteRow row = Routes().front();
  row.effect = Effect::kChanges;
  row.role = Role::kAdmin;
  EXPECT_FALSE(CheckRoutes(std::span(&row, 1)).ok());
}

TEST(RouteTable, AMutatingRowOnTheApiSocketIsFoundAtTheStart) {
  RouteRow row = Routes().front();
  row.method = "POST";
  row.effect = Effect::kChanges;
  row.role = Role::kApi;
  EXPECT_FALSE(CheckRoutes(std::span(&row, 1)).ok());
}

TEST(RouteTable, ANameMayHoldSlashesBetweenTheFixedParts) {
  const Matched matched = Match(Routes(), Role::kAdmin, "POST", "/v1/models/vendor/family/model/price");
  ASSERT_NE(matched.row, nullptr);
  EXPECT_EQ(matched.capture, "vendor/family/model");
  EXPECT_EQ(Match(Routes(), Role::kAdmin, "POST", "/v1/models//price").row, nullptr);
}

}  // namespace
}  // namespace pointsman::admin
