#include "policy/belief/evidence.h"

#include <cmath>

#include "base/contract.h"
#include "base/exact_math.h"

namespace pointsman::policy {

namespace {

constexpr double kMicrosecondsPerDay = 86'400'000'000.0;
constexpr std::int32_t kRebaseAfter = 64;
// In rows: far above rounding of sums of up to 2^20 rows, far below one row.
constexpr double kNoise = 1e-9;

// Base of an empty accumulator, or a later one when the row lies far ahead.
template <typename Moments>
std::int32_t BaseFor(const Moments& moments, std::int32_t epoch) {
  if (moments.rows == 0) return epoch;
  return epoch - moments.base > kRebaseAfter ? epoch : moments.base;
}

void Rebase(AuditMoments& moments, std::int32_t base) {
  const int shift = moments.base - base;
  moments.base = base;
  if (shift == 0) return;
  for (double* sum :
       {&moments.weight, &moments.prior, &moments.prior_squared, &moments.residual, &moments.prior_residual}) {
    *sum = std::ldexp(*sum, shift);
  }
}

}  // namespace

void AddDiscount(std::vector<Discount>& discounts, const Discount& discount, std::size_t most) {
  REQUIRE(most >= 2, "room for two discounts");
  if (discounts.size() >= most) {
    const unsigned joined = discounts[0].halvings + discounts[1].halvings;
    discounts[1].halvings = static_cast<std::uint8_t>(joined < 255 ? joined : 255);
    discounts.erase(discounts.begin());
  }
  discounts.push_back(discount);
}

std::int32_t HalvingsOf(const std::vector<Discount>& discounts, std::int64_t decided_at_us, LogSeq folded_at) {
  std::int32_t halvings = 0;
  for (const Discount& discount : discounts) {
    const bool was_there = folded_at.value != 0 && folded_at < discount.seq;
    if (was_there || decided_at_us <= discount.at_us) halvings += discount.halvings;
  }
  return halvings;
}

TimeWeight MakeTimeWeight(std::int64_t at_us, double half_life_days) {
  REQUIRE(half_life_days > 0, "a half-life must be positive");
  REQUIRE(at_us >= -kTimeMaxUs && at_us <= kTimeMaxUs, "a time is out of range");
  const double exponent = static_cast<double>(at_us) / (half_life_days * kMicrosecondsPerDay);
  const double epoch = std::floor(exponent);
  return {static_cast<std::int32_t>(epoch), exact::Exp2(exponent - epoch)};
}

void Rebase(PatternMoments& moments, std::int32_t base) {
  const int shift = moments.base - base;
  moments.base = base;
  if (shift == 0) return;
  for (double* sum : {&moments.weight, &moments.overlap, &moments.prior, &moments.prior_squared}) {
    *sum = std::ldexp(*sum, shift);
  }
  for (double& sum : moments.residual) sum = std::ldexp(sum, shift);
  for (double& sum : moments.prior_residual) sum = std::ldexp(sum, shift);
}

bool AddRow(PatternMoments& moments, int sign, const RowTerms& row, const Channels& channels) {
  if (sign < 0 && moments.rows == 0) return true;
  if (const std::int32_t base = BaseFor(moments, row.time.epoch); base != moments.base) Rebase(moments, base);
  const double g = std::ldexp(row.time.fraction * row.arrival_weight, row.time.epoch - moments.base);
  const double signed_weight = sign * (g * row.cluster_weight);
  const double x = row.prior_centred;
  moments.weight += signed_weight;
  moments.overlap += signed_weight * row.cluster_weight;
  moments.prior += signed_weight * x;
  moments.prior_squared += signed_weight * x * x;
  double check = moments.weight + moments.overlap + moments.prior_squared;
  for (const ChannelValue& channel : channels) {
    const double z = channel.value - channel.offset - row.prior;
    moments.residual[channel.channel] += signed_weight * z;
    moments.prior_residual[channel.channel] += signed_weight * x * z;
    check += moments.residual[channel.channel];
  }
  if (sign > 0) {
    ++moments.rows;
  } else if (--moments.rows == 0) {
    moments = PatternMoments{};  // no residue of rounding stays behind
    return true;
  }
  return std::isfinite(check);
}

bool AddAudit(AuditMoments& moments, int sign, const RowTerms& row, double gold, double gold_probability) {
  if (sign < 0 && moments.rows == 0) return true;
  if (const std::int32_t base = BaseFor(moments, row.time.epoch); base != moments.base) Rebase(moments, base);
  const double g = std::ldexp(row.time.fraction * row.arrival_weight, row.time.epoch - moments.base);
  const double signed_weight = sign * (g * row.cluster_weight) / gold_probability;
  const double z = gold - row.prior;
  moments.weight += signed_weight;
  moments.prior += signed_weight * row.prior_centred;
  moments.prior_squared += signed_weight * row.prior_centred * row.prior_centred;
  moments.residual += signed_weight * z;
  moments.prior_residual += signed_weight * row.prior_centred * z;
  if (sign > 0) {
    ++moments.rows;
  } else if (--moments.rows == 0) {
    moments = AuditMoments{};
    return true;
  }
  return std::isfinite(moments.weight + moments.prior_squared + moments.residual + moments.prior_residual);
}

DecayedMoments Decay(const PatternMoments& moments, const TimeWeight& now) {
  DecayedMoments decayed;
  const int shift = moments.base - now.epoch;
  const auto read = [&](double sum) { return std::ldexp(sum / now.fraction, shift); };
  const double weight = read(moments.weight);
  if (!(weight >= -kNoise && weight <= 1e15)) {
    decayed.valid = false;
    return decayed;
  }
  if (weight < kNoise) return decayed;
  decayed.weight = weight;
  decayed.overlap = read(moments.overlap);
  decayed.prior = read(moments.prior);
  decayed.prior_squared = read(moments.prior_squared);
  decayed.valid = decayed.overlap >= -kNoise && decayed.prior_squared >= -kNoise && std::isfinite(decayed.prior);
  if (decayed.overlap < 0) decayed.overlap = 0;
  if (decayed.prior_squared < 0) decayed.prior_squared = 0;
  for (std::size_t c = 0; c < kChannelsMax; ++c) {
    decayed.residual[c] = read(moments.residual[c]);
    decayed.prior_residual[c] = read(moments.prior_residual[c]);
    decayed.valid = decayed.valid && std::isfinite(decayed.residual[c]) && std::isfinite(decayed.prior_residual[c]);
  }
  return decayed;
}

}  // namespace pointsman::policy
