// Task types that are found in the embeddings.
#include <gtest/gtest.h>

#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/job/task_tables.h"

namespace pointsman::bootstrap {
namespace {

TEST(LatentTypes, AreFoundInTheEmbeddingsOneForFortyRowsAndNoneForFewRows) {
  SplitMix64 random(2);
  std::vector<float> vectors;
  for (int i = 0; i < 400; ++i) {
    std::vector<float> q(4, .05F * static_cast<float>(random.Unit()));
    q[static_cast<std::size_t>(i % 4)] = 1;
    Normalise(q);
    vectors.insert(vectors.end(), q.begin(), q.end());
  }
  const TaskTypes types = FindLatentTypes(Rows(vectors, 4), 0);
  EXPECT_TRUE(types.latent);
  ASSERT_EQ(types.names.size(), 10U);
  EXPECT_EQ(types.names[0], "latent-01");
  EXPECT_EQ(types.names[9], "latent-10");
  for (int i = 0; i + 4 < 400; ++i) {
    EXPECT_NE(types.of_row[static_cast<std::size_t>(i)], types.of_row[static_cast<std::size_t>(i + 1)]);
  }
  EXPECT_TRUE(FindLatentTypes(Rows(std::span(vectors).first(4 * 79), 4), 0).names.empty());
}

}  // namespace
}  // namespace pointsman::bootstrap
