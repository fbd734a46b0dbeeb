#include "policy/world/bundle.h"

#include <cmath>
#include <set>

namespace pointsman::policy {

namespace {

constexpr std::size_t kModelsMax = 4096;
constexpr std::size_t kClustersMax = 65536;
constexpr std::size_t kTasksMax = 65536;

Error Bad(const std::string& what) {
  return MakeError(Code::kInvalidArgument, "bad_bundle", "bundle: " + what + "; build it again");
}

Status CheckSize(const char* field, std::size_t size, std::size_t expected) {
  if (size == expected) return {};
  return Bad(std::string(field) + " has " + std::to_string(size) + " entries, expected " + std::to_string(expected));
}

template <typename T>
Status CheckRange(const char* field, const std::vector<T>& values, double low, double high) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    if (!(value >= low && value <= high)) {
      return Bad(std::string(field) + "[" + std::to_string(i) + "] is " + std::to_string(value) +
                 ", must be finite and between " + std::to_string(low) + " and " + std::to_string(high));
    }
  }
  return {};
}

// `matrix` must be rows of unit length within 1e-3.
Status CheckUnitRows(const char* field, const std::vector<float>& matrix, std::size_t dimension) {
  for (std::size_t start = 0; start < matrix.size(); start += dimension) {
    double squares = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const double x = matrix[start + i];
      squares += x * x;
    }
    if (!(std::abs(std::sqrt(squares) - 1) <= 1e-3)) {
      return Bad(std::string("row ") + std::to_string(start / dimension) + " of " + field + " is not of unit length");
    }
  }
  return {};
}

Status CheckNames(const char* field, const std::vector<std::string>& names, bool distinct) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (name.size() > 512) return Bad(std::string(field) + " holds a name of more than 512 bytes");
    if (distinct && name.empty()) return Bad(std::string(field) + " holds an empty name");
    if (distinct && !seen.insert(name).second) return Bad(std::string(field) + " names \"" + name + "\" twice");
  }
  return {};
}

Status CheckEmbedder(const Bundle& bundle) {
  if (bundle.embedder.kind.empty() || bundle.embedder.kind.size() > 64) return Bad("embedder.kind is missing");
  if (bundle.dimension() > kDimensionMax) {
    return Bad("embedder.dimension is " + std::to_string(bundle.dimension()) + ", at most " +
               std::to_string(kDimensionMax) + " are possible");
  }
  const bool has_vectors = !bundle.centroids.empty() || !bundle.anchors.empty() || !bundle.task_weights.empty() ||
                           !bundle.bridge.empty() || !bundle.head_basis.empty();
  if (bundle.dimension() == 0 && has_vectors) return Bad("vectors without an embedder's dimension");
  return {};
}

Status CheckClusters(const Bundle& bundle) {
  const std::size_t clusters = bundle.cluster_count();
  const std::size_t columns = bundle.models.size();
  if (columns > kModelsMax) return Bad("more than 4096 models");
  if (clusters > kClustersMax) return Bad("more than 65536 clusters");
  if (auto s = CheckNames("models", bundle.models, true); !s.ok()) return s;
  if (auto s = CheckNames("cluster_names", bundle.cluster_names, false); !s.ok()) return s;
  if (auto s = CheckSize("centroids", bundle.centroids.size(), clusters * bundle.dimension()); !s.ok()) return s;
  if (clusters > 0 && bundle.dimension() == 0) return Bad("clusters without an embedder's dimension");
  if (auto s = CheckUnitRows("centroids", bundle.centroids, bundle.dimension()); !s.ok()) return s;
  if (auto s = CheckSize("cluster_sizes", bundle.cluster_sizes.size(), clusters + 1); !s.ok()) return s;
  if (auto s = CheckSize("skills", bundle.skills.size(), (clusters + 1) * columns); !s.ok()) return s;
  if (auto s = CheckRange("skills", bundle.skills, 0, 1); !s.ok()) return s;
  if (!(bundle.membership_temperature > 0 && bundle.membership_temperature <= 1e3)) {
    return Bad("membership_temperature must be above 0 and at most 1000");
  }
  if (!(std::abs(bundle.background_similarity) <= 1)) return Bad("background_similarity must be a cosine");
  return {};
}

Status CheckAnchors(const Bundle& bundle) {
  const std::size_t dimension = bundle.dimension();
  if (dimension == 0) return {};
  if (bundle.anchors.size() % dimension != 0) return Bad("anchors is not a whole number of rows");
  if (bundle.anchor_count() > kAnchorsMax) return Bad("more than " + std::to_string(kAnchorsMax) + " anchors");
  if (auto s = CheckUnitRows("anchors", bundle.anchors, dimension); !s.ok()) return s;
  if (bundle.bridge.size() % dimension != 0) return Bad("bridge is not a whole number of rows");
  if (bundle.bridge.size() / dimension > kAnchorsMax) return Bad("bridge has too many rows");
  if (!bundle.bridge.empty() && bundle.bridge_from.IsZero()) return Bad("bridge without bridge_from");
  return CheckUnitRows("bridge", bundle.bridge, dimension);
}

Status CheckTasks(const Bundle& bundle) {
  const std::size_t tasks = bundle.task_count();
  if (tasks > kTasksMax) return Bad("more than 65536 task types");
  if (auto s = CheckNames("task_names", bundle.task_names, true); !s.ok()) return s;
  if (auto s = CheckSize("task_weights", bundle.task_weights.size(), tasks * bundle.dimension()); !s.ok()) return s;
  if (auto s = CheckRange("task_weights", bundle.task_weights, -1e6, 1e6); !s.ok()) return s;
  if (auto s = CheckSize("task_bias", bundle.task_bias.size(), tasks); !s.ok()) return s;
  if (auto s = CheckRange("task_bias", bundle.task_bias, -1e6, 1e6); !s.ok()) return s;
  const std::size_t cells = tasks * bundle.models.size();
  if (auto s = CheckSize("task_quality", bundle.task_quality.size(), cells); !s.ok()) return s;
  return CheckRange("task_quality", bundle.task_quality, 0, 1);
}

Status CheckHead(const Bundle& bundle) {
  if (!(bundle.task_share >= 0 && bundle.task_share <= 1)) return Bad("task_share must lie in [0,1]");
  if (!(bundle.head_share >= 0 && bundle.head_share <= 1)) return Bad("head_share must lie in [0,1]");
  if (bundle.task_share + bundle.head_share > 1 + 1e-9) return Bad("task_share and head_share exceed 1 together");
  if (bundle.head_basis.empty()) {
    if (bundle.head_share > 0) return Bad("head_share without a head_basis");
    if (auto s = CheckSize("head_loadings", bundle.head_loadings.size(), 0); !s.ok()) return s;
    return CheckSize("head_bias", bundle.head_bias.size(), 0);
  }
  const std::size_t rank = bundle.head_rank();
  if (rank == 0 || rank > kHeadRankMax || bundle.head_basis.size() != rank * bundle.dimension()) {
    return Bad("head_basis must have 1 to " + std::to_string(kHeadRankMax) + " numbers a dimension");
  }
  const std::size_t columns = bundle.models.size();
  if (auto s = CheckRange("head_basis", bundle.head_basis, -1e6, 1e6); !s.ok()) return s;
  if (auto s = CheckSize("head_loadings", bundle.head_loadings.size(), columns * rank); !s.ok()) return s;
  if (auto s = CheckRange("head_loadings", bundle.head_loadings, -1e6, 1e6); !s.ok()) return s;
  if (auto s = CheckSize("head_bias", bundle.head_bias.size(), columns); !s.ok()) return s;
  return CheckRange("head_bias", bundle.head_bias, -1e6, 1e6);
}

Status CheckModelTables(const Bundle& bundle) {
  const std::size_t columns = bundle.models.size();
  if (auto s = CheckSize("mean_prior", bundle.mean_prior.size(), columns); !s.ok()) return s;
  if (auto s = CheckRange("mean_prior", bundle.mean_prior, 0, 1); !s.ok()) return s;
  if (auto s = CheckSize("tokens", bundle.tokens.size(), columns); !s.ok()) return s;
  for (const TokenStatistics& tokens : bundle.tokens) {
    const bool valid = tokens.mean_log >= 0 && tokens.mean_log <= 50 && tokens.variance_log >= 0 &&
                       tokens.variance_log <= 100 && tokens.rows >= 0 && tokens.rows <= 1e15;
    if (!valid) return Bad("tokens holds a number out of range");
  }
  const Widths& widths = bundle.widths;
  for (const double width : {widths.model, widths.trust, widths.cell, widths.source, widths.source_model,
                             widths.source_cell, widths.common}) {
    if (!(width >= 0 && width <= 10)) return Bad("widths must lie between 0 and 10");
  }
  return {};
}

}  // namespace

int Bundle::Column(std::string_view model) const {
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (models[i] == model) return static_cast<int>(i);
  }
  return -1;
}

Status ValidateBundle(const Bundle& bundle) {
  if (auto s = CheckEmbedder(bundle); !s.ok()) return s;
  if (auto s = CheckClusters(bundle); !s.ok()) return s;
  if (auto s = CheckAnchors(bundle); !s.ok()) return s;
  if (auto s = CheckTasks(bundle); !s.ok()) return s;
  if (auto s = CheckHead(bundle); !s.ok()) return s;
  return CheckModelTables(bundle);
}

std::shared_ptr<const Bundle> ColdBundle() {
  static const std::shared_ptr<const Bundle> cold = [] {
    auto bundle = std::make_shared<Bundle>();
    bundle->embedder.kind = "none";
    bundle->cluster_sizes = {0};
    bundle->made_from = "nothing (cold start)";
    bundle->labels = "none";
    return bundle;
  }();
  return cold;
}

}  // namespace pointsman::policy
