#include "embed/static_vectors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "embed/vector_file.h"

namespace pointsman::embed {
namespace {

class StaticVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmXXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::string Floats(std::initializer_list<float> values) {
    std::string bytes;
    for (const float value : values) bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return bytes;
  }
  static std::string Safetensors(const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
  }
  static double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
    double dot = 0;
    for (std::size_t j = 0; j < a.size(); ++j) dot += static_cast<double>(a[j]) * static_cast<double>(b[j]);
    return dot;
  }
  std::filesystem::path folder_;
};

const std::vector<std::string> kTexts{"oven butter", "oven flour", "senate treaty", "treaty crown"};
constexpr char kText[] =
    "oven 1 0 0 .5\nbutter .9 .1 0 .5\nflour .8 0 .1 .5\nsenate 0 1 0 .5\ntreaty 0 .9 .1 .5\ncrown .1 .8 0 .5\n";

TEST_F(StaticVectors, TheSameWordsOfAllFormatsGiveTheSameVectors) {
  const std::string binary = "6 4\noven " + Floats({1, 0, 0, .5F}) + "\nbutter " + Floats({.9F, .1F, 0, .5F}) +
                             "\nflour " + Floats({.8F, 0, .1F, .5F}) + "\nsenate " + Floats({0, 1, 0, .5F}) +
                             "\ntreaty " + Floats({0, .9F, .1F, .5F}) + "\ncrown " + Floats({.1F, .8F, 0, .5F}) + "\n";
  std::string data;
  for (const auto& row : {Floats({1, 0, 0, .5F}), Floats({.9F, .1F, 0, .5F}), Floats({.8F, 0, .1F, .5F}),
                          Floats({0, 1, 0, .5F}), Floats({0, .9F, .1F, .5F}), Floats({.1F, .8F, 0, .5F})}) {
    data += row;
  }
  Write("vocab.txt", "oven\nbutter\nflour\nsenate\ntreaty\ncrown\n");
  const std::vector<std::string> paths{
      Write("v.txt", kText), Write("w.txt", "6 4\n" + std::string(kText)), Write("v.bin", binary),
      Write("v.safetensors",
            Safetensors(R"({"embeddings":{"dtype":"F32","shape":[6,4],"data_offsets":[0,96]}})", data))};
  std::vector<std::vector<float>> first;
  for (const std::string& path : paths) {
    const auto made = MakeStatic(path, kTexts);
    ASSERT_TRUE(made.ok()) << path << ": " << made.error().message;
    EXPECT_EQ(made->identity.dimension, 4U);
    std::vector<std::vector<float>> vectors;
    for (const std::string& text : kTexts) {
      const auto vector = made->embedder->Embed(text);
      ASSERT_TRUE(vector.ok());
      ASSERT_EQ(vector->size(), 4U);
      EXPECT_NEAR(Cosine(*vector, *vector), 1, 1e-5);
      vectors.push_back(*vector);
    }
    EXPECT_GT(Cosine(vectors[0], vectors[1]), Cosine(vectors[0], vectors[2])) << "kitchens are alike";
    if (first.empty()) first = vectors;
    for (std::size_t i = 0; i < vectors.size(); ++i) EXPECT_GT(Cosine(first[i], vectors[i]), 0.99999) << path;
  }
}

TEST_F(StaticVectors, ATextOfUnknownWordsHasNoVectorAndPiecesHelp) {
  const auto whole = MakeStatic(Write("v.txt", kText), kTexts);
  ASSERT_TRUE(whole.ok());
  EXPECT_TRUE(whole->embedder->Embed("zzz qqq")->empty());
  EXPECT_FALSE(whole->embedder->Embed("").ok());
  EXPECT_FALSE(whole->embedder->Embed("\xff").ok());
  const auto pieces = MakeStatic(Write("p.txt", std::string(kText) + "##s .5 .5 .5 .5\n"), kTexts);
  ASSERT_TRUE(pieces.ok());
  EXPECT_FALSE(pieces->embedder->Embed("ovens")->empty());
}

TEST_F(StaticVectors, HalfPrecisionIsRead) {
  Write("vocab.txt", "one\ntwo\n");
  const std::uint16_t halves[] = {0x3C00, 0xC000, 0x0001, 0x3800};  // 1, -2, 2^-24, 0.5
  const std::string data(reinterpret_cast<const char*>(halves), sizeof(halves));
  const auto file = VectorFile::Open(
      Write("v.safetensors", Safetensors(R"({"e":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}})", data)));
  ASSERT_TRUE(file.ok()) << file.error().message;
  std::vector<double> sum(2, 0);
  (*file)->AddVector(0, 1, &sum);
  (*file)->AddVector(1, 2, &sum);
  EXPECT_DOUBLE_EQ(sum[0], 1 + 2 * std::ldexp(1, -24));
  EXPECT_DOUBLE_EQ(sum[1], -1);
}

TEST_F(StaticVectors, LoadsFromItsBundleAndRefusesAnotherFile) {
  const std::string path = Write("v.txt", kText);
  const auto made = MakeStatic(path, kTexts);
  ASSERT_TRUE(made.ok());
  const auto loaded = LoadStatic(made->identity, made->model);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ((*loaded)->Embed("oven treaty").value(), made->embedder->Embed("oven treaty").value());
  auto damaged = made->model;
  damaged.at(damaged.size() - 1) ^= 1;
  EXPECT_EQ(LoadStatic(made->identity, damaged).error().code, Code::kDataLoss);
  EXPECT_EQ(LoadStatic(made->identity, {}).error().code, Code::kDataLoss);
  Write("v.txt", std::string(kText) + "more 1 1 1 1\n");
  EXPECT_EQ(LoadStatic(made->identity, made->model).error().reason, "vectors_changed");
  std::filesystem::remove(path);
  EXPECT_EQ(LoadStatic(made->identity, made->model).error().reason, "vectors_missing");
}

TEST_F(StaticVectors, BrokenFilesAreRefusedWithTheirName) {
  const std::vector<std::pair<std::string, std::string>> broken{
      {"a.txt", ""},
      {"b.txt", "word\n"},
      {"c.txt", "a 1 2\nb 1\n"},
      {"d.txt", "a 1 x\n"},
      {"e.bin", "2 4\nword abc"},
      {"f.bin", "no header\n"},
      {"g.safetensors", "short"},
      {"h.safetensors", Safetensors("{}", "")},
      {"i.safetensors", std::string(8, '\xff') + "{}"},
  };
  for (const auto& [name, bytes] : broken) {
    const auto made = MakeStatic(Write(name, bytes), kTexts);
    ASSERT_FALSE(made.ok()) << name;
    EXPECT_NE(made.error().message.find(name), std::string::npos) << made.error().message;
  }
  EXPECT_EQ(MakeStatic(folder_ / "none.txt", kTexts).error().reason, "vectors_missing");
  EXPECT_FALSE(MakeStatic("relative.txt", kTexts).ok());
}

TEST(GloVe, PutsLikeQuestionsTogether) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  const std::string path = std::string(source == nullptr ? "." : source) + "/build/cache/glove-100d.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "`./dev fetch` brings the word vectors";
  const std::vector<std::string> texts{"How do I bake bread in the oven?", "Which emperor signed the treaty?",
                                       "What is the momentum of a photon?", "How long should the cake stay in?"};
  const auto made = MakeStatic(path, texts);
  ASSERT_TRUE(made.ok()) << made.error().message;
  const auto vectors = made->embedder->EmbedMany(texts);
  ASSERT_TRUE(vectors.ok());
  const auto cosine = [&](std::size_t i, std::size_t k) {
    double dot = 0;
    for (std::size_t j = 0; j < 100; ++j) {
      dot += static_cast<double>(vectors.value()[i][j]) * static_cast<double>(vectors.value()[k][j]);
    }
    return dot;
  };
  EXPECT_GT(cosine(0, 3), cosine(0, 1));
  EXPECT_GT(cosine(0, 3), cosine(0, 2));
}

}  // namespace
}  // namespace pointsman::embed
