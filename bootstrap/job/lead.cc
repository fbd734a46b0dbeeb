#include "bootstrap/job/lead.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/contract.h"

namespace pointsman::bootstrap {

double FurtherBehind(double gap) {
  return std::min((kLeadStretch - 1) * std::min(gap, kLeadReach), std::max(0.0, (kLeadEnd - gap) / 2));
}

void StretchLead(policy::Bundle& bundle) {
  const std::size_t models = bundle.models.size();
  REQUIRE(models > 0 && bundle.mean_prior.size() == models && bundle.skills.size() >= models,
          "each model has its means");
  const auto level = [&](std::size_t m) { return bundle.skills[m]; };
  double best = level(0);
  for (std::size_t m = 1; m < models; ++m) best = std::max(best, level(m));
  std::vector<double> shift;
  for (std::size_t m = 0; m < models; ++m) {
    shift.push_back(level(m) - bundle.mean_prior[m] - FurtherBehind(best - level(m)));
  }
  for (std::vector<double>* table : {&bundle.skills, &bundle.task_quality}) {
    for (std::size_t i = 0; i < table->size(); ++i) {
      (*table)[i] = std::clamp((*table)[i] + shift[i % models], 0.0, 1.0);
    }
  }
  for (std::size_t m = 0; m < bundle.head_bias.size(); ++m) bundle.head_bias[m] += shift[m];
}

}  // namespace pointsman::bootstrap
