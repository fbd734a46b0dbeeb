#include "bootstrap/job/build_choices.h"

#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace pointsman::bootstrap {
namespace {

template <typename Choice, std::size_t kCount>
using Names = std::array<std::pair<std::string_view, Choice>, kCount>;

constexpr Names<ClusterMethod, 3> kMethods = {
    {{"shared", ClusterMethod::kSpherical}, {"scaled", ClusterMethod::kScaled}, {"cascal", ClusterMethod::kCascal}}};
constexpr Names<RowFilter, 5> kFilters = {{{"none", RowFilter::kNone},
                                           {"plurality", RowFilter::kPlurality},
                                           {"above-chance", RowFilter::kAboveChance},
                                           {"not-by-chance", RowFilter::kNotByChance},
                                           {"junk", RowFilter::kJunk}}};
constexpr Names<TaskRecogniser, 2> kRecognisers = {
    {{"linear", TaskRecogniser::kLinear}, {"dual", TaskRecogniser::kDual}}};

template <typename Choice, std::size_t kCount>
Status Choose(const char* what, std::string_view name, const Names<Choice, kCount>& names, Choice* chosen) {
  std::string known;
  for (const auto& [known_name, choice] : names) {
    known += (known.empty() ? "" : ", ") + std::string(known_name);
    if (name != known_name) continue;
    *chosen = choice;
    return {};
  }
  return MakeError(Code::kInvalidArgument, what, std::string(what) + " must be one of " + known);
}

}  // namespace

Result<BuildChoices> ChoicesFromNames(std::string_view method, std::string_view filter, std::string_view recogniser) {
  BuildChoices choices;
  for (const Status& status :
       {Choose("method", method, kMethods, &choices.method), Choose("filter", filter, kFilters, &choices.filter),
        Choose("recogniser", recogniser, kRecognisers, &choices.recogniser)}) {
    if (!status.ok()) return status.error();
  }
  return choices;
}

}  // namespace pointsman::bootstrap
