#include "eval/cascal_router.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "bootstrap/fit/cascal_route.h"
#include "bootstrap/job/bundle_builder.h"
#include "bootstrap/job/row_scores.h"
#include "embed/lsa.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::eval {
namespace {

using bootstrap::Rows;

// Unit vectors of table rows; a text without known words gets the first axis.
Result<std::vector<float>> EmbedRows(const embed::Embedder& embedder, const bootstrap::Table& table,
                                     std::span<const std::size_t> rows) {
  const std::size_t dimension = embedder.identity().dimension;
  std::vector<float> vectors;
  for (const std::size_t r : rows) {
    auto vector = embedder.Embed(table.rows[r].query);
    if (!vector.ok()) return vector.error();
    if (vector->empty()) {
      vector->assign(dimension, 0);
      (*vector)[0] = 1;
    }
    vectors.insert(vectors.end(), vector->begin(), vector->end());
  }
  return vectors;
}

std::size_t Best(std::span<const double> values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

Result<CascalRouted> FromBundle(const bootstrap::Table& table, std::span<const std::size_t> train,
                                std::span<const std::size_t> test, const CascalRouterOptions& options) {
  bootstrap::BuildOptions build;
  build.labels = options.labelled ? bootstrap::Labels::kScores : bootstrap::Labels::kConsensus;
  build.cluster_method = options.scaled ? bootstrap::ClusterMethod::kScaled : bootstrap::ClusterMethod::kSpherical;
  build.clusters_max = options.clusters_max;
  build.task_types = options.task_types;
  build.filter = options.filter;
  build.seed = options.seed;
  build.rows.assign(train.begin(), train.end());
  const auto bundle = bootstrap::BuildBundle(table, build);
  if (!bundle.ok()) return bundle.error();
  auto embedder = embed::EmbedderFor(*bundle);
  if (!embedder.ok()) return embedder.error();
  auto vectors = EmbedRows(**embedder, table, test);
  if (!vectors.ok()) return vectors.error();
  CascalRouted out;
  out.test_embeddings = std::move(*vectors);
  out.dimension = bundle->dimension();
  out.clusters = bundle->cluster_count();
  std::vector<int> columns;
  for (const std::string& model : table.models) columns.push_back(bundle->Column(model));
  std::vector<double> overall;
  for (const int column : columns) {
    overall.push_back(column < 0 ? 0 : bundle->skill(0, static_cast<std::size_t>(column)));
  }
  out.best_on_train = Best(overall);
  const Rows rows(out.test_embeddings, out.dimension);
  for (std::size_t i = 0; i < test.size(); ++i) {
    const auto clusters = policy::FindMembership(*bundle, rows.row(i)).clusters;
    const auto tasks = policy::RecogniseTasks(*bundle, rows.row(i));
    const auto head = policy::ProjectHead(*bundle, rows.row(i));
    for (const int column : columns) {
      out.predicted.push_back(policy::PriorQuality(*bundle, column, clusters, tasks, head));
    }
  }
  out.preference = out.predicted;
  return out;
}

Result<CascalRouted> Published(const bootstrap::Table& table, std::span<const std::size_t> train,
                               std::span<const std::size_t> test, const CascalRouterOptions& options) {
  std::vector<std::string> texts;
  for (const std::size_t r : train) texts.push_back(table.rows[r].query);
  embed::LsaOptions lsa;
  lsa.seed = options.seed;
  const auto fit = embed::FitLsa(texts, lsa);
  if (!fit.ok()) return fit.error();
  auto train_vectors = EmbedRows(*fit->embedder, table, train);
  if (!train_vectors.ok()) return train_vectors.error();
  auto test_vectors = EmbedRows(*fit->embedder, table, test);
  if (!test_vectors.ok()) return test_vectors.error();
  std::vector<std::size_t> columns(table.models.size());
  std::iota(columns.begin(), columns.end(), 0);
  auto scores = bootstrap::ScoreRows(table, train, columns,
                                     options.labelled ? bootstrap::Labels::kScores : bootstrap::Labels::kConsensus,
                                     bootstrap::Consensus::kPublished)
                    .scores;
  bootstrap::Votes votes = bootstrap::VotesOf(table, train, columns).votes;
  for (std::size_t at = 0; at < scores.value.size(); ++at) {
    if (options.labelled) votes.answer[at] = scores.value[at] >= 0.5 ? std::int16_t{0} : bootstrap::kNoVote;
    if (std::isnan(scores.value[at])) scores.value[at] = 0;
  }
  std::map<std::string, std::uint32_t> numbers;
  for (const std::size_t r : train) numbers.try_emplace(options.task_types ? table.rows[r].task : "", 0);
  std::uint32_t next = 0;
  for (auto& entry : numbers) entry.second = next++;
  std::vector<std::uint32_t> subject;
  for (const std::size_t r : train) subject.push_back(numbers[options.task_types ? table.rows[r].task : ""]);
  bootstrap::CascalOptions cascal;
  // The right answer is a fact, not a majority: all who have it are strong.
  if (options.labelled) cascal.weighted = false;
  cascal.seed = options.seed;
  CascalRouted out;
  out.dimension = fit->identity.dimension;
  const auto model = bootstrap::FitCascal(Rows(*train_vectors, out.dimension), subject, numbers.size(), votes,
                                          scores.value, table.models, cascal);
  for (const auto& found : model.subjects) out.clusters += found.members.size();
  out.best_on_train = Best(model.global);
  out.test_embeddings = std::move(*test_vectors);
  const Rows rows(out.test_embeddings, out.dimension);
  for (std::size_t i = 0; i < test.size(); ++i) {
    const auto preference = bootstrap::RouteCascal(model, rows.row(i), {});
    const auto predicted = bootstrap::PredictCascal(model, rows.row(i), {});
    out.preference.insert(out.preference.end(), preference.begin(), preference.end());
    out.predicted.insert(out.predicted.end(), predicted.begin(), predicted.end());
  }
  return out;
}

}  // namespace

Result<CascalRouted> FitCascalRouter(const bootstrap::Table& table, std::span<const std::size_t> train,
                                     std::span<const std::size_t> test, const CascalRouterOptions& options) {
  return options.published ? Published(table, train, test, options) : FromBundle(table, train, test, options);
}

std::vector<std::size_t> RankByPreference(std::span<const double> preference) {
  std::vector<std::size_t> order(preference.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return preference[a] > preference[b]; });
  return order;
}

}  // namespace pointsman::eval
