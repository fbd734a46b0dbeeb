#include "policy/kernels/nearest.h"

#include <algorithm>
#include <vector>

#include "base/contract.h"
#include "policy/kernels/scan.h"

namespace pointsman::policy::kernels {

namespace {

// At least one proposal more than wanted, so that float rounding between the last
// two cannot drop a winner; whole fours, because exact sums are made four at a time.
constexpr std::size_t Proposals(std::size_t count) { return (count / 4 + 1) * 4; }
constexpr std::size_t kProposalsMax = Proposals(kNearestMax);

// The best so far, best first; equal scores keep the earlier (smaller) row first.
class Best {
 public:
  explicit Best(std::size_t count) : count_(count) {}
  void Offer(std::uint32_t row, double score) {
    if (size_ == count_ && !(score > entries_[size_ - 1].score)) return;
    std::size_t at = size_ < count_ ? size_++ : size_ - 1;
    while (at > 0 && score > entries_[at - 1].score) {
      entries_[at] = entries_[at - 1];
      --at;
    }
    entries_[at] = {row, score};
  }
  std::size_t size() const { return size_; }
  const Scored& operator[](std::size_t i) const { return entries_[i]; }

 private:
  std::array<Scored, kProposalsMax> entries_{};
  std::size_t size_ = 0;
  std::size_t count_;
};

double BiasOf(std::span<const float> bias, std::size_t row) {
  return bias.empty() ? 0.0 : static_cast<double>(bias[row]);
}

double ExactDot(const float* row, std::span<const float> query) {
  double sum = 0;
  for (std::size_t i = 0; i < query.size(); ++i) sum += static_cast<double>(row[i]) * static_cast<double>(query[i]);
  return sum;
}

// Four rows at once: each sum is still in index order, but their latencies overlap.
void ExactDots4(const std::array<const float*, 4>& rows, std::span<const float> query, std::array<double, 4>& out) {
  out = {};
  for (std::size_t i = 0; i < query.size(); ++i) {
    const auto q = static_cast<double>(query[i]);
    out[0] += static_cast<double>(rows[0][i]) * q;
    out[1] += static_cast<double>(rows[1][i]) * q;
    out[2] += static_cast<double>(rows[2][i]) * q;
    out[3] += static_cast<double>(rows[3][i]) * q;
  }
}

Nearest Take(const Best& best) {
  Nearest nearest;
  for (std::size_t i = 0; i < best.size(); ++i) nearest.push_back(best[i]);
  return nearest;
}

std::size_t RowCount(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                     std::size_t count) {
  REQUIRE(count >= 1 && count <= kNearestMax, "count of nearest rows");
  REQUIRE(!query.empty() && rows.size() % query.size() == 0, "rows have the query's dimension");
  const std::size_t row_count = rows.size() / query.size();
  REQUIRE(bias.empty() || bias.size() == row_count, "one bias a row");
  return row_count;
}

}  // namespace

Nearest NearestFast(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                    std::size_t count) {
  const std::size_t row_count = RowCount(rows, bias, query, count);
  if (row_count == 0) return {};
  const std::size_t dimension = query.size();
  // Blocks keep the scores on the stack: no allocation on the routing path.
  constexpr std::size_t kBlock = 256;
  std::array<float, kBlock> scores;
  Best proposed(Proposals(count));
  const ScanFunction scan = Scan();
  for (std::size_t start = 0; start < row_count; start += kBlock) {
    const std::size_t size = std::min(kBlock, row_count - start);
    scan(rows.data() + start * dimension, size, dimension, query.data(), scores.data());
    for (std::size_t i = 0; i < size; ++i) {
      proposed.Offer(static_cast<std::uint32_t>(start + i), static_cast<double>(scores[i]) + BiasOf(bias, start + i));
    }
  }
  // Ascending rows, so that exact ties go to the smaller row as in NearestExact.
  std::array<std::uint32_t, kProposalsMax> candidates{};
  for (std::size_t i = 0; i < proposed.size(); ++i) candidates[i] = proposed[i].row;
  std::sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(proposed.size()));
  Best best(count);
  for (std::size_t i = 0; i < proposed.size(); i += 4) {
    std::array<const float*, 4> four{};
    for (std::size_t j = 0; j < 4; ++j) {
      four[j] = rows.data() + candidates[std::min(i + j, proposed.size() - 1)] * dimension;
    }
    std::array<double, 4> sums{};
    ExactDots4(four, query, sums);
    for (std::size_t j = 0; j < 4 && i + j < proposed.size(); ++j) {
      best.Offer(candidates[i + j], sums[j] + BiasOf(bias, candidates[i + j]));
    }
  }
  return Take(best);
}

Nearest NearestExact(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                     std::size_t count) {
  const std::size_t row_count = RowCount(rows, bias, query, count);
  Best best(count);
  for (std::size_t r = 0; r < row_count; ++r) {
    best.Offer(static_cast<std::uint32_t>(r), ExactDot(rows.data() + r * query.size(), query) + BiasOf(bias, r));
  }
  return Take(best);
}

}  // namespace pointsman::policy::kernels
