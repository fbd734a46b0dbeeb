#define Eigen EigenOfBaselineKernels
#define POINTSMAN_KERNELS baseline
#include "bootstrap/fit/trouter_kernels_impl.h"
