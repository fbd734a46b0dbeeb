#include "policy/belief/noise.h"

#include <cmath>

namespace pointsman::policy {

namespace {

constexpr double kEigenvalueFloor = 1e-4;
constexpr double kBinaryVariance = 0.20;
constexpr double kBinaryCovariance = 0.10;
constexpr double kGradedGoldVariance = 0.05;
constexpr double kGradedRatingVariance = 0.08;
constexpr double kGradedCovariance = 0.032;

// Edge length of the installed matrix; 0 when there is none.
std::size_t InstalledChannels(const NoiseModel& noise) {
  for (std::size_t n = 1; n <= kChannelsMax; ++n) {
    if (noise.covariance.size() == n * n) return n;
  }
  return 0;
}

double ColdVariance(const NoiseModel& noise, std::size_t channel) {
  if (!noise.graded[channel]) return kBinaryVariance;
  return channel == 0 ? kGradedGoldVariance : kGradedRatingVariance;
}

double ColdCovarianceWithGold(const NoiseModel& noise, std::size_t channel, double gold_variance, bool installed) {
  if (!installed && !noise.graded[0] && !noise.graded[channel]) return kBinaryCovariance;
  if (!installed && noise.graded[0] && noise.graded[channel]) return kGradedCovariance;
  return 0.5 * std::sqrt(gold_variance * ColdVariance(noise, channel));
}

}  // namespace

SmallMatrix NoiseCovariance(const NoiseModel& noise, std::size_t sources) {
  const std::size_t channels = sources + 1;
  const std::size_t installed = InstalledChannels(noise);
  SmallMatrix covariance;
  for (std::size_t i = 0; i < channels; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double value = 0;
      if (i < installed && j < installed) {
        value = 0.5 * (noise.covariance[i * installed + j] + noise.covariance[j * installed + i]);
      } else if (i == j) {
        value = ColdVariance(noise, i);
      } else if (j == 0) {
        value = ColdCovarianceWithGold(noise, i, covariance(0, 0), installed > 0);
      } else {
        value = covariance(i, 0) * covariance(j, 0) / covariance(0, 0);
      }
      covariance(i, j) = value;
      covariance(j, i) = value;
    }
  }
  FloorEigenvalues(covariance, channels, kEigenvalueFloor);
  return covariance;
}

double GoldVariance(const NoiseModel& noise) {
  const double variance = InstalledChannels(noise) > 0 ? noise.covariance[0] : ColdVariance(noise, 0);
  return variance > kEigenvalueFloor ? variance : kEigenvalueFloor;
}

double GradedVariance(const Counters& counters, std::size_t channel) {
  const double start = channel == 0 ? kGradedGoldVariance : kGradedRatingVariance;
  const double rows = static_cast<double>(counters.residual_rows[channel]);
  const double variance = (kSpreadRows * start + counters.residual_squares[channel]) / (kSpreadRows + rows);
  return variance > kEigenvalueFloor ? variance : kEigenvalueFloor;
}

std::vector<double> SeenCovariance(const NoiseModel& noise, const Counters& counters, std::size_t sources) {
  NoiseModel cold;
  cold.graded = noise.graded;
  const SmallMatrix start = NoiseCovariance(cold, sources);
  const std::size_t channels = sources + 1;
  std::vector<double> scale(channels, 1);
  for (std::size_t c = 0; c < channels; ++c) {
    if (noise.graded[c]) scale[c] = std::sqrt(GradedVariance(counters, c) / start(c, c));
  }
  std::vector<double> covariance;
  for (std::size_t i = 0; i < channels; ++i) {
    for (std::size_t j = 0; j < channels; ++j) covariance.push_back(start(i, j) * scale[i] * scale[j]);
  }
  return covariance;
}

NoiseTables MakeNoiseTables(const NoiseModel& noise, std::size_t sources) {
  NoiseTables tables;
  tables.sources = sources;
  tables.covariance = NoiseCovariance(noise, sources);
  tables.response = noise.response;
  tables.quarantined = noise.quarantined;
  const std::size_t channels = sources + 1;
  for (std::size_t mask = 1; mask < (std::size_t{1} << channels); ++mask) {
    std::array<std::size_t, kChannelsMax> present{};
    std::size_t n = 0;
    for (std::size_t c = 0; c < channels; ++c) {
      if ((mask & ~std::size_t{noise.quarantined}) >> c & 1U) present[n++] = c;
    }
    if (n == 0) {
      tables.patterns[mask].valid = true;
      tables.patterns[mask].silent = true;
      continue;
    }
    SmallMatrix observed;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) observed(i, j) = tables.covariance(present[i], present[j]);
    }
    SmallMatrix precision;
    PatternGain& gain = tables.patterns[mask];
    gain.valid = InvertWithRescue(observed, n, &precision);
    if (!gain.valid) continue;
    // Column c of H' has c1 (1 for gold) in row 0 and, for a source, 1 in row c.
    const auto level = [&](std::size_t c) { return c == 0 ? 1.0 : tables.response[c - 1]; };
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = 0; i < n; ++i) {
        gain.channel_gain(0, present[j]) += level(present[i]) * precision(i, j);
        if (present[i] > 0) gain.channel_gain(present[i], present[j]) += precision(i, j);
      }
    }
    for (std::size_t row = 0; row < channels; ++row) {
      for (std::size_t j = 0; j < n; ++j) {
        gain.information(row, 0) += gain.channel_gain(row, present[j]) * level(present[j]);
        if (present[j] > 0) gain.information(row, present[j]) += gain.channel_gain(row, present[j]);
      }
    }
    Symmetrise(gain.information, channels);
  }
  return tables;
}

}  // namespace pointsman::policy
