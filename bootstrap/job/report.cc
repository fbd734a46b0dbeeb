#include "bootstrap/job/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "bootstrap/job/row_scores.h"
#include "embed/answer_groups.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kRowsToJudgeModel = 20;
constexpr std::size_t kWarningsOfAKind = 5;
constexpr double kJunkShareTold = 0.25;

// The most frequent category of a row; ties go to the smaller number.
struct Plurality {
  std::int16_t answer = kNoVote;
  std::size_t count = 0;
};

Plurality PluralityOf(const Votes& votes, std::size_t item) {
  std::vector<std::size_t> count(votes.options, 0);
  for (std::size_t m = 0; m < votes.models; ++m) {
    if (votes.at(item, m) != kNoVote) ++count[static_cast<std::size_t>(votes.at(item, m))];
  }
  const auto most = std::max_element(count.begin(), count.end());
  if (most == count.end() || *most == 0) return {};
  return {static_cast<std::int16_t>(most - count.begin()), *most};
}

// Bound on the probability that `votes` uniform draws among `options` give one of
// them at least `count` times: options times the binomial tail.
double ChanceOfPlurality(std::size_t votes, std::size_t options, std::size_t count) {
  if (options < 2 || count == 0) return 1;
  const auto n = static_cast<double>(votes);
  const double hit = 1 / static_cast<double>(options);
  double tail = 0;
  for (std::size_t k = count; k <= votes; ++k) {
    const auto x = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) + x * std::log(hit) +
                     (n - x) * std::log1p(-hit));
  }
  return std::min(tail * static_cast<double>(options), 1.0);
}

// True where both say the same.
bool SameAnswer(const std::string& a, const std::string& b) {
  const std::array<std::string, 2> both{a, b};
  const auto found = embed::GroupAnswers(both, embed::KindOf(both), embed::NgramSimilarity).number;
  return found[0] != embed::kNoGroup && found[0] == found[1];
}

class Reporter {
 public:
  Reporter(const Table& table, std::vector<std::size_t> columns)
      : table_(table), columns_(std::move(columns)), rows_(table.rows.size()) {
    std::iota(rows_.begin(), rows_.end(), 0);
    votes_ = VotesOf(table, rows_, columns_).votes;
    agreement_ = AgreementOf(table, rows_, columns_);
    honest_ = HonestShares(table, rows_, columns_);
    std::set<std::string> seen;
    for (const std::size_t r : rows_) {
      duplicate_.push_back(!seen.insert(embed::NormalisedText(table.rows[r].query)).second);
    }
  }

  BootstrapReport Make() {
    BootstrapReport report;
    report.table = table_.name;
    for (const std::size_t m : columns_) report.models.push_back(table_.models[m]);
    std::map<std::string, std::vector<std::size_t>> by_generator;
    std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> by_both;
    for (const std::size_t r : rows_) {
      const TableRow& row = table_.rows[r];
      by_generator[row.generator].push_back(r);
      by_both[{row.generator, row.task}].push_back(r);
    }
    report.total = Summarise("", "", rows_);
    if (by_generator.size() > 1 || !by_generator.begin()->first.empty()) {
      for (const auto& [generator, rows] : by_generator) {
        report.generators.push_back(Summarise(generator, "", rows));
      }
    }
    for (const auto& [key, rows] : by_both) report.groups.push_back(Summarise(key.first, key.second, rows));
    Warn(report);
    return report;
  }

 private:
  GroupReport Summarise(const std::string& generator, const std::string& task,
                        const std::vector<std::size_t>& rows) const;
  void FillReferences(const std::vector<std::size_t>& rows, GroupReport& group) const;
  double ModelVariance(const std::vector<std::size_t>& rows) const;
  void Warn(BootstrapReport& report) const;
  void WarnOfModels(BootstrapReport& report) const;

  const Table& table_;
  const std::vector<std::size_t> columns_;
  std::vector<std::size_t> rows_;
  Votes votes_;
  std::vector<ItemAgreement> agreement_;
  std::vector<double> honest_;
  std::vector<bool> duplicate_;
};

GroupReport Reporter::Summarise(const std::string& generator, const std::string& task,
                                const std::vector<std::size_t>& rows) const {
  GroupReport group;
  group.generator = generator;
  group.task = task;
  group.rows = rows.size();
  const auto count = static_cast<double>(rows.size());
  double sum = 0;
  double squares = 0;
  for (const std::size_t r : rows) {
    const ItemAgreement& item = agreement_[r];
    sum += item.plurality;
    squares += item.plurality * item.plurality;
    group.kept += item.kept(RowFilter::kPlurality) ? 1 : 0;
    group.duplicates += duplicate_[r] ? 1 : 0;
    group.unanimous += item.unanimous ? 1 / count : 0;
    group.chaotic += item.chaotic ? 1 / count : 0;
    group.junk += (1 - honest_[r]) / count;
  }
  group.agreement = sum / count;
  group.agreement_variance = std::max(squares / count - group.agreement * group.agreement, 0.0);
  group.model_variance = ModelVariance(rows);
  FillReferences(rows, group);
  return group;
}

double Reporter::ModelVariance(const std::vector<std::size_t>& rows) const {
  std::vector<double> with(columns_.size(), 0);
  std::vector<double> asked(columns_.size(), 0);
  for (const std::size_t r : rows) {
    const Plurality most = PluralityOf(votes_, r);
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (!table_.rows[r].models[columns_[c]].present) continue;
      asked[c] += 1;
      if (most.count > 0 && votes_.at(r, c) == most.answer) with[c] += 1;
    }
  }
  double sum = 0;
  double squares = 0;
  double models = 0;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (asked[c] <= 0) continue;
    const double share = with[c] / asked[c];
    sum += share;
    squares += share * share;
    models += 1;
  }
  return models > 0 ? std::max(squares / models - sum / models * (sum / models), 0.0) : kNothing;
}

void Reporter::FillReferences(const std::vector<std::size_t>& rows, GroupReport& group) const {
  double references = 0;
  double agreed = 0;
  double own = 0;
  double own_agreed = 0;
  for (const std::size_t r : rows) {
    const TableRow& row = table_.rows[r];
    if (row.gold.empty()) continue;
    references += 1;
    const Plurality most = PluralityOf(votes_, r);
    for (std::size_t c = 0; c < columns_.size() && most.count > 0; ++c) {
      if (votes_.at(r, c) != most.answer) continue;
      agreed += SameAnswer(row.models[columns_[c]].answer, row.gold) ? 1 : 0;
      break;
    }
    for (const std::size_t m : columns_) {
      if (table_.models[m] != row.generator || !row.models[m].present) continue;
      own += 1;
      own_agreed += SameAnswer(row.models[m].answer, row.gold) ? 1 : 0;
    }
  }
  group.reference_agreement = references > 0 ? agreed / references : kNothing;
  group.self_consistency = own > 0 ? own_agreed / own : kNothing;
}

void Reporter::Warn(BootstrapReport& report) const {
  const auto say = [&](std::string text) { report.warnings.push_back(std::move(text)); };
  if (columns_.size() < kModelsWanted) {
    say("only " + std::to_string(columns_.size()) + " models have answers; the improved consensus gains little below " +
        std::to_string(kModelsWanted));
  }
  if (rows_.size() < kItemsWanted) {
    say("only " + std::to_string(rows_.size()) + " rows; the improved consensus gains little below " +
        std::to_string(kItemsWanted));
  }
  if (2 * report.total.kept < report.total.rows) {
    say("the filter keeps " + std::to_string(report.total.kept) + " of " + std::to_string(report.total.rows) +
        " rows: most queries are too easy, too hard or unclear for this pool");
  }
  if (report.total.junk > kJunkShareTold) {
    say("one row in " + std::to_string(std::lround(1 / report.total.junk)) +
        " looks like chaos or idle unanimity: `bootstrap run --filter junk` lets such rows count less");
  }
  if (table_.broken_lines > 0) {
    std::string text = std::to_string(table_.broken_lines) + " lines cannot be read";
    for (std::size_t i = 0; i < table_.errors.size() && i < kWarningsOfAKind; ++i) {
      text += "; line " + std::to_string(table_.errors[i].line) + ": " + table_.errors[i].message;
    }
    say(std::move(text));
  }
  WarnOfModels(report);
}

void Reporter::WarnOfModels(BootstrapReport& report) const {
  std::size_t said = 0;
  for (std::size_t c = 0; c < columns_.size() && said < kWarningsOfAKind; ++c) {
    std::size_t given = 0;
    std::set<std::string> distinct;
    for (const std::size_t r : rows_) {
      const std::string& answer = table_.rows[r].models[columns_[c]].answer;
      if (answer.empty()) continue;
      ++given;
      if (distinct.size() < 2) distinct.insert(answer);
    }
    if (given < kRowsToJudgeModel || distinct.size() > 1) continue;
    report.warnings.push_back("model " + report.models[c] + " gave the same answer to all of its " +
                              std::to_string(given) + " rows");
    ++said;
  }
  said = 0;
  for (std::size_t a = 0; a < columns_.size(); ++a) {
    for (std::size_t b = a + 1; b < columns_.size() && said < kWarningsOfAKind; ++b) {
      std::size_t both = 0;
      bool alike = true;
      for (const std::size_t r : rows_) {
        const bool answered = votes_.at(r, a) != kNoVote && votes_.at(r, b) != kNoVote;
        both += answered ? 1 : 0;
        alike = !answered || votes_.at(r, a) == votes_.at(r, b);
        if (!alike) break;
      }
      if (!alike || both < kRowsToJudgeModel) continue;
      report.warnings.push_back("models " + report.models[a] + " and " + report.models[b] + " agree on all " +
                                std::to_string(both) + " rows that both answered: they may be one model");
      ++said;
    }
  }
}

}  // namespace

bool ItemAgreement::kept(RowFilter filter) const {
  if (filter == RowFilter::kNone || filter == RowFilter::kJunk) return true;
  if (filter == RowFilter::kNotByChance) return !by_chance;
  return !unanimous && !(filter == RowFilter::kPlurality ? chaotic : by_chance);
}

std::vector<ItemAgreement> AgreementOf(const Table& table, std::span<const std::size_t> rows,
                                       std::span<const std::size_t> columns) {
  const Votes votes = VotesOf(table, rows, columns).votes;
  std::vector<ItemAgreement> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::size_t asked = 0;
    for (const std::size_t m : columns) asked += table.rows[rows[i]].models[m].present ? 1 : 0;
    const std::size_t count = PluralityOf(votes, i).count;
    ItemAgreement item;
    item.plurality = asked > 0 ? static_cast<double>(count) / static_cast<double>(asked) : 0;
    item.unanimous = count > 0 && count == asked;
    item.chaotic = item.plurality < kPluralityMin;
    std::size_t read = 0;
    for (std::size_t m = 0; m < votes.models; ++m) read += votes.at(i, m) != kNoVote ? 1 : 0;
    item.by_chance = item.chaotic && ChanceOfPlurality(read, votes.options_of(i), count) > kChanceLevel;
    out.push_back(item);
  }
  return out;
}

std::vector<std::size_t> FilterRows(const Table& table, std::span<const std::size_t> rows,
                                    std::span<const std::size_t> columns, RowFilter filter) {
  std::vector<std::size_t> kept;
  if (filter == RowFilter::kNone || filter == RowFilter::kJunk) {
    kept.assign(rows.begin(), rows.end());
    return kept;
  }
  const auto agreement = AgreementOf(table, rows, columns);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (agreement[i].kept(filter)) kept.push_back(rows[i]);
  }
  return kept;
}

Result<BootstrapReport> MakeBootstrapReport(const Table& table, const ReportOptions& options) {
  for (const std::string& name : options.models) {
    if (std::find(table.models.begin(), table.models.end(), name) != table.models.end()) continue;
    std::string known;
    for (const std::string& model : table.models) known += (known.empty() ? "" : ", ") + model;
    return MakeError(Code::kNotFound, "unknown_model",
                     "no row of the table has a model \"" + name + "\"; it has: " + known);
  }
  std::vector<std::size_t> columns;
  for (std::size_t m = 0; m < table.models.size(); ++m) {
    const bool wanted = options.models.empty() || std::find(options.models.begin(), options.models.end(),
                                                            table.models[m]) != options.models.end();
    const bool answers = std::any_of(table.rows.begin(), table.rows.end(),
                                     [&](const TableRow& row) { return !row.models[m].answer.empty(); });
    if (wanted && answers) columns.push_back(m);
  }
  if (columns.empty()) {
    return MakeError(Code::kInvalidArgument, "table_unusable",
                     "no model of the table has an answer; the report needs the field \"answer\" in models");
  }
  return Reporter(table, std::move(columns)).Make();
}

}  // namespace pointsman::bootstrap
