#include "policy/belief/leaf.h"

#include <algorithm>
#include <cmath>

namespace pointsman::policy {

namespace {

// Gold with a channel must weigh this much before it may overrule a bias prior.
constexpr double kConflictGoldWeight = 3;

// Sums for the conflict rule, per source.
struct PairSums {
  double pair_weight = 0;
  double pair_difference = 0;
  double rating_weight = 0;  // patterns with the source, without gold
  double rating_sum = 0;     // of y
  double gold_weight = 0;    // patterns with gold, without the source
  double gold_sum = 0;       // of r
};

void AddPairs(PairSums& sums, PatternMask mask, const DecayedMoments& m, std::size_t source, double response,
              double mean_prior) {
  const bool gold = (mask & 1U) != 0;
  const bool rated = (mask >> source & 1U) != 0;
  const double prior_sum = mean_prior * m.weight + m.prior;  // sum of g w f
  if (gold && rated) {
    sums.pair_weight += m.weight;
    sums.pair_difference += m.residual[source] - response * m.residual[0] + (1 - response) * prior_sum;
  } else if (rated) {
    sums.rating_weight += m.weight;
    sums.rating_sum += m.residual[source] + prior_sum;
  } else if (gold) {
    sums.gold_weight += m.weight;
    sums.gold_sum += m.residual[0] + prior_sum;
  }
}

void FinishDifferences(LeafSums& leaf, const std::array<PairSums, kSourcesMax>& pairs, const NoiseTables& noise) {
  if (leaf.gold_weight < kConflictGoldWeight) return;
  for (std::size_t s = 1; s <= noise.sources; ++s) {
    if ((noise.quarantined >> s & 1U) != 0) continue;
    const PairSums& sums = pairs[s - 1];
    const double c1 = noise.response[s - 1];
    const double rr = noise.covariance(0, 0);
    const double yy = noise.covariance(s, s);
    if (sums.pair_weight > 0) {
      leaf.difference[s - 1] = sums.pair_difference / sums.pair_weight;
      leaf.difference_variance[s - 1] = (yy - 2 * c1 * noise.covariance(s, 0) + c1 * c1 * rr) / sums.pair_weight;
    } else if (sums.rating_weight > 0 && sums.gold_weight > 0) {
      leaf.difference[s - 1] = sums.rating_sum / sums.rating_weight - c1 * (sums.gold_sum / sums.gold_weight);
      leaf.difference_variance[s - 1] = yy / sums.rating_weight + c1 * c1 * rr / sums.gold_weight;
    }
  }
}

void AddPattern(LeafSums& leaf, const PatternGain& gain, const DecayedMoments& m, PatternMask mask,
                const NoiseTables& noise, double mean_prior) {
  const std::size_t p = noise.sources + 1;
  SmallVector residual{};        // U*
  SmallVector prior_residual{};  // XU*
  for (std::size_t c = 0; c < p; ++c) {
    if ((mask >> c & 1U) == 0) continue;
    const double a = c == 0 ? 0 : noise.response[c - 1] - 1;
    residual[c] = m.residual[c] - a * (mean_prior * m.weight + m.prior);
    prior_residual[c] = m.prior_residual[c] - a * (mean_prior * m.prior + m.prior_squared);
  }
  for (std::size_t i = 0; i < p; ++i) {
    for (std::size_t j = 0; j < p; ++j) leaf.information(i, j) += m.weight * gain.information(i, j);
    leaf.trust[i] += m.prior * gain.information(i, 0);
    double score = 0;
    for (std::size_t c = 0; c < p; ++c) score += gain.channel_gain(i, c) * residual[c];
    leaf.score[i] += score;
  }
  leaf.trust_squared += m.prior_squared * gain.information(0, 0);
  double trust_score = 0;
  for (std::size_t c = 0; c < p; ++c) trust_score += gain.channel_gain(0, c) * prior_residual[c];
  leaf.trust_score += trust_score;
}

}  // namespace

Widths UsableWidths(const Widths& widths) {
  Widths usable = widths;
  for (double* width :
       {&usable.model, &usable.trust, &usable.cell, &usable.source, &usable.source_model, &usable.source_cell}) {
    *width = std::max(*width, 1e-6);
  }
  return usable;
}

bool PriorDoubted(const Widths& in_force, const Widths& base) {
  return in_force.model > base.model || in_force.trust > base.trust;
}

LeafSums SumLeaf(const Cell& cell, const NoiseTables& noise, const ReadTime& now, double mean_prior) {
  LeafSums leaf;
  std::array<PairSums, kSourcesMax> pairs{};
  const std::size_t limit = std::size_t{1} << (noise.sources + 1);
  for (const auto& [mask, moments] : cell.patterns) {
    const bool gold = (mask & 1U) != 0;
    const DecayedMoments m = Decay(moments, gold ? now.gold : now.rating);
    if (!m.valid || mask == 0 || mask >= limit || !noise.patterns[mask].valid) {
      leaf.valid = false;
      return leaf;
    }
    if (m.weight == 0 || noise.patterns[mask].silent) continue;
    leaf.weight += m.weight;
    leaf.overlap += m.overlap;
    if (gold) leaf.gold_weight += m.weight;
    if (((mask & ~noise.quarantined) >> 1) != 0) leaf.rating_weight += m.weight;
    AddPattern(leaf, noise.patterns[mask], m, mask, noise, mean_prior);
    for (std::size_t s = 1; s <= noise.sources; ++s) {
      AddPairs(pairs[s - 1], mask, m, s, noise.response[s - 1], mean_prior);
    }
  }
  FinishDifferences(leaf, pairs, noise);
  return leaf;
}

void AddPreferences(LeafSums& sums, const TreeLayout& layout, const PreferenceEvidence& evidence) {
  const std::size_t bias = layout.preference();
  sums.information(0, 0) += evidence.gold + evidence.biased;
  sums.information(0, bias) += evidence.biased;
  sums.information(bias, 0) += evidence.biased;
  sums.information(bias, bias) += evidence.biased;
  sums.score[0] += evidence.gold_score + evidence.biased_score;
  sums.score[bias] += evidence.biased_score;
  sums.preference_information += evidence.gold + evidence.biased;
}

BiasVariances CellBiasVariances(const TreeLayout& layout, double source_cell_width) {
  BiasVariances variances{};
  variances.fill(source_cell_width * source_cell_width);
  if (layout.preferences) variances[layout.preference() - 1] *= 2;
  return variances;
}

Leaf SolveLeaf(const LeafSums& sums, const TreeLayout& layout, double cell_width, const BiasVariances& bias_variances) {
  Leaf leaf;
  leaf.readout.gold_weight = sums.gold_weight;
  leaf.readout.rating_weight = sums.rating_weight;
  leaf.readout.preference_information = sums.preference_information;
  if (!sums.valid || !(sums.weight + sums.preference_information > 0)) return leaf;
  const std::size_t p = layout.cell_size();
  const std::size_t rho = layout.trust();
  const double cell_variance = cell_width * cell_width;
  SmallVector prior{};  // diagonal of Pi
  prior[0] = 1 / cell_variance;
  for (std::size_t s = 1; s < p; ++s) prior[s] = 1 / bias_variances[s - 1];

  SmallMatrix precision = sums.information;
  for (std::size_t i = 0; i < p; ++i) precision(i, i) += prior[i];
  SmallMatrix k;
  if (!InvertWithRescue(precision, p, &k)) return leaf;

  const SmallVector kh = Multiply(k, sums.score, p);
  const SmallVector kj = Multiply(k, sums.trust, p);
  const SmallMatrix kinformation = Multiply(k, sums.information, p);
  CellReadout& readout = leaf.readout;
  readout.shift = kh[0];
  for (std::size_t i = 0; i < p; ++i) readout.gain[i] = k(0, i) * prior[i];
  readout.gain[rho] = -kj[0];
  const double smoothing = sums.weight > 0 ? 1 - sums.overlap / sums.weight : 0;
  const double share = 1 - readout.gain[0];
  readout.variance = k(0, 0) + 2 * cell_variance * share * share * smoothing * smoothing;

  LeafMessage& message = leaf.message;
  for (std::size_t i = 0; i < p; ++i) {
    // Pi K J, never Pi - Pi K Pi: the latter cancels.
    for (std::size_t j = 0; j < p; ++j) message.precision(i, j) = prior[i] * kinformation(i, j);
    message.precision(i, rho) = prior[i] * kj[i];
    message.precision(rho, i) = message.precision(i, rho);
    message.score[i] = prior[i] * kh[i];
  }
  message.precision(rho, rho) = sums.trust_squared - Dot(sums.trust, kj, p);
  message.score[rho] = sums.trust_score - Dot(sums.trust, kh, p);
  Symmetrise(message.precision, p + 1);

  leaf.usable = std::abs(readout.shift) <= 2 && readout.variance > 0 &&
                readout.variance <= 3 * cell_variance * (1 + 1e-9) && std::isfinite(message.score[rho]) &&
                std::isfinite(message.precision(rho, rho));
  return leaf;
}

}  // namespace pointsman::policy
