#include "bootstrap/job/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace pointsman::bootstrap {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A table with one column a model, "a", "b", ...; each string is one row's answers,
// one letter a model: '-' not asked, '.' asked but not readable.
Table Answers(const std::vector<std::string>& rows) {
  Table table;
  table.name = "test";
  for (std::size_t m = 0; m < rows.front().size(); ++m) table.models.push_back(std::string(1, static_cast<char>('a' + m)));
  for (const std::string& letters : rows) {
    TableRow row;
    row.query = "question " + std::to_string(table.rows.size());
    row.task = "task";
    for (const char letter : letters) {
      TableCell cell{};
      cell.present = letter != '-';
      if (letter != '-' && letter != '.') cell.answer = std::string(1, letter);
      row.models.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

std::vector<std::size_t> AllOf(std::size_t count) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

TEST(RowFilter, KeepsAPluralityOfAtLeastHalfThatIsNotUnanimous) {
  const Table table = Answers({"AAAA", "AAAB", "AABB", "AABC", "ABCD", "AAA.", "AAA-", "....", "A---"});
  EXPECT_THAT(FilterRows(table, AllOf(table.rows.size()), AllOf(4), RowFilter::kPlurality), ElementsAre(1, 2, 3, 5));
}

TEST(RowFilter, LooksOnlyAtTheColumnsItIsGiven) {
  const Table table = Answers({"AAAB", "AABB"});
  EXPECT_THAT(FilterRows(table, AllOf(2), AllOf(3), RowFilter::kPlurality), ElementsAre(1));
}

TEST(RowFilter, AboveChanceAlsoKeepsWhatManyModelsWouldNotReachAtRandom) {
  // Of twenty models: nine agree; two do, as random answers would; all do.
  const Table table = Answers({"AAAAAAAAABBBBCCCDDEF", "AABBCCDDEEFFGGHHIIJJ", std::string(20, 'A')});
  EXPECT_THAT(FilterRows(table, AllOf(3), AllOf(20), RowFilter::kAboveChance), ElementsAre(0));
  EXPECT_THAT(FilterRows(table, AllOf(3), AllOf(20), RowFilter::kNotByChance), ElementsAre(0, 2));
  EXPECT_THAT(FilterRows(table, AllOf(3), AllOf(20), RowFilter::kPlurality), ElementsAre());
  EXPECT_THAT(FilterRows(table, AllOf(3), AllOf(20), RowFilter::kNone), ElementsAre(0, 1, 2));
}

TEST(BootstrapReport, TellsAgreementSpreadAndDuplicatesByGeneratorAndTask) {
  Table table = Answers({"AAAA", "AAAB", "ABCD", "AABB"});
  table.rows[0].generator = table.rows[1].generator = "a";
  table.rows[2].generator = table.rows[3].generator = "other";
  table.rows[0].gold = "A";
  table.rows[1].gold = "B";
  table.rows[3].query = "Question, 2!";
  table.rows[3].task = "second";
  const auto report = MakeBootstrapReport(table, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->total.rows, 4U);
  EXPECT_EQ(report->total.kept, 2U);
  EXPECT_EQ(report->total.duplicates, 1U);
  EXPECT_NEAR(report->total.agreement, (1 + .75 + .25 + .5) / 4, 1e-12);
  EXPECT_NEAR(report->total.unanimous, .25, 1e-12);
  EXPECT_NEAR(report->total.chaotic, .25, 1e-12);
  const double mean = .625;
  const double squares = (1 + .5625 + .0625 + .25) / 4;
  EXPECT_NEAR(report->total.agreement_variance, squares - mean * mean, 1e-12);
  ASSERT_EQ(report->generators.size(), 2U);
  EXPECT_EQ(report->generators[0].generator, "a");
  EXPECT_NEAR(report->generators[0].self_consistency, .5, 1e-12) << "it answers A twice; its references are A and B";
  EXPECT_NEAR(report->generators[0].reference_agreement, .5, 1e-12);
  EXPECT_TRUE(std::isnan(report->generators[1].self_consistency));
  EXPECT_EQ(report->groups.size(), 3U);
}

TEST(BootstrapReport, WarnsOfSmallPoolsDullModelsCopiesAndBrokenLines) {
  std::vector<std::string> rows;
  for (int i = 0; i < 40; ++i) rows.push_back(std::string(2, static_cast<char>('A' + i % 4)) + "C");
  Table table = Answers(rows);
  table.broken_lines = 1;
  table.errors.push_back({7, "not a JSON object"});
  const auto report = MakeBootstrapReport(table, {});
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->warnings, Contains(HasSubstr("3 models")));
  EXPECT_THAT(report->warnings, Contains(HasSubstr("40 rows")));
  EXPECT_THAT(report->warnings, Contains(HasSubstr("model c gave the same answer to all of its 40 rows")));
  EXPECT_THAT(report->warnings, Contains(HasSubstr("models a and b agree on all 40 rows")));
  EXPECT_THAT(report->warnings, Contains(HasSubstr("line 7: not a JSON object")));
}

TEST(BootstrapReport, RefusesUnknownModelsAndTablesWithoutAnswersByName) {
  const Table table = Answers({"AB", "BA"});
  const auto unknown = MakeBootstrapReport(table, {.models = {"zebra"}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_THAT(unknown.error().message, HasSubstr("zebra"));
  const auto silent = MakeBootstrapReport(Answers({"..", ".."}), {});
  ASSERT_FALSE(silent.ok());
  EXPECT_THAT(silent.error().message, HasSubstr("answer"));
  Table empty;
  EXPECT_FALSE(MakeBootstrapReport(empty, {}).ok());
  const auto one = MakeBootstrapReport(table, {.models = {"a"}});
  ASSERT_TRUE(one.ok()) << "one model is reported, with a warning";
  EXPECT_EQ(one->total.unanimous, 1);
}

}  // namespace
}  // namespace pointsman::bootstrap
