#include "policy/kernels/scan.h"
#include "policy/kernels/scan_body.h"

namespace pointsman::policy::kernels {

void ScanBaseline(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out) {
  ScanBody(rows, row_count, dimension, query, out);
}

void ExactDots4Baseline(const float* const rows[4], std::size_t dimension, const float* query, double out[4]) {
  ExactDots4Body(rows, dimension, query, out);
}

}  // namespace pointsman::policy::kernels
