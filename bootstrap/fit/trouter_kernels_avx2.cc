#define Eigen EigenOfAvx2Kernels
#define POINTSMAN_KERNELS avx2
#include "bootstrap/fit/trouter_kernels_impl.h"
