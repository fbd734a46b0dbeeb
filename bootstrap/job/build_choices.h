// The names under which an operator chooses how a bundle is built.
//
// Pure. Errors: INVALID_ARGUMENT (`method`, `filter`, `recogniser`), listing the names.
#pragma once

#include <string_view>

#include "base/result.h"
#include "bootstrap/job/bundle_builder.h"

namespace pointsman::bootstrap {

struct BuildChoices {
  ClusterMethod method = ClusterMethod::kSpherical;
  RowFilter filter = RowFilter::kNone;
  TaskRecogniser recogniser = TaskRecogniser::kLinear;
};

// method: shared, scaled or cascal; filter: none, plurality, above-chance,
// not-by-chance or junk; recogniser: linear or dual.
Result<BuildChoices> ChoicesFromNames(std::string_view method, std::string_view filter, std::string_view recogniser);

}  // namespace pointsman::bootstrap
