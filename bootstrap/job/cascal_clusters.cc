#include "bootstrap/job/cascal_clusters.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "base/contract.h"
#include "bootstrap/fit/cascal.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/job/row_scores.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kUnitTolerance = 1e-3;
constexpr std::size_t kRowsPerCluster = 30;
constexpr std::size_t kRowsPerMicro = 20;

bool IsUnit(std::span<const float> row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::fabs(squares - 1) < kUnitTolerance;
}

// Means of members that cancel are not directions; such clusters are left out.
void Flatten(const CascalModel& model, CascalClusters& out) {
  for (const CascalSubject& subject : model.subjects) {
    for (std::size_t k = 0; k < subject.members.size(); ++k) {
      const auto centroid = std::span(subject.centroids).subspan(k * model.dimension, model.dimension);
      if (!IsUnit(centroid)) continue;
      const auto number = static_cast<std::uint32_t>(out.sizes.size());
      out.centroids.insert(out.centroids.end(), centroid.begin(), centroid.end());
      for (std::size_t m = 0; m < model.models; ++m) out.quality.push_back(subject.scores[k * model.models + m]);
      for (const std::size_t i : subject.members[k]) out.assignment[i] = number;
      out.sizes.push_back(static_cast<std::uint32_t>(subject.members[k].size()));
    }
  }
}

}  // namespace

CascalClusters FindCascalClusters(const Table& table, std::span<const std::size_t> rows,
                                  std::span<const std::size_t> columns, const Rows& embeddings, const Scores& scores) {
  Votes votes = VotesOf(table, rows, columns).votes;
  const bool answered =
      std::any_of(votes.answer.begin(), votes.answer.end(), [](std::int16_t vote) { return vote != kNoVote; });
  std::vector<double> known = scores.value;  // a missing score counts as none
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (!answered) votes.answer[i] = known[i] >= 0.5 ? std::int16_t{0} : kNoVote;
    if (std::isnan(known[i])) known[i] = 0;
  }
  std::map<std::string, std::uint32_t> numbers;
  for (const std::size_t r : rows) numbers.try_emplace(table.rows[r].task, 0);
  std::uint32_t next = 0;
  for (auto& entry : numbers) entry.second = next++;
  std::vector<std::uint32_t> subject;
  for (const std::size_t r : rows) subject.push_back(numbers[table.rows[r].task]);
  std::vector<std::string> names;
  for (const std::size_t m : columns) names.push_back(table.models[m]);
  const CascalModel model = FitCascal(embeddings, subject, numbers.size(), votes, known, names, {});
  CascalClusters out;
  out.assignment.assign(rows.size(), kNoGroup);
  Flatten(model, out);
  if (out.sizes.empty()) {
    KMeansOptions one;
    one.clusters = 1;
    out.centroids = FitSphericalKMeans(embeddings, one).centroids;
    out.quality = model.global;
    out.sizes.push_back(0);
  }
  const auto nearest = NearestByCosine(embeddings, Rows(out.centroids, embeddings.dimension), nullptr);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (out.assignment[i] != kNoGroup) continue;
    out.assignment[i] = nearest[i];
    ++out.sizes[nearest[i]];
  }
  return out;
}

ScaledClusters FindScaledClusters(const Rows& embeddings, const Scores& scores, const CellOptions& cells,
                                  std::size_t clusters_max, std::size_t micro_max, std::uint64_t seed) {
  ScaledOptions options;
  options.micro_max = std::max<std::size_t>(micro_max, 1);
  options.rows_per_micro = kRowsPerMicro;
  options.cells = cells;
  options.seed = seed;
  const std::size_t room = std::max<std::size_t>(embeddings.count() / kRowsPerCluster, 1);
  const std::size_t most = std::clamp<std::size_t>(clusters_max, 1, room);
  std::erase_if(options.counts, [&](std::size_t count) { return count > most; });
  if (options.counts.empty()) options.counts.push_back(most);
  auto found = FitScaledCascal(embeddings, scores, options);
  ENSURE(found.ok(), "the builder gives unit rows and scores in [0,1]");
  return std::move(found).value();
}

}  // namespace pointsman::bootstrap
