#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "daemon/job_plan.h"
#include "tests/bootstrap/llm/support.h"

namespace pointsman::daemon {
namespace {

using bootstrap::LabelSource;

TEST(PlanFile, TheShippedExampleIsValidAndItsEstimateAddsUp) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "POINTSMAN_SOURCE names the source tree";
  const auto plan = LoadPlan(std::string(source) + "/daemon/bootstrap.toml");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->models.size(), 3U);
  EXPECT_EQ(plan->models[1].chat.field, "models[1]");
  EXPECT_EQ(plan->models[1].key_env, "LLM_KEY");
  EXPECT_TRUE(plan->models[0].chat.log_probabilities);
  EXPECT_EQ(plan->labels[1], LabelSource::kJudge);
  const auto estimate = bootstrap::EstimatePlan(*plan, 1320, 0);
  double cost = 0;
  for (const auto& stage : estimate.stages) cost += stage.cost_usd;
  EXPECT_NEAR(cost, estimate.cost_usd, 1e-9);
  EXPECT_GT(estimate.worst_cost_usd, estimate.cost_usd);
  EXPECT_EQ(estimate.stages.front().stage, "synthesise");
  EXPECT_EQ(estimate.stages.front().calls, 165U);
  EXPECT_NE(EstimateJson(*plan, estimate).find("\"queries\":1320"), std::string::npos);
}

TEST(PlanFile, RelativePathsBeginAtThePlansFolderAndSamplesAreRead) {
  const bootstrap::TemporaryFolder folder;
  std::ofstream(folder.File("prompts.txt")) << "how do I?\n\nwhat is?\n";
  const std::string endpoint =
      "base_url=\"http://h/v1\"\nmodel=\"m\"\ninput_usd_per_million=1\noutput_usd_per_million=1\n";
  const auto plan = ParsePlan(
      "name = \"p\"\nqueries = \"own.jsonl\"\n[synthesise]\nsamples = \"prompts.txt\"\n[[models]]\nname=\"a\"\n" +
          endpoint + "[[models]]\nname=\"b\"\n" + endpoint,
      "p.toml", folder.File(""));
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->queries_path, folder.File("own.jsonl"));
  EXPECT_EQ(plan->synthesis.samples.size(), 2U);
}

TEST(PlanFile, EveryFaultIsNamedWithItsLineAndField) {
  const auto faults = [](const std::string& text) {
    const auto plan = ParsePlan(text, "p.toml", "/");
    return plan.ok() ? std::string("ok") : plan.error().message;
  };
  const std::string many = faults(
      "name = 7\nper_qery = 3\nlabels = [\"oracle\"]\n[limits]\nbudget_usd = -1\n"
      "[synthesise]\nstyle = \"poem\"\n[[models]]\ntemperature = 9\n");
  for (const char* wanted :
       {"p.toml:1: name", "p.toml:2: per_qery: unknown key; the nearest known one is \"per_query\"", "labels",
        "limits.budget_usd", "synthesise.style", "models[0].temperature"}) {
    EXPECT_NE(many.find(wanted), std::string::npos) << wanted << "\n" << many;
  }
  EXPECT_NE(faults("models = 3\n").find("models"), std::string::npos);
  EXPECT_NE(faults("name = \"x\"\n").find("models: at least two"), std::string::npos);
  EXPECT_EQ(LoadPlan("/nowhere/plan.toml").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace pointsman::daemon
