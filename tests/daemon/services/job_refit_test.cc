// The files and lines between the daemon and the job that re-fits.
#include "daemon/job_refit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

namespace pointsman::daemon {
namespace {

class RefitJob : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmrXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(RefitJob, RowsComeBackBitForBit) {
  bootstrap::RefitRow row;
  row.model = ModelId{7};
  row.clusters.push_back({ClusterId{0}, 1.0 / 3});
  row.clusters.push_back({ClusterId{4}, 2.0 / 3});
  row.prior = .1;
  row.rating = 1;
  row.gold = std::numeric_limits<double>::quiet_NaN();
  row.gold_probability = .02;
  row.unit = ~0ULL;
  const std::string path = directory_ + "/rows";
  ASSERT_TRUE(WriteRefitRows(path, std::vector{row}, 4).ok());
  EXPECT_EQ(WriteRefitRows(path, {}, 4).error().reason, "storage_io") << "a file is never overwritten";
  const auto file = ReadRefitRows(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->clusters, 4U);
  ASSERT_EQ(file->rows.size(), 1U);
  EXPECT_EQ(file->rows[0].clusters, row.clusters);
  EXPECT_EQ(file->rows[0].prior, row.prior);
  EXPECT_EQ(file->rows[0].unit, row.unit);
  EXPECT_TRUE(std::isnan(file->rows[0].gold));
}

TEST_F(RefitJob, AFileThatIsNoneIsRefusedWithItsLine) {
  const std::string path = directory_ + "/rows";
  EXPECT_EQ(ReadRefitRows(path).error().code, Code::kNotFound);
  for (const char* text : {"", "pointsman-refit 2 4\n", "pointsman-refit 1 4\n7 .1 1\n",
                           "pointsman-refit 1 4\n7 .1 1 nan .02 5\n", "pointsman-refit 1 4\n7 x 1 nan .02 5 0 1\n",
                           "pointsman-refit 1 4\n7 .1 1 nan .02 5 0 .2 1 .2 2 .2 3 .2 4 .2\n"}) {
    std::ofstream(path) << text;
    const auto file = ReadRefitRows(path);
    ASSERT_FALSE(file.ok()) << text;
    EXPECT_EQ(file.error().reason, "refit_rows");
  }
}

TEST_F(RefitJob, TheAnswerComesBackAndNonsenseDoesNot) {
  bootstrap::Refit refit;
  refit.clusters = {.1, -.25};
  refit.errors = {.01, .02};
  refit.models = {{ModelId{3}, .05}};
  refit.ratings = 400;
  refit.learner = "dr forest";
  refit.noise = .4;
  const auto back = ParseRefitLine(RefitLine(refit));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->clusters, refit.clusters);
  EXPECT_EQ(back->models, refit.models);
  EXPECT_EQ(back->learner, refit.learner);
  EXPECT_EQ(back->noise, refit.noise);
  for (const char* line : {"", "{}", "[1]", R"({"clusters":"x"})"}) EXPECT_FALSE(ParseRefitLine(line).ok()) << line;
}

TEST_F(RefitJob, LearnersAndBasesAreNamed) {
  EXPECT_TRUE(RefitOptionsOf("dr", "forest").ok());
  EXPECT_EQ(RefitOptionsOf("x", "ridge").error().reason, "learner");
  EXPECT_EQ(RefitOptionsOf("r", "x").error().reason, "base");
}

}  // namespace
}  // namespace pointsman::daemon
