// Whether a belief's 95 % intervals hold the truth.
//
// What is held against an interval is a mean over rows of a table: a model's true score
// over all of them, or over one cluster, each row by its membership. The belief about such
// a mean is the posterior at the mean membership, prior and deviation of those rows, which
// is exact because the posterior is linear in all three. A mean of n answers is not their
// expectation, so the answers' own variance is added to the interval's; a cluster with less
// than kAnswersLeast effective answers is left out.
//
// Pure; any thread. Deterministic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "eval/features.h"
#include "policy/belief/snapshot.h"

namespace pointsman::eval {

inline constexpr double kAnswersLeast = 30;

// Intervals and how many of them hold the truth, by kind. Sums over seeds are sums.
struct Coverage {
  struct Count {
    std::uint64_t intervals = 0;
    std::uint64_t held = 0;
    double half_width = 0;  // sum over the intervals, without the answers' own variance
    double Share() const;   // NaN without intervals
    double MeanHalfWidth() const;
    void Add(const Count& other);
  };
  Count models;  // levels over all rows
  Count cells;   // a model in a cluster
  Count heard;   // those of them with evidence of their own
  Count choice;  // of the heard ones: of the best three models by prediction in their cluster
  void Add(const Coverage& other);
};

// `score`: the true score of a row for a model by its name, [0,1].
// `rows`: of the table, not empty.
Coverage JudgeIntervals(const policy::Snapshot& snapshot, const Features& features, std::span<const std::size_t> rows,
                        const std::function<double(std::size_t row, const std::string& model)>& score);

}  // namespace pointsman::eval
