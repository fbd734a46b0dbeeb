#include "embed/lsa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "base/unit_draw.h"
#include "embed/lsa_model.h"
#include "embed/sparse_svd.h"

namespace pointsman::embed {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Corpus(std::size_t count, std::uint64_t seed) {
  const std::vector<std::vector<std::string>> topics = {
      {"enzyme", "protein", "cell", "membrane", "gene", "mitosis", "tissue", "neuron"},
      {"contract", "tort", "liability", "court", "plaintiff", "statute", "appeal", "evidence"},
      {"matrix", "integral", "polynomial", "derivative", "theorem", "vector", "eigenvalue", "convergence"}};
  SplitMix64 random(seed);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& topic = topics[i % topics.size()];
    std::string text = "which of the following";
    for (int word = 0; word < 8; ++word) text += " " + topic[random.Below(topic.size())];
    texts.push_back(text);
  }
  return texts;
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

std::vector<float> EmbedOrFail(const Embedder& embedder, std::string_view text) {
  const auto vector = embedder.Embed(text);
  EXPECT_TRUE(vector.ok()) << (vector.ok() ? "" : vector.error().message);
  return vector.ok() ? *vector : std::vector<float>{};
}

TEST(Lsa, TextsOfOneTopicLieTogetherAndOthersApart) {
  const auto fit = FitLsa(Corpus(90, 1), {.dimension = 4, .seed = 3});
  ASSERT_TRUE(fit.ok()) << fit.error().message;
  const auto biology = EmbedOrFail(*fit->embedder, "neuron and membrane of a cell");
  const auto biology_too = EmbedOrFail(*fit->embedder, "protein gene enzyme tissue");
  const auto law = EmbedOrFail(*fit->embedder, "the court found liability of the plaintiff");
  ASSERT_EQ(biology.size(), 4U);
  EXPECT_NEAR(Cosine(biology, biology), 1, 1e-5);
  EXPECT_GT(Cosine(biology, biology_too), 0.5);
  EXPECT_LT(Cosine(biology, law), 0.3);
}

TEST(Lsa, SameTextsAndSeedGiveTheSameBytes) {
  const auto texts = Corpus(60, 2);
  const auto first = FitLsa(texts, {.dimension = 32, .seed = 7});
  const auto second = FitLsa(texts, {.dimension = 32, .seed = 7});
  const auto other = FitLsa(texts, {.dimension = 32, .seed = 8});
  ASSERT_TRUE(first.ok() && second.ok() && other.ok());
  EXPECT_EQ(first->model, second->model);
  EXPECT_EQ(first->identity, second->identity);
  EXPECT_NE(first->identity, other->identity);
}

TEST(Lsa, LoadedParametersEmbedLikeTheFittedOnes) {
  const auto fit = FitLsa(Corpus(50, 3), {});
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit->identity.dimension, 50U);  // lowered to the number of texts
  const auto loaded = LoadLsa(fit->identity, fit->model);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  const std::string text = "eigenvalue of a matrix in court";
  EXPECT_EQ(EmbedOrFail(*fit->embedder, text), EmbedOrFail(**loaded, text));
}

TEST(Lsa, ATextWithoutKnownWordsGivesNoVector) {
  const auto fit = FitLsa(Corpus(30, 4), {.dimension = 8});
  ASSERT_TRUE(fit.ok());
  const auto vector = fit->embedder->Embed("?!");
  ASSERT_TRUE(vector.ok());
  EXPECT_TRUE(vector->empty());
}

TEST(Lsa, BadTextIsRefusedWithAReason) {
  const auto fit = FitLsa(Corpus(30, 4), {.dimension = 8});
  ASSERT_TRUE(fit.ok());
  const auto empty = fit->embedder->Embed("");
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().reason, "empty_text");
  const auto broken = fit->embedder->Embed("abc\xff");
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().reason, "text_not_utf8");
}

TEST(Lsa, TooFewTextsAreNamed) {
  const std::vector<std::string> one = {"alone"};
  const auto fit = FitLsa(one, {});
  ASSERT_FALSE(fit.ok());
  EXPECT_EQ(fit.error().code, Code::kInvalidArgument);
  EXPECT_THAT(fit.error().message, HasSubstr("there are 1"));
  const std::vector<std::string> wordless = {"???", "words here", "!!"};
  EXPECT_FALSE(FitLsa(wordless, {}).ok());
}

TEST(Lsa, EqualTextsDoNotBreakTheFit) {
  const std::vector<std::string> texts(10, "the same words every time");
  const auto fit = FitLsa(texts, {});
  ASSERT_TRUE(fit.ok());
  const auto vector = EmbedOrFail(*fit->embedder, texts[0]);
  ASSERT_EQ(vector.size(), 10U);
  for (const float value : vector) EXPECT_TRUE(std::isfinite(value));
  EXPECT_NEAR(Cosine(vector, vector), 1, 1e-5);
}

TEST(Lsa, DamagedParametersAreDataLoss) {
  const auto fit = FitLsa(Corpus(30, 5), {.dimension = 8});
  ASSERT_TRUE(fit.ok());
  std::vector<std::uint8_t> cut(fit->model.begin(), fit->model.end() - 1);
  EXPECT_EQ(LoadLsa(fit->identity, cut).error().code, Code::kDataLoss);
  std::vector<std::uint8_t> flipped = fit->model;
  flipped.back() ^= 1;
  EXPECT_EQ(LoadLsa(fit->identity, flipped).error().reason, "embedder_mismatch");
  EXPECT_EQ(LoadLsa(fit->identity, {}).error().code, Code::kDataLoss);
}

TEST(Lsa, ManyThreadsEmbedAtOnceWithOneAnswer) {
  const auto fit = FitLsa(Corpus(60, 6), {.dimension = 32});
  ASSERT_TRUE(fit.ok());
  const std::string text = "theorem about a polynomial and its derivative";
  const auto expected = EmbedOrFail(*fit->embedder, text);
  std::vector<std::vector<float>> got(4);
  {
    std::vector<std::jthread> threads;
    for (auto& slot : got) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) slot = *fit->embedder->Embed(text);
      });
    }
  }
  for (const auto& vector : got) EXPECT_EQ(vector, expected);
}

// The integer kernel against plain arithmetic on random rows of odd width.
TEST(LsaModel, ProjectionAgreesWithPlainArithmetic) {
  constexpr std::size_t kDimension = 37;
  SplitMix64 random(11);
  std::vector<float> projection(kBuckets * kDimension, 0);
  std::vector<float> idf(kBuckets, 0);
  std::vector<Feature> features;
  for (std::uint32_t bucket = 5; bucket < kBuckets; bucket += 97) {
    idf[bucket] = static_cast<float>(1 + random.Unit());
    for (std::size_t j = 0; j < kDimension; ++j)
      projection[bucket * kDimension + j] = static_cast<float>(random.Normal());
    features.push_back({bucket, static_cast<std::uint32_t>(1 + random.Below(4))});
  }
  const LsaModel model = LsaModel::Quantise(projection, idf, kDimension);
  const auto got = model.Project(features);
  std::vector<double> expected(kDimension, 0);
  for (const Feature& feature : features) {
    for (std::size_t j = 0; j < kDimension; ++j) {
      expected[j] += (1 + std::log(feature.count)) * static_cast<double>(idf[feature.bucket]) *
                     static_cast<double>(projection[feature.bucket * kDimension + j]);
    }
  }
  const double norm = std::sqrt(std::inner_product(expected.begin(), expected.end(), expected.begin(), 0.0));
  for (std::size_t j = 0; j < kDimension; ++j) EXPECT_NEAR(got[j], expected[j] / norm, 0.01);
}

TEST(SparseSvd, FindsTheDirectionsOfAMatrixOfKnownRank) {
  // rows = a * u' + b * v' with u, v orthonormal over 40 columns.
  SparseRows rows;
  rows.columns = 40;
  SplitMix64 random(5);
  for (int i = 0; i < 30; ++i) {
    const double a = 3 * random.Normal();
    const double b = random.Normal();
    for (std::uint32_t j = 0; j < 40; ++j) {
      rows.column.push_back(j);
      rows.values.push_back(static_cast<float>((j < 20 ? a : b) / std::sqrt(20.0)));
    }
    rows.begin.push_back(rows.values.size());
  }
  const auto vectors = RightSingularVectors(rows, 5, 1);
  for (std::size_t j = 0; j < 40; ++j) {
    EXPECT_NEAR(std::fabs(vectors[j * 5]), j < 20 ? 1 / std::sqrt(20.0) : 0, 0.1);
    for (std::size_t k = 2; k < 5; ++k) EXPECT_EQ(vectors[j * 5 + k], 0) << "beyond the rank";
  }
  double dot = 0;
  for (std::size_t j = 0; j < 40; ++j) dot += static_cast<double>(vectors[j * 5]) * vectors[j * 5 + 1];
  EXPECT_NEAR(dot, 0, 1e-4);
}

TEST(EmbedderFor, CallerAndNoneRefuseTextAndSayWhatToDo) {
  policy::Bundle bundle;
  bundle.embedder.kind = "caller";
  bundle.embedder.dimension = 384;
  const auto caller = EmbedderFor(bundle);
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ((*caller)->Embed("x").error().code, Code::kFailedPrecondition);
  EXPECT_THAT((*caller)->Embed("x").error().message, HasSubstr("384"));
  bundle.embedder.kind = "none";
  const auto none = EmbedderFor(bundle);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ((*none)->Embed("x").error().reason, "no_embedder");
}

TEST(EmbedderFor, AnotherKindIsRefusedByName) {
  policy::Bundle bundle;
  bundle.embedder.kind = "glove";
  const auto embedder = EmbedderFor(bundle);
  ASSERT_FALSE(embedder.ok());
  EXPECT_EQ(embedder.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(embedder.error().message, HasSubstr("glove"));
}

}  // namespace
}  // namespace pointsman::embed
