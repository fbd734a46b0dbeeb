// Truncated singular value decomposition of a tall sparse matrix.
//
// Randomised range finder with power iterations (Halko, Martinsson, Tropp 2011),
// bulk work in float, small symmetric problems in double. Deterministic for the
// same rows, size and seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pointsman::embed {

// Compressed rows: entries of row i are [begin[i], begin[i + 1]).
struct SparseRows {
  std::size_t columns = 0;
  std::vector<std::size_t> begin{0};
  std::vector<std::uint32_t> column;
  std::vector<float> values;
  std::size_t rows() const { return begin.size() - 1; }
};

// The `rank` leading right singular vectors as columns of a row-major
// columns x rank matrix; columns beyond the matrix's own rank are zero.
// REQUIREs 1 <= rank <= rows. Cost: 6 passes of nnz * (rank + 16) multiply-adds.
std::vector<float> RightSingularVectors(const SparseRows& rows, std::size_t rank, std::uint64_t seed);

}  // namespace pointsman::embed
