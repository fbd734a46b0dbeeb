#include "bootstrap/job/row_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "bootstrap/fit/consensus.h"
#include "bootstrap/fit/crowd.h"
#include "bootstrap/fit/junk.h"
#include "embed/answer_groups.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kLettersShare = 0.9;
constexpr double kOptionsCover = 0.995;  // stray letters beyond this share are misreadings
constexpr std::size_t kOptionsMin = 4;
constexpr std::size_t kOpenOptions = 10;  // of an open question, as many as the crowd model was found with

// Letters: the smallest number of options that covers nearly all votes; votes
// beyond it abstain.
void LimitOptions(Votes& votes) {
  std::array<std::size_t, kPublishedLetters> count{};
  std::size_t total = 0;
  for (const std::int16_t vote : votes.answer) {
    if (vote == kNoVote) continue;
    ++count[static_cast<std::size_t>(vote)];
    ++total;
  }
  std::size_t covered = 0;
  std::size_t options = 0;
  while (options < count.size() && static_cast<double>(covered) < kOptionsCover * static_cast<double>(total)) {
    covered += count[options++];
  }
  votes.options = std::max(options, kOptionsMin);
}

// What a row says of its own number of options goes before the table's usual.
void LimitItems(const Table& table, std::span<const std::size_t> rows, Votes& votes) {
  const auto usual = static_cast<std::uint16_t>(votes.options);
  for (const std::size_t r : rows) {
    const TableRow& row = table.rows[r];
    const std::size_t stated = row.options > 0 ? row.options : ListedOptions(row.query);
    votes.item_options.push_back(stated > 0 ? static_cast<std::uint16_t>(stated) : usual);
    votes.options = std::max<std::size_t>(votes.options, stated);
  }
  for (std::size_t i = 0; i < votes.answer.size(); ++i) {
    std::int16_t& vote = votes.answer[i];
    if (vote != kNoVote && static_cast<std::size_t>(vote) >= votes.options_of(i / votes.models)) vote = kNoVote;
  }
}

// Numbers groups by falling size, ties by first appearance, so that what is cut off
// at the end are answers that hardly anybody gave.
void LargestFirst(embed::AnswerGroups& found) {
  std::vector<std::size_t> size(found.groups, 0);
  for (const std::int16_t number : found.number) {
    if (number != kNoVote) ++size[static_cast<std::size_t>(number)];
  }
  std::vector<std::size_t> order(found.groups);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size[a] > size[b]; });
  std::vector<std::int16_t> renumbered(found.groups);
  for (std::size_t rank = 0; rank < order.size(); ++rank) renumbered[order[rank]] = static_cast<std::int16_t>(rank);
  for (std::int16_t& number : found.number) {
    if (number != kNoVote) number = renumbered[static_cast<std::size_t>(number)];
  }
}

// Items of any kind, each grouped by its own. Open answers have one category more
// than were given, and at least kOpenOptions: the right answer may be missing.
Votes GroupedVotes(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns) {
  Votes votes{rows.size(), columns.size(), kOptionsMin, {}};
  for (const std::size_t r : rows) {
    const TableRow& row = table.rows[r];
    std::vector<std::string> answers;
    for (const std::size_t m : columns) answers.push_back(row.models[m].answer);
    const embed::AnswerKind kind = embed::KindOf(answers);
    embed::AnswerGroups found = embed::GroupAnswers(answers, kind, embed::NgramSimilarity);
    std::size_t options = 0;
    if (kind == embed::AnswerKind::kLetter) {
      for (std::size_t m = 0; m < answers.size(); ++m) found.number[m] = LetterCategory(answers[m]);
      const std::size_t stated = row.options > 0 ? row.options : ListedOptions(row.query);
      options = stated > 0 ? stated : std::max(found.groups, kOptionsMin);
    } else {
      LargestFirst(found);
      options = std::max(found.groups + 1, kOpenOptions);
    }
    options = std::min(options, kPublishedLetters);
    for (const std::int16_t number : found.number) {
      votes.answer.push_back(static_cast<std::size_t>(number + 1) <= options ? number : kNoVote);
    }
    votes.item_options.push_back(static_cast<std::uint16_t>(options));
    votes.options = std::max(votes.options, options);
  }
  return votes;
}

}  // namespace

TableVotes VotesOf(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns) {
  TableVotes result;
  result.votes = Votes{rows.size(), columns.size(), kOptionsMin, {}};
  double given = 0;
  double letters = 0;
  for (const std::size_t r : rows) {
    for (const std::size_t m : columns) {
      const std::string& answer = table.rows[r].models[m].answer;
      const std::int16_t letter = LetterCategory(answer);
      given += answer.empty() ? 0 : 1;
      letters += letter == kNoVote ? 0 : 1;
      result.votes.answer.push_back(letter);
    }
  }
  result.letters = letters > 0 && letters >= kLettersShare * given;
  if (result.letters) {
    LimitOptions(result.votes);
    LimitItems(table, rows, result.votes);
  } else {
    result.votes = GroupedVotes(table, rows, columns);
  }
  return result;
}

Consensus ChooseConsensus(std::size_t rows, std::size_t models) {
  return models >= kCrowdModelsMin && rows >= kCrowdRowsMin ? Consensus::kCrowd : Consensus::kPlainEm;
}

std::vector<double> LogProbabilities(const Table& table, std::span<const std::size_t> rows,
                                     std::span<const std::size_t> columns) {
  std::vector<double> values;
  bool any = false;
  for (const std::size_t r : rows) {
    for (const std::size_t m : columns) {
      values.push_back(table.rows[r].models[m].log_probability);
      any = any || std::isfinite(values.back());
    }
  }
  if (!any) values.clear();
  return values;
}

RowScores ScoreRows(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns,
                    Labels labels, Consensus consensus) {
  RowScores result;
  result.scores = Scores{rows.size(), columns.size(), {}};
  if (labels == Labels::kScores) {
    for (const std::size_t r : rows) {
      for (const std::size_t m : columns) {
        const TableCell& cell = table.rows[r].models[m];
        result.scores.value.push_back(cell.present ? cell.score : std::numeric_limits<double>::quiet_NaN());
      }
    }
    return result;
  }
  const TableVotes votes = VotesOf(table, rows, columns);
  result.used = consensus == Consensus::kAuto ? ChooseConsensus(rows.size(), columns.size()) : consensus;
  const auto log_probability = LogProbabilities(table, rows, columns);
  const bool published = result.used == Consensus::kPublished || result.used == Consensus::kPublishedRawSum;
  std::vector<double> confidence;
  if (!published && !log_probability.empty()) confidence = Confidence(votes.votes, log_probability);
  if (result.used == Consensus::kCrowd) {
    result.scores.value = CrowdConsensus(votes.votes, confidence);
  } else if (published) {
    PublishedOptions options;
    if (result.used == Consensus::kPublishedRawSum) options.link = ConsensusLink::kRawSum;
    result.scores.value = PublishedConsensus(votes.votes, log_probability, options);
    if (options.link == ConsensusLink::kRawSum) {
      for (double& score : result.scores.value) score /= static_cast<double>(columns.size());
    }
  } else {
    result.scores.value = PlainEm(votes.votes, 10, confidence);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      double& score = result.scores.value[i * columns.size() + c];
      const bool asked = table.rows[rows[i]].models[columns[c]].present;
      score = asked ? std::clamp(score, 0.0, 1.0) : std::numeric_limits<double>::quiet_NaN();
    }
  }
  return result;
}

std::vector<double> HonestShares(const Table& table, std::span<const std::size_t> rows,
                                 std::span<const std::size_t> columns) {
  if (ChooseConsensus(rows.size(), columns.size()) != Consensus::kCrowd) return std::vector<double>(rows.size(), 1);
  std::vector<double> honest = FindJunk(VotesOf(table, rows, columns).votes).honest;
  for (double& share : honest) share = std::max(share, kHonestShareMin);
  return honest;
}

}  // namespace pointsman::bootstrap
