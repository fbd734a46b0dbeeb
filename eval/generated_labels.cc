#include "eval/generated_labels.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/unit_draw.h"

namespace pointsman::eval {
namespace {

using References = std::vector<std::string>;  // one a row

// The wrong answer that most models gave; the first of equals, `otherwise` without one.
std::string PopularError(const bootstrap::TableRow& row, const std::string& otherwise) {
  std::map<std::string, int> count;
  for (const auto& cell : row.models) {
    if (!cell.answer.empty() && cell.answer != row.gold) ++count[cell.answer];
  }
  const auto most =
      std::max_element(count.begin(), count.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == count.end() ? otherwise : most->first;
}

Result<std::vector<std::string>> Letters(const bootstrap::Table& table, std::span<const std::size_t> rows) {
  std::vector<std::string> letters;
  for (const std::size_t r : rows) {
    const bootstrap::TableRow& row = table.rows[r];
    if (row.gold.empty()) {
      return MakeError(Code::kFailedPrecondition, "no_reference",
                       "generated labels need the right answer of every row; row " + row.id + " has none");
    }
    if (std::find(letters.begin(), letters.end(), row.gold) == letters.end()) letters.push_back(row.gold);
  }
  if (letters.size() < 2) {
    return MakeError(Code::kFailedPrecondition, "one_reference",
                     "all references are alike, so none can be replaced by another");
  }
  std::sort(letters.begin(), letters.end());
  return letters;
}

References OfLetters(const bootstrap::Table& table, std::span<const std::size_t> rows,
                     const std::vector<std::string>& letters, double error, bool popular, SplitMix64& random) {
  References references;
  for (const std::size_t r : rows) {
    const bootstrap::TableRow& row = table.rows[r];
    std::string reference = row.gold;
    const bool wrong = random.Unit() < error;
    const auto own = static_cast<std::size_t>(std::find(letters.begin(), letters.end(), row.gold) - letters.begin());
    const auto drawn = static_cast<std::size_t>(random.Below(letters.size() - 1));
    if (wrong) reference = letters[drawn < own ? drawn : drawn + 1];
    if (wrong && popular) reference = PopularError(row, reference);
    references.push_back(std::move(reference));
  }
  return references;
}

Result<References> OfModel(const bootstrap::Table& table, std::span<const std::size_t> rows, const std::string& model,
                           double error, SplitMix64& random) {
  const auto found = std::find(table.models.begin(), table.models.end(), model);
  if (found == table.models.end()) {
    return MakeError(Code::kNotFound, "unknown_model",
                     "the generator '" + log::Escape(model) + "' is neither a kind of fault nor a model of the table");
  }
  const auto column = static_cast<std::size_t>(found - table.models.begin());
  References references;
  std::vector<std::size_t> missed;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bootstrap::TableRow& row = table.rows[rows[i]];
    references.push_back(row.gold);
    const std::string& answer = row.models[column].answer;
    if (!answer.empty() && answer != row.gold) missed.push_back(i);
  }
  const auto wanted = static_cast<std::size_t>(error * static_cast<double>(rows.size()) + 0.5);
  if (wanted > missed.size()) {
    return MakeError(Code::kOutOfRange, "generator_errs_less",
                     "model '" + model + "' errs in " + std::to_string(missed.size()) + " of the " +
                         std::to_string(rows.size()) + " rows, which is less than the share of errors asked for");
  }
  for (std::size_t i = 0; i < wanted; ++i) {
    std::swap(missed[i], missed[i + random.Below(missed.size() - i)]);
    references[missed[i]] = table.rows[rows[missed[i]]].models[column].answer;
  }
  return references;
}

}  // namespace

Result<bootstrap::Table> GeneratedLabels(const bootstrap::Table& table, std::span<const std::size_t> rows, double error,
                                         const std::string& fault, std::uint64_t seed) {
  const auto letters = Letters(table, rows);
  if (!letters.ok()) return letters.error();
  SplitMix64 random(seed);
  References references;
  if (fault == kRandomFault || fault == kPopularFault) {
    references = OfLetters(table, rows, *letters, error, fault == kPopularFault, random);
  } else {
    auto own = OfModel(table, rows, fault, error, random);
    if (!own.ok()) return own.error();
    references = std::move(own).value();
  }
  bootstrap::Table out = table;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (auto& cell : out.rows[rows[i]].models) cell.score = cell.answer == references[i] ? 1 : 0;
  }
  return out;
}

}  // namespace pointsman::eval
