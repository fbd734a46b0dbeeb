#include "bootstrap/fit/consensus.h"

#include <algorithm>
#include <cmath>

#include "base/contract.h"
#include "base/unit_draw.h"

namespace pointsman::bootstrap {
namespace {

double Median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

double PopulationDeviation(const std::vector<double>& values) {
  double mean = 0;
  for (const double value : values) mean += value;
  mean /= static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

// In place: values become exp(value - max) / sum.
void Softmax(std::vector<double>& values) {
  double top = -1e300;
  for (const double value : values) top = std::max(top, value);
  double total = 0;
  for (double& value : values) total += value = std::exp(value - top);
  for (double& value : values) value /= total;
}

}  // namespace

RobustScale FitRobustScale(std::span<const double> values) {
  std::vector<double> finite;
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.empty()) return {};
  RobustScale scale;
  scale.median = Median(finite);
  std::vector<double> distance;
  for (const double value : finite) distance.push_back(std::fabs(value - scale.median));
  scale.sigma = 1.4826 * Median(distance);
  if (!(scale.sigma > 0) || !std::isfinite(scale.sigma)) scale.sigma = PopulationDeviation(finite);
  if (!(scale.sigma > 0) || !std::isfinite(scale.sigma)) scale.sigma = 1;
  return scale;
}

double VoteWeight(double log_probability, const RobustScale& scale) {
  if (!std::isfinite(log_probability)) return 0.5;
  const double z = (log_probability - scale.median) / scale.sigma;
  return std::clamp(1 / (1 + std::exp(-z)), 0.01, 0.99);
}

std::vector<double> PublishedItemScores(std::span<const std::int16_t> letters, std::span<const double> weights,
                                        const PublishedOptions& options) {
  REQUIRE(letters.size() == weights.size(), "one weight per vote");
  std::vector<double> sum(kPublishedLetters, 0);
  for (std::size_t m = 0; m < letters.size(); ++m) {
    if (letters[m] == kNoVote) continue;
    REQUIRE(static_cast<std::size_t>(letters[m]) < kPublishedLetters, "a letter from A to T");
    sum[static_cast<std::size_t>(letters[m])] += weights[m];
  }
  if (options.link == ConsensusLink::kSoftmax) {
    for (double& value : sum) value /= std::max(options.temperature, 1e-6);
    Softmax(sum);
  }
  std::vector<double> scores(letters.size(), 0);
  for (std::size_t m = 0; m < letters.size(); ++m) {
    if (letters[m] != kNoVote) scores[m] = sum[static_cast<std::size_t>(letters[m])];
  }
  return scores;
}

Votes DrawUnreadable(const Votes& votes, std::size_t letters, std::uint64_t seed) {
  REQUIRE(letters >= 1, "letters to draw from");
  Votes drawn = votes;
  drawn.options = std::max(votes.options, letters);
  drawn.item_options.clear();
  SplitMix64 random(seed);
  for (std::int16_t& vote : drawn.answer) {
    if (vote != kNoVote) continue;
    const auto at = static_cast<std::size_t>(random.Unit() * static_cast<double>(letters));
    vote = static_cast<std::int16_t>(std::min(at, letters - 1));
  }
  return drawn;
}

std::vector<double> Confidence(const Votes& votes, std::span<const double> log_probability) {
  REQUIRE(log_probability.size() == votes.answer.size(), "shape of the log-probabilities");
  std::vector<double> confidence(votes.answer.size(), 1);
  for (std::size_t m = 0; m < votes.models; ++m) {
    std::vector<double> own(votes.items);
    for (std::size_t i = 0; i < votes.items; ++i) own[i] = log_probability[i * votes.models + m];
    const RobustScale scale = FitRobustScale(own);
    for (std::size_t i = 0; i < votes.items; ++i) confidence[i * votes.models + m] = 0.5 + VoteWeight(own[i], scale);
  }
  return confidence;
}

std::vector<double> PublishedConsensus(const Votes& votes, std::span<const double> log_probability,
                                       const PublishedOptions& options) {
  REQUIRE(votes.options <= kPublishedLetters, "at most 20 letters");
  REQUIRE(log_probability.empty() || log_probability.size() == votes.answer.size(), "shape of the log-probabilities");
  std::vector<double> weight(votes.answer.size(), 0.5);
  for (std::size_t m = 0; m < votes.models && !log_probability.empty(); ++m) {
    std::vector<double> own(votes.items);
    for (std::size_t i = 0; i < votes.items; ++i) own[i] = log_probability[i * votes.models + m];
    const RobustScale scale = FitRobustScale(own);
    for (std::size_t i = 0; i < votes.items; ++i) weight[i * votes.models + m] = VoteWeight(own[i], scale);
  }
  std::vector<double> scores;
  scores.reserve(votes.answer.size());
  for (std::size_t i = 0; i < votes.items; ++i) {
    const auto row = PublishedItemScores(std::span(votes.answer).subspan(i * votes.models, votes.models),
                                         std::span(weight).subspan(i * votes.models, votes.models), options);
    scores.insert(scores.end(), row.begin(), row.end());
  }
  return scores;
}

std::vector<double> PlainEm(const Votes& votes, int rounds, std::span<const double> confidence) {
  REQUIRE(confidence.empty() || confidence.size() == votes.answer.size(), "one confidence per vote");
  std::vector<double> accuracy(votes.models, 0.5);
  std::vector<double> scores(votes.answer.size(), 0);
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> weight((votes.options + 1) * votes.models);  // by number of options
    std::vector<double> total(votes.models, 0);
    std::vector<double> answered(votes.models, 0);
    for (std::size_t k = 1; k <= votes.options; ++k) {
      const double others = std::max(1.0, static_cast<double>(k) - 1);
      for (std::size_t m = 0; m < votes.models; ++m) {
        weight[k * votes.models + m] = std::log(std::clamp(others * accuracy[m] / (1 - accuracy[m]), 1e-3, 1e3));
      }
    }
    for (std::size_t i = 0; i < votes.items; ++i) {
      const std::size_t options = votes.options_of(i);
      std::vector<double> posterior(options, 0);
      for (std::size_t m = 0; m < votes.models; ++m) {
        if (votes.at(i, m) == kNoVote) continue;
        const double sure = confidence.empty() ? 1 : confidence[i * votes.models + m];
        posterior[static_cast<std::size_t>(votes.at(i, m))] += sure * weight[options * votes.models + m];
      }
      Softmax(posterior);
      for (std::size_t m = 0; m < votes.models; ++m) {
        if (votes.at(i, m) == kNoVote) continue;
        const double own = posterior[static_cast<std::size_t>(votes.at(i, m))];
        scores[i * votes.models + m] = own;
        total[m] += own;
        answered[m] += 1;
      }
    }
    for (std::size_t m = 0; m < votes.models; ++m) {
      accuracy[m] = std::clamp((total[m] + 2) / (answered[m] + 4), 0.02, 0.98);
    }
  }
  return scores;
}

}  // namespace pointsman::bootstrap
