// The list of faults follows the sources: a passage that is gone, or is there twice, is
// found here and not when a release waits for `./dev mutants`.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace pointsman::tidy {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t CountOf(const std::string& passage, const std::string& text) {
  std::size_t count = 0;
  for (auto at = text.find(passage); at != std::string::npos; at = text.find(passage, at + 1)) ++count;
  return count;
}

TEST(Mutants, EachPassageIsInItsSourceExactlyOnce) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  ASSERT_NE(source, nullptr) << "run by ctest, which sets POINTSMAN_SOURCE";
  const std::string root = std::string(source) + "/";
  const auto list = nlohmann::json::parse(Read(root + "tests/mutants/mutants.json"), nullptr, false);
  ASSERT_TRUE(list.is_array());
  EXPECT_GE(list.size(), 40u);
  std::set<std::string> names;
  for (const auto& mutant : list) {
    const auto name = mutant.at("name").get<std::string>();
    EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
    EXPECT_NE(mutant.at("find"), mutant.at("replace")) << name;
    EXPECT_EQ(CountOf(mutant.at("find"), Read(root + mutant.at("file").get<std::string>())), 1u)
        << name << ": the list has to follow " << mutant.at("file");
  }
}

}  // namespace
}  // namespace pointsman::tidy
