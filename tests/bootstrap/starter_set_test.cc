// The shipped starter set keeps the rules that its README states, and its reader
// refuses broken files by line.
#include "bootstrap/data/starter_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "embed/lsa.h"

namespace pointsman::bootstrap {
namespace {

using testing::HasSubstr;

std::string ShippedDirectory() {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  return std::string(source != nullptr ? source : ".") + "/bootstrap/starter";
}

const StarterSet& Shipped() {
  static const StarterSet set = [] {
    auto read = ReadStarterSet(ShippedDirectory());
    if (!read.ok()) {
      ADD_FAILURE() << read.error().message;
      return StarterSet{};
    }
    return std::move(read).value();
  }();
  return set;
}

// Lower-cased runs of ASCII letters and digits.
std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      words.back().push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

TEST(StarterSet, TaxonomyHasTenDomainsOfFiveSubcategoriesAtThreeLevels) {
  std::map<std::string, std::map<std::string, std::set<std::uint32_t>>> levels;
  for (const StarterNode& node : Shipped().nodes) levels[node.domain][node.subcategory].insert(node.level);
  EXPECT_GE(levels.size(), 10U);
  for (const auto& [domain, subcategories] : levels) {
    EXPECT_GE(subcategories.size(), 5U) << domain;
    for (const auto& [subcategory, found] : subcategories) EXPECT_EQ(found.size(), 3U) << domain << "." << subcategory;
  }
}

TEST(StarterSet, EveryLeafIsNamedDefinedInOneSentenceAndIllustrated) {
  for (const StarterNode& node : Shipped().nodes) {
    EXPECT_EQ(node.definition.find('.'), node.definition.size() - 1) << node.id;
    EXPECT_FALSE(node.name.empty()) << node.id;
    EXPECT_FALSE(node.example.empty()) << node.id;
    EXPECT_EQ(node.id.rfind(node.domain + "." + node.subcategory + ".", 0), 0U) << node.id;
  }
}

TEST(StarterSet, HasSixHundredQueriesAndFourForEveryLeaf) {
  EXPECT_GE(Shipped().queries.size(), 600U);
  std::vector<int> counts(Shipped().nodes.size());
  std::set<std::string> texts;
  for (const StarterQuery& query : Shipped().queries) {
    ++counts.at(query.node);
    EXPECT_TRUE(texts.insert(query.query).second) << query.id << " repeats a query";
  }
  for (std::size_t n = 0; n < counts.size(); ++n) EXPECT_GE(counts[n], 4) << Shipped().nodes[n].id;
}

TEST(StarterSet, NoSixWordsInARowOccurInMoreThanOnePercentOfTheQueries) {
  constexpr std::size_t kLength = 6;
  std::map<std::string, std::size_t> occurrences;
  for (const StarterQuery& query : Shipped().queries) {
    const std::vector<std::string> words = Words(query.query);
    std::set<std::string> grams;
    for (std::size_t i = 0; i + kLength <= words.size(); ++i) {
      std::string gram;
      for (std::size_t j = i; j < i + kLength; ++j) gram += words[j] + " ";
      grams.insert(gram);
    }
    for (const std::string& gram : grams) ++occurrences[gram];
  }
  ASSERT_FALSE(occurrences.empty());
  for (const auto& [gram, count] : occurrences) {
    EXPECT_LE(count * 100, Shipped().queries.size()) << gram;
  }
}

TEST(StarterSet, NoTwoQueriesOfALeafAreCloserThanCosineNineTenths) {
  std::vector<std::string> texts;
  for (const StarterQuery& query : Shipped().queries) texts.push_back(query.query);
  auto fit = embed::FitLsa(texts, {.dimension = 256, .seed = 1});
  ASSERT_TRUE(fit.ok()) << fit.error().message;
  std::map<std::uint32_t, std::vector<std::size_t>> of_node;
  std::vector<std::vector<float>> vectors;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto vector = fit->embedder->Embed(texts[i]);
    ASSERT_TRUE(vector.ok()) << texts[i];
    ASSERT_EQ(vector->size(), 256U) << texts[i];
    vectors.push_back(std::move(vector).value());
    of_node[Shipped().queries[i].node].push_back(i);
  }
  double closest = -1;
  for (const auto& [node, members] : of_node) {
    for (std::size_t a = 0; a < members.size(); ++a) {
      for (std::size_t b = a + 1; b < members.size(); ++b) {
        double cosine = 0;
        for (std::size_t d = 0; d < 256; ++d) cosine += vectors[members[a]][d] * vectors[members[b]][d];
        closest = std::max(closest, cosine);
        EXPECT_LT(cosine, 0.9) << texts[members[a]] << "\n" << texts[members[b]];
      }
    }
  }
  RecordProperty("closest_cosine", std::to_string(closest));
}

class StarterSetFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "starter.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    Write("taxonomy.jsonl", kNode);
    Write("queries.jsonl", kQuery);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& file, const std::string& content) {
    std::ofstream(directory_ + "/" + file, std::ios::binary) << content;
  }
  void ExpectRefused(Code code, const std::string& reason, const std::string& message) {
    auto read = ReadStarterSet(directory_);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, code);
    EXPECT_EQ(read.error().reason, reason);
    EXPECT_THAT(read.error().message, HasSubstr(message));
  }

  const std::string kNode =
      R"({"id":"a.b.basic","domain":"a","subcategory":"b","level":"basic","name":"n","definition":"d.","example":"e"})"
      "\n";
  const std::string kQuery = R"({"id":"q1","node":"a.b.basic","query":"why?","reference":"so"})"
                             "\n";
  std::string directory_;
};

TEST_F(StarterSetFiles, ASmallSetIsReadAsWritten) {
  auto read = ReadStarterSet(directory_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->nodes.size(), 1U);
  ASSERT_EQ(read->queries.size(), 1U);
  EXPECT_EQ(read->nodes[0].id, "a.b.basic");
  EXPECT_EQ(read->nodes[0].level, 0U);
  EXPECT_EQ(read->queries[0].query, "why?");
  EXPECT_EQ(read->queries[0].reference, "so");
}

TEST_F(StarterSetFiles, AMissingFileIsNotFound) {
  std::filesystem::remove(directory_ + "/queries.jsonl");
  ExpectRefused(Code::kNotFound, "starter_file_missing", "queries.jsonl");
}

TEST_F(StarterSetFiles, ABrokenLineIsNamedByFileAndNumber) {
  Write("queries.jsonl", kQuery + "{\"id\":\n");
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "queries.jsonl, line 2: it is not a JSON object");
}

TEST_F(StarterSetFiles, AMissingFieldIsNamed) {
  Write("queries.jsonl", "{\"id\":\"q1\",\"node\":\"a.b.basic\",\"query\":7,\"reference\":\"x\"}\n");
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "line 1: query is missing or not a text");
}

TEST_F(StarterSetFiles, AQueryOfAnUnknownLeafIsRefused) {
  Write("queries.jsonl", "{\"id\":\"q1\",\"node\":\"x.y.basic\",\"query\":\"?\",\"reference\":\"x\"}\n");
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "node x.y.basic is not in taxonomy.jsonl");
}

TEST_F(StarterSetFiles, AnIdThatOccursTwiceIsRefused) {
  Write("queries.jsonl", kQuery + kQuery);
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "line 2: id q1 occurs twice");
  Write("taxonomy.jsonl", kNode + kNode);
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "line 2: id a.b.basic occurs twice");
}

TEST_F(StarterSetFiles, AnUnknownLevelIsRefused) {
  std::string node = kNode;
  node.replace(node.find(":\"basic"), 7, ":\"heroic");
  Write("taxonomy.jsonl", node);
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "level heroic");
}

TEST_F(StarterSetFiles, AnOverlongLineIsRefused) {
  Write("queries.jsonl", std::string(100'000, 'x') + "\n");
  ExpectRefused(Code::kInvalidArgument, "starter_line_invalid", "longer than 65536 bytes");
}

TEST_F(StarterSetFiles, AnEmptyFileIsRefused) {
  Write("taxonomy.jsonl", "");
  ExpectRefused(Code::kInvalidArgument, "starter_set_empty", "taxonomy.jsonl");
}

}  // namespace
}  // namespace pointsman::bootstrap
