// What the models are good at, as text for people: the answers of /v1/model-tree and
// of /v1/models/{name}/niches.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "admin/cli/context.h"

namespace pointsman::cli {

void ShowModelTree(Context& context, const nlohmann::json& tree);
void ShowNiches(Context& context, const nlohmann::json& profile);

struct DrawnJoin {
  std::size_t left = 0;  // leaves from 0, then the joins in order
  std::size_t right = 0;
  double distance = 0;   // not falling
};

// A dendrogram on its side, one line a leaf, ASCII: the further right two branches
// meet, the further apart they are; `columns` for the largest distance, more where
// many joins crowd. A join that names a node which is not there yet ends the drawing.
std::vector<std::string> DrawTree(std::size_t leaves, const std::vector<DrawnJoin>& joins, std::size_t columns);

}  // namespace pointsman::cli
