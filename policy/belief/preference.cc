#include "policy/belief/preference.h"

#include <cmath>

#include "base/contract.h"
#include "base/exact_math.h"

namespace pointsman::policy {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr std::int32_t kRebaseAfter = 64;
// Of information: far below one preference's, far above rounding.
constexpr double kNoise = 1e-7;

void Rebase(PreferenceMoments& moments, std::int32_t base) {
  const int shift = moments.base - base;
  moments.base = base;
  for (double* sum :
       {&moments.information, &moments.score, &moments.prior, &moments.trust_model, &moments.trust_other}) {
    *sum = std::ldexp(*sum, shift);
  }
}

double Sigmoid(double x) { return 1 / (1 + exact::Exp(-x)); }

void Tell(double precision, double value, bool gold, PreferenceEvidence* evidence) {
  (gold ? evidence->gold : evidence->biased) += precision;
  (gold ? evidence->gold_score : evidence->biased_score) += precision * value;
}

}  // namespace

WorkingPreference Linearise(double difference, double variance, double outcome) {
  const double u = difference < -1 ? -1 : difference > 1 ? 1 : difference;
  const double kappa = kPreferenceSlope;
  const double p = Sigmoid(kappa * u / std::sqrt(1 + kPi * kappa * kappa * variance / 8));
  WorkingPreference working;
  working.information = kappa * kappa * p * (1 - p);
  working.score = kappa * (outcome - p) + working.information * u;
  return working;
}

bool AddPreference(PreferenceMoments& moments, int sign, const PreferenceTerms& terms) {
  REQUIRE(sign == 1 || sign == -1, "a sign");
  if (sign < 0 && moments.rows == 0) return true;
  if (moments.rows == 0) {
    moments.base = terms.time.epoch;
  } else if (terms.time.epoch - moments.base > kRebaseAfter) {
    Rebase(moments, terms.time.epoch);
  }
  const double g = std::ldexp(terms.time.fraction * terms.arrival_weight, terms.time.epoch - moments.base);
  const double weight = sign * (g * terms.cluster_weight);
  const double information = weight * terms.working.information;
  moments.information += information;
  moments.score += weight * terms.working.score;
  moments.prior += information * terms.prior_difference;
  moments.trust_model += information * terms.trust_model;
  moments.trust_other += information * terms.trust_other;
  if (sign > 0) {
    ++moments.rows;
  } else if (--moments.rows == 0) {
    moments = PreferenceMoments{};
    return true;
  }
  return std::isfinite(moments.information + moments.score + moments.prior);
}

bool DecayPreference(const PreferenceMoments& moments, const TimeWeight& now, PreferenceMoments* decayed) {
  REQUIRE(decayed != nullptr, "an output");
  *decayed = PreferenceMoments{};
  const int shift = moments.base - now.epoch;
  const auto read = [&](double sum) { return std::ldexp(sum / now.fraction, shift); };
  const double information = read(moments.information);
  if (!(information >= -kNoise && information <= 1e15)) return false;
  if (information < kNoise) return true;
  decayed->rows = moments.rows;
  decayed->information = information;
  decayed->score = read(moments.score);
  decayed->prior = read(moments.prior);
  decayed->trust_model = read(moments.trust_model);
  decayed->trust_other = read(moments.trust_other);
  return std::isfinite(decayed->score + decayed->prior + decayed->trust_model + decayed->trust_other);
}

void AddPreferenceEvidence(const PreferenceMoments& decayed, double pair_information, bool gold,
                           const ComparedSide& model, const ComparedSide& other, PreferenceEvidence* of_model,
                           PreferenceEvidence* of_other) {
  const double information = decayed.information;
  if (!(information > 0)) return;
  // D_model - D_other as the pair shows it.
  const double difference =
      (decayed.score - decayed.prior - model.trust * decayed.trust_model + other.trust * decayed.trust_other) /
      information;
  const auto precision = [&](const ComparedSide& opposite) {
    return 1 / (1 / information + opposite.cell_variance + opposite.model_variance * pair_information / information);
  };
  Tell(precision(other), other.level + difference, gold, of_model);
  Tell(precision(model), model.level - difference, gold, of_other);
}

}  // namespace pointsman::policy
