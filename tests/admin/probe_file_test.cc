// The file of `models probe`: what is read, and what is refused with the line and what to do.
#include "admin/cli/probe_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "admin/json.h"

namespace pointsman::cli {
namespace {

Result<nlohmann::json> Read(const std::string& text) {
  std::istringstream in(text);
  std::ostringstream out, err;
  SystemClock clock;
  Context context{.out = out, .err = err, .in = in, .clock = clock};
  return ReadProbes(context, "-", "mine");
}

TEST(ProbeFile, TakesQueriesEmbeddingsAndLinesOfATable) {
  const auto body = Read(
      "{\"query\": \"a\", \"score\": 1}\n\n"
      "{\"embedding\": [1, 0], \"score\": 0.5, \"model\": \"mine\"}\n"
      "{\"query\": \"b\", \"models\": {\"mine\": {\"score\": 0}, \"other\": {\"score\": 1}}}\n"
      "{\"query\": \"c\", \"models\": {\"other\": {\"score\": 1}}}\n");
  ASSERT_TRUE(body.ok()) << body.error().message;
  const auto& probes = (*body)["probes"];
  ASSERT_EQ(probes.size(), 3U) << "the table's line without a score of it is passed over";
  EXPECT_EQ(probes[1]["embedding"].size(), 2U);
  EXPECT_EQ(probes[2]["score"], 0);
  const auto parsed = admin::ParseProbes(body->dump());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ((*parsed)[0].text, "a");
}

TEST(ProbeFile, RefusesWhatCannotBeMeantAndNamesTheLine) {
  const auto fault = [](const std::string& line) {
    const auto body = Read("{\"query\": \"a\", \"score\": 1}\n" + line + "\n");
    return body.ok() ? Error{} : body.error();
  };
  EXPECT_EQ(fault("{\"query\": \"a\", \"score\": NaN}").reason, "bad_probe");
  EXPECT_EQ(fault("{\"query\": \"a\", \"score\": \"1\"}").reason, "bad_probe");
  EXPECT_EQ(fault("{\"query\": \"a\"}").reason, "bad_probe");
  EXPECT_EQ(fault("{\"score\": 1}").reason, "bad_probe");
  EXPECT_EQ(fault("[1]").reason, "bad_probe");
  EXPECT_EQ(fault("{\"query\": \"a\", \"score\": 1.01}").code, Code::kOutOfRange);
  const Error other = fault("{\"query\": \"a\", \"score\": 1, \"model\": \"other\"}");
  EXPECT_EQ(other.reason, "unknown_model");
  EXPECT_NE(other.message.find("line 2"), std::string::npos) << other.message;
  EXPECT_EQ(Read("").error().reason, "unknown_model");
  EXPECT_EQ(Read("{\"query\": \"c\", \"models\": {\"other\": {\"score\": 1}}}").error().reason, "unknown_model");
}

TEST(ProbesBody, NamesTheProbeThatIsWrong) {
  using admin::ParseProbes;
  EXPECT_EQ(ParseProbes("{}").error().reason, "missing_field");
  EXPECT_EQ(ParseProbes(R"({"probes":1})").error().reason, "wrong_type");
  const auto second = ParseProbes(R"({"probes":[{"query":"a","score":1},{"query":"b"}]})");
  EXPECT_NE(second.error().message.find("probe 2"), std::string::npos) << second.error().message;
  EXPECT_EQ(ParseProbes(R"({"probes":[{"embedding":["a"],"score":1}]})").error().reason, "wrong_type");
  EXPECT_EQ(ParseProbes(R"({"probes":[{"query":"a","score":1,"weight":2}]})").error().reason, "unknown_field");
}

TEST(AddModelBody, TakesFacts) {
  const std::string start = R"({"name":"x","input_usd_per_million":1,"output_usd_per_million":2,)";
  const auto body = admin::ParseAddModel(start + R"("family":"acme","strength":0.7})");
  ASSERT_TRUE(body.ok()) << body.error().message;
  EXPECT_EQ(body->facts.family, "acme");
  EXPECT_EQ(body->facts.strength, .7);
  EXPECT_EQ(admin::ParseAddModel(start + R"("strength":-1})")->facts.strength, -1) << "refused where it is used";
}

}  // namespace
}  // namespace pointsman::cli
