#include "embed/lsa_model.h"

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "base/contract.h"
#include "base/exact_math.h"
#include "base/unit_draw.h"

namespace pointsman::embed {
namespace {

constexpr std::array<char, 4> kMagic = {'L', 'S', 'A', '1'};
constexpr std::size_t kHeaderBytes = 16;
constexpr std::int32_t kWeightMax = 32'767;

// 512 rows of at most 127 times a weight of at most 32,767 stay below 2^31.
static_assert(static_cast<std::int64_t>(kFeaturesMax) * 127 * kWeightMax < (1LL << 31));

Error Damaged(const std::string& what) {
  return MakeError(Code::kDataLoss, "embedder_damaged",
                   "the bundle's LSA parameters are damaged: " + what + "; bootstrap again or restore the bundle file");
}

void PutU32(std::uint32_t value, std::vector<std::uint8_t>& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::uint32_t GetU32(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
         static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

// 1 + ln(count), the damped term frequency.
float TermWeight(std::uint32_t count) {
  static const std::array<float, 64> kTable = [] {
    std::array<float, 64> table{};
    for (std::size_t i = 1; i < table.size(); ++i)
      table[i] = static_cast<float>(1 + exact::Log(static_cast<double>(i)));
    return table;
  }();
  return kTable[std::min<std::size_t>(count, kTable.size() - 1)];
}

// accumulator[j] += a * row_a[j] + b * row_b[j], `stride` a multiple of 16.
void AddTwoRows(std::int16_t a, const std::int8_t* row_a, std::int16_t b, const std::int8_t* row_b, std::size_t stride,
                std::int32_t* accumulator) {
  const __m128i weights = _mm_unpacklo_epi16(_mm_set1_epi16(a), _mm_set1_epi16(b));
  for (std::size_t j = 0; j < stride; j += 16) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row_a + j));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row_b + j));
    // Interleave bytes, then widen with sign: pairs (row_a, row_b) as 16-bit numbers.
    const __m128i low = _mm_unpacklo_epi8(first, second);
    const __m128i high = _mm_unpackhi_epi8(first, second);
    auto* at = reinterpret_cast<__m128i*>(accumulator + j);
    const auto add = [&](int part, __m128i doubled_bytes) {
      const __m128i pairs = _mm_srai_epi16(doubled_bytes, 8);
      _mm_store_si128(at + part, _mm_add_epi32(_mm_load_si128(at + part), _mm_madd_epi16(pairs, weights)));
    };
    add(0, _mm_unpacklo_epi8(low, low));
    add(1, _mm_unpackhi_epi8(low, low));
    add(2, _mm_unpacklo_epi8(high, high));
    add(3, _mm_unpackhi_epi8(high, high));
  }
}

}  // namespace

LsaModel::LsaModel(std::size_t dimension, std::vector<float> gain)
    : dimension_(dimension), stride_((dimension + 15) / 16 * 16), gain_(std::move(gain)), row_of_(kBuckets, 0) {
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (gain_[bucket] > 0) row_of_[bucket] = rows_++;
  }
  table_.assign(rows_ * stride_, 0);
}

LsaModel LsaModel::Quantise(std::span<const float> projection, std::span<const float> idf, std::size_t dimension) {
  REQUIRE(projection.size() == kBuckets * dimension && idf.size() == kBuckets, "shape of the projection");
  std::vector<float> scale(kBuckets, 0);
  std::vector<float> gain(kBuckets, 0);
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (idf[bucket] <= 0) continue;
    float largest = 0;
    for (const float value : projection.subspan(bucket * dimension, dimension))
      largest = std::max(largest, std::fabs(value));
    scale[bucket] = largest / 127.0F;
    gain[bucket] = scale[bucket] * idf[bucket];
    if (gain[bucket] < 1e-20F) gain[bucket] = 0;
  }
  LsaModel model(dimension, std::move(gain));
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (model.gain_[bucket] <= 0) continue;
    std::int8_t* row = model.table_.data() + model.row_of_[bucket] * model.stride_;
    for (std::size_t j = 0; j < dimension; ++j) {
      row[j] = static_cast<std::int8_t>(std::lround(projection[bucket * dimension + j] / scale[bucket]));
    }
  }
  return model;
}

std::vector<std::uint8_t> LsaModel::Serialise() const {
  std::vector<std::uint8_t> out;
  out.reserve(kHeaderBytes + 4 * std::size_t{kBuckets} + rows_ * dimension_);
  for (const char letter : kMagic) out.push_back(static_cast<std::uint8_t>(letter));
  PutU32(kBuckets, out);
  PutU32(static_cast<std::uint32_t>(dimension_), out);
  PutU32(static_cast<std::uint32_t>(rows_), out);
  for (const float gain : gain_) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &gain, sizeof bits);
    PutU32(bits, out);
  }
  for (std::size_t row = 0; row < rows_; ++row) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(table_.data() + row * stride_);
    out.insert(out.end(), begin, begin + dimension_);
  }
  return out;
}

Result<LsaModel> LsaModel::Parse(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return Damaged("they do not begin with LSA1");
  }
  const std::uint32_t buckets = GetU32(bytes.data() + 4);
  const std::size_t dimension = GetU32(bytes.data() + 8);
  const std::size_t rows = GetU32(bytes.data() + 12);
  if (buckets != kBuckets)
    return Damaged(std::to_string(buckets) + " hash buckets instead of " + std::to_string(kBuckets));
  if (dimension == 0 || dimension > policy::kDimensionMax) return Damaged("dimension " + std::to_string(dimension));
  if (rows > kBuckets) return Damaged(std::to_string(rows) + " rows");
  const std::size_t expected = kHeaderBytes + 4 * std::size_t{kBuckets} + rows * dimension;
  if (bytes.size() != expected) {
    return Damaged(std::to_string(bytes.size()) + " bytes instead of " + std::to_string(expected));
  }
  std::vector<float> gain(kBuckets);
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    const std::uint32_t bits = GetU32(bytes.data() + kHeaderBytes + 4 * bucket);
    std::memcpy(&gain[bucket], &bits, sizeof bits);
    if (!std::isfinite(gain[bucket]) || gain[bucket] < 0) return Damaged("a weight is negative or not finite");
  }
  LsaModel model(dimension, std::move(gain));
  if (model.rows_ != rows)
    return Damaged(std::to_string(rows) + " rows for " + std::to_string(model.rows_) + " weights");
  const std::uint8_t* from = bytes.data() + kHeaderBytes + 4 * std::size_t{kBuckets};
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(model.table_.data() + row * model.stride_, from + row * dimension, dimension);
  }
  return model;
}

std::vector<float> LsaModel::Project(std::span<const Feature> features) const {
  REQUIRE(features.size() <= kFeaturesMax, "too many features");
  std::array<float, kFeaturesMax> weight;
  std::array<const std::int8_t*, kFeaturesMax> row;
  std::size_t used = 0;
  float largest = 0;
  for (const Feature& feature : features) {
    if (gain_[feature.bucket] <= 0) continue;
    row[used] = Row(feature.bucket);
    weight[used] = TermWeight(feature.count) * gain_[feature.bucket];
    largest = std::max(largest, weight[used++]);
  }
  if (used == 0) return {};
  constexpr std::size_t kOnStack = 512;
  alignas(16) std::array<std::int32_t, kOnStack> small;
  struct alignas(16) Block {
    std::array<std::int32_t, 4> values;
  };
  std::vector<Block> large(stride_ > kOnStack ? stride_ / 4 : 0);
  std::int32_t* sum = stride_ > kOnStack ? large.data()->values.data() : small.data();
  std::fill(sum, sum + stride_, 0);
  const float unit = static_cast<float>(kWeightMax) / largest;
  const auto fixed = [&](std::size_t i) { return static_cast<std::int16_t>(std::lrintf(weight[i] * unit)); };
  for (std::size_t i = 0; i < used; i += 2) {
    const bool pair = i + 1 < used;
    AddTwoRows(fixed(i), row[i], pair ? fixed(i + 1) : std::int16_t{0}, pair ? row[i + 1] : row[i], stride_, sum);
  }
  double squares = 0;
  for (std::size_t j = 0; j < dimension_; ++j) squares += static_cast<double>(sum[j]) * static_cast<double>(sum[j]);
  if (squares <= 0) return {};
  const double inverse = 1 / std::sqrt(squares);
  std::vector<float> vector(dimension_);
  for (std::size_t j = 0; j < dimension_; ++j) vector[j] = static_cast<float>(static_cast<double>(sum[j]) * inverse);
  return vector;
}

policy::EmbedderIdentity LsaIdentity(std::size_t dimension, std::span<const std::uint8_t> bytes) {
  policy::EmbedderIdentity identity;
  identity.kind = "lsa";
  identity.dimension = static_cast<std::uint32_t>(dimension);
  for (std::uint64_t part = 0; part < 4; ++part) {
    const std::uint64_t mixed = Mix(bytes, part);
    for (std::size_t i = 0; i < 8; ++i) identity.digest[8 * part + i] = static_cast<std::uint8_t>(mixed >> (8 * i));
  }
  return identity;
}

}  // namespace pointsman::embed
