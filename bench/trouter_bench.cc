// TRouter's training at full size: the dual encoder with tables, and an epoch of the
// published architecture, on made-up queries.
//
//   trouter_bench [--types N] [--queries N] [--models N] [--dimension N] [--threads N]
//
// Prints one JSON object. Exit 1 where a bar of the project is missed at full size:
// dual encoder 180 s in all, 90 s an epoch of the published one, 2 GiB.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/trouter_dual.h"
#include "bootstrap/fit/trouter_network.h"

namespace pointsman::bootstrap {
namespace {

struct Arguments {
  std::size_t types = 447;
  std::size_t queries = 18'000;
  std::size_t models = 11;
  std::size_t dimension = 384;
  std::size_t threads = 2;
};

bool Read(int count, char** words, Arguments& arguments) {
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const auto number = static_cast<std::size_t>(std::strtoull(words[i + 1], nullptr, 10));
    if (number == 0) return false;
    if (name == "--types") arguments.types = number;
    else if (name == "--queries") arguments.queries = number;
    else if (name == "--models") arguments.models = number;
    else if (name == "--dimension") arguments.dimension = number;
    else if (name == "--threads") arguments.threads = number;
    else return false;
  }
  return count % 2 == 1 && arguments.types > 1;
}

struct World {
  std::vector<float> texts;
  std::vector<float> queries;
  std::vector<std::uint32_t> task;
  std::vector<TaskPlace> places;
  Scores effect;
  Scores cost;
};

// Unit vectors; a query leans towards its task, a task towards its subcategory.
void AddUnit(const std::vector<float>& centre, std::size_t at, std::size_t d, double scatter, SplitMix64& random,
             std::vector<float>& out) {
  std::vector<float> x(d);
  double squares = 0;
  for (std::size_t j = 0; j < d; ++j) {
    const double value = (centre.empty() ? 0 : static_cast<double>(centre[at * d + j])) + scatter * random.Normal();
    x[j] = static_cast<float>(value);
    squares += value * value;
  }
  for (float& value : x) value /= static_cast<float>(std::sqrt(squares));
  out.insert(out.end(), x.begin(), x.end());
}

World MakeWorld(const Arguments& arguments) {
  World world;
  SplitMix64 random(7);
  constexpr std::size_t kLevels = 4;
  constexpr std::uint32_t kSubcategories = 10;
  const std::size_t d = arguments.dimension;
  std::vector<float> subcategories;
  for (std::size_t s = 0; s * kLevels < arguments.types; ++s) AddUnit({}, 0, d, 1, random, subcategories);
  std::vector<double> effect;
  for (std::size_t t = 0; t < arguments.types; ++t) {
    const auto s = static_cast<std::uint32_t>(t / kLevels);
    world.places.push_back({s / kSubcategories, s});
    AddUnit(subcategories, s, d, .03, random, world.texts);
    for (std::size_t m = 0; m < arguments.models; ++m) effect.push_back(random.Unit());
  }
  world.effect = world.cost = {arguments.queries, arguments.models, {}};
  for (std::size_t i = 0; i < arguments.queries; ++i) {
    const auto t = static_cast<std::uint32_t>(i % arguments.types);
    world.task.push_back(t);
    AddUnit(world.texts, t, d, .05, random, world.queries);
    for (std::size_t m = 0; m < arguments.models; ++m) {
      world.effect.value.push_back(random.Unit() < effect[t * arguments.models + m] ? 1 : 0);
      world.cost.value.push_back(random.Unit() * static_cast<double>(m + 1) / static_cast<double>(arguments.models));
    }
  }
  return world;
}

double ErrorOf(const Scores& truth, const std::vector<double>& table, const std::vector<double>& p, std::size_t row) {
  double error = 0;
  for (std::size_t m = 0; m < truth.models; ++m) {
    double forecast = 0;
    for (std::size_t t = 0; t < p.size(); ++t) forecast += p[t] * table[t * truth.models + m];
    error += (forecast - truth.at(row, m)) * (forecast - truth.at(row, m)) / static_cast<double>(truth.models);
  }
  return error;
}

int Run(const Arguments& arguments) {
  const World world = MakeWorld(arguments);
  const Rows texts(world.texts, arguments.dimension);
  const TrouterRows rows{Rows(world.queries, arguments.dimension), world.task, {&world.effect, &world.cost}};
  const SystemClock clock;
  auto seconds = [&clock, began = clock.MonotonicNanos()]() mutable {
    const std::int64_t now = clock.MonotonicNanos();
    return static_cast<double>(now - std::exchange(began, now)) / 1e9;
  };
  seconds();
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  DualOptions dual_options;
  dual_options.places = world.places;
  const auto dual = FitDualEncoder(rows, arguments.types, texts, {}, {}, dual_options);
  const double dual_seconds = seconds();
  rusage after_dual{};
  getrusage(RUSAGE_SELF, &after_dual);
  TrouterTraining training;
  training.epochs_max = 1;
  training.hold_out_every = 0;  // all rows are trained on, and judged once
  training.threads = arguments.threads;
  training.places = world.places;
  auto published = FitTrouterNetwork(rows, arguments.types, texts, training);
  const double epoch_seconds = seconds();
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  for (const auto* error : {dual.ok() ? nullptr : &dual.error(), published.ok() ? nullptr : &published.error()}) {
    if (error != nullptr) return std::fprintf(stderr, "%s\n", error->message.c_str()), 2;
  }
  const double gibibytes = static_cast<double>(used.ru_maxrss) / (1U << 20);
  const auto cpu = [](const rusage& at) {
    return static_cast<double>(at.ru_utime.tv_sec + at.ru_stime.tv_sec) +
           static_cast<double>(at.ru_utime.tv_usec + at.ru_stime.tv_usec) * 1e-6;
  };
  const double dual_cpu = cpu(after_dual) - cpu(before);
  const double epoch_cpu = cpu(used) - cpu(after_dual);
  const std::size_t judged = std::min<std::size_t>(200, arguments.queries);
  seconds();
  double published_error = 0;
  for (std::size_t i = 0; i < judged; ++i) {
    const auto p = published->serving.Probabilities(rows.queries.row(i));
    published_error += ErrorOf(world.effect, published->serving.Table(0), p, i) / static_cast<double>(judged);
  }
  const double published_query = seconds() / static_cast<double>(judged);
  double dual_error = 0;
  for (std::size_t i = 0; i < judged; ++i) {
    const auto p = dual->recogniser.Probabilities(rows.queries.row(i));
    dual_error += ErrorOf(world.effect, dual->tables[0], p, i) / static_cast<double>(judged);
  }
  const double dual_query = seconds() / static_cast<double>(judged);
  std::printf("{\"types\":%zu,\"queries\":%zu,\"models\":%zu,\"avx2\":%s,\"threads\":%zu,\"dual_seconds\":%.1f,"
              "\"dual_cpu_seconds\":%.1f,\"dual_epochs\":%d,"
              "\"published_epoch_seconds\":%.1f,\"published_epoch_cpu_seconds\":%.1f,\"peak_gib\":%.2f,"
              "\"dual_query_us\":%.0f,\"published_query_us\":%.0f,\"dual_error\":%.4f,\"published_error\":%.4f}\n",
              arguments.types, arguments.queries, arguments.models,
              Supports(Instructions::kAvx2) ? "true" : "false", arguments.threads, dual_seconds, dual_cpu, dual->epochs,
              epoch_seconds, epoch_cpu, gibibytes, dual_query * 1e6, published_query * 1e6, dual_error,
              published_error);
  const bool full = arguments.types >= 447 && arguments.queries >= 18'000 && arguments.models >= 11;
  return full && (dual_seconds > 180 || epoch_seconds > 90 || gibibytes > 2) ? 1 : 0;
}

}  // namespace
}  // namespace pointsman::bootstrap

int main(int count, char** words) {
  pointsman::bootstrap::Arguments arguments;
  if (!pointsman::bootstrap::Read(count, words, arguments)) {
    std::fprintf(stderr, "every option takes a number above 0; the head of trouter_bench.cc lists them\n");
    return 64;
  }
  return pointsman::bootstrap::Run(arguments);
}
