#include "policy/kernels/coarse.h"

#include <algorithm>
#include <cmath>

#include "base/contract.h"
#include "policy/kernels/exact_rows.h"
#include "policy/kernels/scan.h"

namespace pointsman::policy::kernels {

namespace {

constexpr std::size_t kRowsMax = 2048;
constexpr std::size_t kPad = 64;
constexpr std::size_t kListSlack = 16;  // a list is written in whole vectors
constexpr float kRowSteps = 63;  // two products of 126 and 127 must fit into 16 bits
constexpr std::uint8_t kRowZero = 64;
// More than all float roundings between a bound and its use together.
constexpr double kRounding = 4e-6;

std::size_t Padded(std::size_t count) { return (count + kPad - 1) / kPad * kPad; }
float Up(double value) { return static_cast<float>(value * (1 + kRounding)); }

// At most `value`, which need not be a float.
float Down(double value) { return std::nextafter(static_cast<float>(value), -INFINITY); }

float Largest(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace

CoarseQuery::CoarseQuery(std::span<const float> query) : exact_(query) {
  if (Coarse().scan == nullptr) return;  // nobody will ask
  const std::size_t padded = Padded(query.size());
  std::int8_t* values = small_.data();
  if (padded > kOnStack) {
    large_.resize(padded);
    values = large_.data();
  }
  const CoarseNorms norms = CoarseRoundV3(query.data(), query.size(), padded, values);
  values_ = values;
  scale_ = norms.scale;
  sum_ = norms.sum;
  length_ = Up(std::sqrt(norms.squares));
  error_ = Up(std::sqrt(norms.missed));
}

CoarseRows::CoarseRows(std::span<const float> rows, std::span<const float> bias, std::size_t dimension)
    : rows_(rows), bias_(bias), dimension_(dimension), stride_(Padded(dimension)) {
  REQUIRE(dimension > 0 && rows.size() % dimension == 0, "whole rows");
  const std::size_t count = rows.size() / dimension;
  REQUIRE(bias.empty() || bias.size() == count, "one bias a row");
  if (count > kRowsMax) return;
  bytes_.assign(count * stride_, 0);
  for (std::size_t r = 0; r < count; ++r) {
    const auto row = rows.subspan(r * dimension, dimension);
    const float scale = Largest(row) / kRowSteps;
    double missed = 0;
    double squares = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const float steps = scale > 0 ? std::clamp(std::round(row[i] / scale), -kRowSteps, kRowSteps) : 0;
      bytes_[r * stride_ + i] = static_cast<std::uint8_t>(static_cast<int>(steps) + kRowZero);
      const double kept = static_cast<double>(scale) * static_cast<double>(steps);
      const double left = static_cast<double>(row[i]) - kept;
      squares += kept * kept;
      missed += left * left;
    }
    const double length = std::sqrt(squares);
    scale_.push_back(scale);
    length_.push_back(Up(length));
    error_.push_back(Up(std::sqrt(missed) + kRounding * length));
    offset_.push_back(bias.empty() ? 0 : bias[r]);
    slack_.push_back(bias.empty() ? 0 : Up(kRounding * std::abs(static_cast<double>(bias[r]))));
  }
}

Nearest CoarseRows::Find(const CoarseQuery& query, std::size_t count) const {
  REQUIRE(query.exact_.size() == dimension_, "the query has the rows' dimension");
  REQUIRE(count >= 1 && count <= kNearestMax, "count of nearest rows");
  const std::size_t rows = scale_.size();
  const CoarseKernels& kernels = Coarse();
  if (rows == 0 || kernels.scan == nullptr) return NearestFast(rows_, bias_, query.exact_, count);
  std::array<float, kRowsMax> low;
  std::array<float, kRowsMax> high;
  std::array<std::uint32_t, kRowsMax + kListSlack> listed;
  kernels.scan(
      {bytes_.data(), rows, stride_, scale_.data(), error_.data(), length_.data(), offset_.data(), slack_.data()},
      {query.values_, query.sum_ * kRowZero, query.scale_, query.length_, query.error_}, low.data(), high.data());
  // At least `count` rows reach the floor; their exact scores tell what a row must
  // reach to be among the best, and few others can.
  const float floor = kernels.floor(low.data(), rows, count);
  const std::size_t first = kernels.list(low.data(), rows, floor, listed.data());
  BestRows best(rows_, bias_, query.exact_, count);
  best.Offer(std::span(listed).first(first));
  for (std::size_t i = 0; i < first; ++i) high[listed[i]] = -INFINITY;
  const float needed = Down(best.Worst());
  if (needed > -INFINITY) {
    const std::size_t second = kernels.list(high.data(), rows, needed, listed.data());
    best.Offer(std::span(listed).first(second));
  }
  return best.Take();
}

}  // namespace pointsman::policy::kernels
