// Protocol "judges": is the estimated bias of one judge against another (or people) within
// its interval, on answers that the estimate has not seen?
//
// Per split half of the queries are fitted on: every answer has the rater's word, a share
// of them the other's too, drawn. Their mean difference is estimated for all answers of
// that half (bootstrap/fit/meta_router.h, FitPaired, by kind of answer) and held against
// the other half's: 95 % intervals of the difference of the two.
//
// Files, JSON lines, plain or gzip, of either form (others are passed over):
//   {"ratings": {JUDGE: {MODEL: value}}}       every ordered pair of judges
//   {"judge": {"first": MODEL, JUDGE: value}, "gold_votes_first": [value]}
//                                              every judge against the people's mean vote
// Values in [0,1]. Threads: one. Deterministic.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pointsman::eval {

inline constexpr std::string_view kPeople = "people";

struct JudgeProtocolOptions {
  std::uint32_t splits = 25;  // 1 to 1,000; the seed of each is its number
  double gold = 0.3;          // share of the fitted half with the other judge's word, (0,1]
};

struct JudgePair {
  std::string rater;
  std::string against;
  std::uint64_t answers = 0;
  std::uint64_t queries = 0;
  double bias = 0;      // against - rater, over all answers
  double estimate = 0;  // mean over the splits
  double error = 0;     // of one split's estimate, mean
  std::uint32_t splits = 0;
  std::uint32_t covered = 0;  // splits whose interval holds the other half's bias
};

// Pairs in the order of names. Errors: OUT_OF_RANGE option_range; NOT_FOUND no_file;
// INVALID_ARGUMENT no_judges: the file does not say two words on any 100 answers; those
// of FitPaired.
Result<std::vector<JudgePair>> RunJudges(const std::string& path, const JudgeProtocolOptions& options);

// One line of JSON.
std::string ToJson(const std::vector<JudgePair>& pairs, const JudgeProtocolOptions& options);
// For people, at most 100 columns.
std::string ToTable(const std::vector<JudgePair>& pairs);

}  // namespace pointsman::eval
