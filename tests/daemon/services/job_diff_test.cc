#include "daemon/job_diff.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "store/bundle_file.h"

namespace pointsman::daemon {
namespace {

// Clusters where they are told to be, one model each.
policy::Bundle BundleAt(std::vector<float> centroids, const std::string& model, double prior) {
  policy::Bundle bundle;
  bundle.embedder.kind = "caller";
  bundle.embedder.dimension = 4;
  bundle.models = {model};
  bundle.centroids = std::move(centroids);
  const std::size_t clusters = bundle.centroids.size() / 4;
  for (std::size_t k = 0; k < clusters; ++k) bundle.cluster_names.push_back("k" + std::to_string(k + 1));
  bundle.cluster_sizes.assign(clusters + 1, 10);
  bundle.skills.assign(clusters + 1, prior);
  bundle.mean_prior = {prior};
  bundle.tokens.emplace_back();
  return bundle;
}

BundleHash Put(store::Store& store, const policy::Bundle& bundle) {
  EXPECT_TRUE(store.PutBundle(bundle).ok());
  return store::DecodeBundle(store::EncodeBundle(bundle))->hash;
}

TEST(BundleDiff, NamesClustersThatAreBornMergedMovedTheSameAndGone) {
  const auto store = store::MakeMemoryStore();
  const BundleHash from = Put(*store, BundleAt({1, 0, 0, 0, .8F, .6F, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1}, "old", .6));
  const BundleHash to = Put(*store, BundleAt({.9486833F, .3162278F, 0, 0, 0, 0, .8F, .6F, 0, -1, 0, 0}, "new", .7));
  const auto diff = DiffBundles(*store, policy::Pool{}, from, to);
  ASSERT_TRUE(diff.ok()) << diff.error().message;
  EXPECT_TRUE(diff->comparable);
  std::map<std::string, std::string> said;
  for (const auto& cluster : diff->clusters) {
    std::string sources;
    for (const std::string& source : cluster.from) sources += " " + source;
    said[cluster.kind + " " + cluster.name] = sources;
  }
  const std::map<std::string, std::string> expected{
      {"merged k1", " k1 k2"}, {"moved k2", " k3"}, {"born k3", ""}, {"gone k4", ""}};
  EXPECT_EQ(said, expected);
  ASSERT_EQ(diff->models.size(), 2U);
  EXPECT_EQ(diff->models[0].name, "new");
  EXPECT_EQ(diff->models[0].prior_from, -1);
  EXPECT_EQ(diff->models[0].prior_to, .7);
  EXPECT_EQ(diff->models[1].prior_from, .6);
  EXPECT_EQ(diff->decisions, 0U);
  EXPECT_EQ(diff->value_to, -1) << "an empty log tells no value";
  const auto same = DiffBundles(*store, policy::Pool{}, from, from);
  ASSERT_TRUE(same.ok());
  for (const auto& cluster : same->clusters) EXPECT_EQ(cluster.kind, "same") << cluster.name;
}

}  // namespace
}  // namespace pointsman::daemon
