#include "bootstrap/job/row_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "bootstrap/fit/consensus.h"
#include "bootstrap/fit/crowd.h"
#include "embed/text.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kLettersShare = 0.9;
constexpr double kOptionsCover = 0.995;  // stray letters beyond this share are misreadings
constexpr std::size_t kOptionsMin = 4;

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
  for (std::int16_t& vote : votes.answer) {
    if (vote != kNoVote && static_cast<std::size_t>(vote) >= votes.options) vote = kNoVote;
  }
}

std::string Grouping(const std::string& answer) {
  std::string key;
  for (const std::string& word : embed::Words(answer)) key += word + " ";
  return key.empty() ? answer : key;
}

Votes GroupedVotes(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns) {
  Votes votes{rows.size(), columns.size(), kOptionsMin, {}};
  std::vector<std::string> seen;
  for (const std::size_t r : rows) {
    seen.clear();
    for (const std::size_t m : columns) {
      const std::string& answer = table.rows[r].models[m].answer;
      if (answer.empty()) {
        votes.answer.push_back(kNoVote);
        continue;
      }
      const std::string key = Grouping(answer);
      const auto at = static_cast<std::size_t>(std::find(seen.begin(), seen.end(), key) - seen.begin());
      if (at == seen.size()) seen.push_back(key);
      votes.answer.push_back(at < kPublishedLetters ? static_cast<std::int16_t>(at) : kNoVote);
    }
    votes.options = std::max(votes.options, std::min(seen.size(), kPublishedLetters));
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
  } else {
    result.votes = GroupedVotes(table, rows, columns);
  }
  return result;
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
  result.used = consensus;
  if (consensus == Consensus::kAuto) {
    result.used = votes.letters && columns.size() >= 3 ? Consensus::kCrowd : Consensus::kPlainEm;
  } else if (consensus == Consensus::kPublished && !votes.letters) {
    result.used = Consensus::kPlainEm;
  }
  if (result.used == Consensus::kCrowd) {
    result.scores.value = CrowdConsensus(votes.votes);
  } else if (result.used == Consensus::kPublished) {
    result.scores.value = PublishedConsensus(votes.votes, {}, {});
  } else {
    result.scores.value = PlainEm(votes.votes);
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

}  // namespace pointsman::bootstrap
