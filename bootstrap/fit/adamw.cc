#include "bootstrap/fit/adamw.h"

#include "base/contract.h"

namespace pointsman::bootstrap {

template <typename Real>
void AdamW<Real>::Step(std::span<const Real> gradient, std::span<Real> values) {
  REQUIRE(gradient.size() == first_.size() && values.size() == first_.size(), "one moment a value");
  first_power_ *= 0.9;
  second_power_ *= 0.999;
  kernels_->adamw(values.size(), rate_, decay_, first_power_, second_power_, gradient.data(), first_.data(),
                  second_.data(), values.data());
}

template class AdamW<float>;
template class AdamW<double>;

}  // namespace pointsman::bootstrap
