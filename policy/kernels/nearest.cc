#include "policy/kernels/nearest.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/contract.h"
#include "policy/kernels/exact_rows.h"
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
  bool Wants(double score) const { return size_ < count_ || score > entries_[size_ - 1].score; }
  void Offer(std::uint32_t row, double score) {
    if (!Wants(score)) return;
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

Nearest Take(const Best& best) {
  Nearest nearest;
  for (std::size_t i = 0; i < best.size(); ++i) nearest.push_back(best[i]);
  return nearest;
}

// The exact scores of `size` rows from row_at(0) on, four at a time.
template <typename RowAt>
void OfferExact(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                std::size_t size, RowAt row_at, ExactFunction dots, Best& best) {
  for (std::size_t i = 0; i < size; i += 4) {
    const float* four[4];
    for (std::size_t j = 0; j < 4; ++j) four[j] = rows.data() + row_at(std::min(i + j, size - 1)) * query.size();
    double sums[4];
    dots(four, query.size(), query.data(), sums);
    for (std::size_t j = 0; j < 4 && i + j < size; ++j) {
      const std::size_t row = row_at(i + j);
      best.Offer(static_cast<std::uint32_t>(row), sums[j] + BiasOf(bias, row));
    }
  }
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
      const double score = static_cast<double>(scores[i]) + BiasOf(bias, start + i);
      if (proposed.Wants(score)) proposed.Offer(static_cast<std::uint32_t>(start + i), score);
    }
  }
  // Ascending rows, so that exact ties go to the smaller row as in NearestExact.
  std::array<std::uint32_t, kProposalsMax> candidates{};
  for (std::size_t i = 0; i < proposed.size(); ++i) candidates[i] = proposed[i].row;
  std::sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(proposed.size()));
  BestRows best(rows, bias, query, count);
  best.Offer(std::span(candidates).first(proposed.size()));
  return best.Take();
}

void BestRows::Offer(std::span<const std::uint32_t> listed) {
  const ExactFunction dots = ExactDots4();
  const auto before = [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  };
  for (std::size_t i = 0; i < listed.size(); i += 4) {
    const float* four[4];
    for (std::size_t j = 0; j < 4; ++j) {
      four[j] = rows_.data() + std::size_t{listed[std::min(i + j, listed.size() - 1)]} * query_.size();
    }
    double sums[4];
    dots(four, query_.size(), query_.data(), sums);
    for (std::size_t j = 0; j < 4 && i + j < listed.size(); ++j) {
      const Scored one{listed[i + j], sums[j] + BiasOf(bias_, listed[i + j])};
      if (best_.size() < count_) {
        best_.push_back(one);
      } else if (before(one, best_[count_ - 1])) {
        best_[count_ - 1] = one;
      } else {
        continue;
      }
      for (std::size_t at = best_.size() - 1; at > 0 && before(best_[at], best_[at - 1]); --at) {
        std::swap(best_[at], best_[at - 1]);
      }
    }
  }
}

double BestRows::Worst() const {
  return best_.size() < count_ ? -std::numeric_limits<double>::infinity() : best_[count_ - 1].score;
}

Nearest NearestExact(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                     std::size_t count) {
  const std::size_t row_count = RowCount(rows, bias, query, count);
  Best best(count);
  // The baseline's, in every process: the fold has no dispatch.
  OfferExact(
      rows, bias, query, row_count, [](std::size_t i) { return i; }, &ExactDots4Baseline, best);
  return Take(best);
}

}  // namespace pointsman::policy::kernels
