// Consensus scores as published, and plain expectation-maximisation.
//
// Published: spec cascal_meta_router A.2 (CASCAL's released code): robust
// z-scores of mean token log-probabilities become vote weights; a vote's score is
// the softmax share (or raw sum) of its letter. Deviation, proposed there: an
// unreadable answer abstains (weight 0, score 0) and is never strong.
//
// Plain EM: spec consensus_prior, "Start in full". All scores are items x models
// in [0,1] (raw sums: in [0, models]); 0 where there is no vote. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/votes.h"

namespace pointsman::bootstrap {

inline constexpr std::size_t kPublishedLetters = 20;  // A..T, also letters that nobody chose

// Median and scaled median absolute deviation of one model's log-probabilities.
struct RobustScale {
  double median = 0;
  double sigma = 1;  // > 0
};

// sigma = 1.4826 * MAD; if that is 0 or not finite the population standard
// deviation; if still 0, 1. Values that are not finite are left out.
RobustScale FitRobustScale(std::span<const double> values);
// 1 / (1 + exp(-z)) clamped to [.01, .99]; a value that is not finite gives .5.
double VoteWeight(double log_probability, const RobustScale& scale);

enum class ConsensusLink { kSoftmax, kRawSum };

struct PublishedOptions {
  ConsensusLink link = ConsensusLink::kSoftmax;
  double temperature = 1;  // at least 1e-6 is used
};

// Scores of one item: `letters` and `weights` have one entry a model.
std::vector<double> PublishedItemScores(std::span<const std::int16_t> letters, std::span<const double> weights,
                                        const PublishedOptions& options);

// `log_probability` is items x models, or empty where the table has none: then
// every vote weighs .5. REQUIREs votes.options <= kPublishedLetters.
std::vector<double> PublishedConsensus(const Votes& votes, std::span<const double> log_probability,
                                       const PublishedOptions& options);

// Compatibility with the released code, which takes an unreadable answer for a letter
// drawn uniformly: of all 20 where it scores, of the first 4 where it looks for
// strong models. Votes with such draws in place of kNoVote; same seed, same draws.
Votes DrawUnreadable(const Votes& votes, std::size_t letters, std::uint64_t seed);

// How much each vote counts beside the model's usual: .5 + VoteWeight of its
// log-probability on the model's own robust scale, so .51 to 1.49, and 1 where it
// is not known. The half keeps a crowd alive whose log-probabilities say nothing.
std::vector<double> Confidence(const Votes& votes, std::span<const double> log_probability);

// One reliability per model; `rounds` of E and M. Cost: rounds * items * models.
// `confidence`: as Confidence gives it, or empty for 1 each.
std::vector<double> PlainEm(const Votes& votes, int rounds = 10, std::span<const double> confidence = {});

}  // namespace pointsman::bootstrap
