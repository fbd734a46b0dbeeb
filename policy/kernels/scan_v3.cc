#include "policy/kernels/scan.h"
#include "policy/kernels/scan_body.h"

namespace pointsman::policy::kernels {

void ScanV3(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out) {
  ScanBody(rows, row_count, dimension, query, out);
}

}  // namespace pointsman::policy::kernels
