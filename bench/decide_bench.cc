// In-process Decide against its floor: reading the same floats once.
//
// Counter "ratio" is time per decision over time per read-sum, both measured in
// this run; "floor_us" is the read-sum of the floats. Shapes: K clusters x M models,
// d = 384. With "extras" also 512 anchors and 128 task types, counted in the floor, and
// the search for the anchors, which in the daemon no reply waits for;
// "indexed" is that through the eight-bit index, as the daemon does, and may be
// below its floor. "stated" is the shape of route_bench: d = 256, 341 anchors, 55
// task types, indexed.
#include <benchmark/benchmark.h>

#include <ctime>
#include <string_view>

#include "policy/choice/decide.h"
#include "policy/kernels/scan.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using Lanes = float __attribute__((vector_size(32), aligned(4), may_alias));

// Reads every float once, as fast as the memory gives it.
[[gnu::always_inline]] inline float ReadSumBody(const float* values, std::size_t count) {
  Lanes a{};
  Lanes b{};
  Lanes c{};
  Lanes d{};
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    a += *reinterpret_cast<const Lanes*>(values + i);
    b += *reinterpret_cast<const Lanes*>(values + i + 8);
    c += *reinterpret_cast<const Lanes*>(values + i + 16);
    d += *reinterpret_cast<const Lanes*>(values + i + 24);
  }
  const Lanes total = (a + b) + (c + d);
  float sum = 0;
  for (std::size_t j = 0; j < 8; ++j) sum += total[j];
  for (; i < count; ++i) sum += values[i];
  return sum;
}
__attribute__((target("avx2"))) float ReadSumV3(const float* values, std::size_t count) {
  return ReadSumBody(values, count);
}
float ReadSumBaseline(const float* values, std::size_t count) { return ReadSumBody(values, count); }

float ReadSum(const std::vector<float>& values) {
  static const bool v3 = std::string_view(kernels::ScanName()) != "baseline";
  return v3 ? ReadSumV3(values.data(), values.size()) : ReadSumBaseline(values.data(), values.size());
}

// Processor time, so that neighbours on the machine count for neither side.
double Now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double FloorSeconds(const Bundle& bundle) {
  constexpr int kRepeats = 4000;
  const double start = Now();
  for (int i = 0; i < kRepeats; ++i) {
    benchmark::DoNotOptimize(ReadSum(bundle.centroids));
    benchmark::DoNotOptimize(ReadSum(bundle.anchors));
    benchmark::DoNotOptimize(ReadSum(bundle.task_weights));
    benchmark::ClobberMemory();
  }
  return (Now() - start) / kRepeats;
}

struct Case {
  Exploration exploration = Exploration::kGreedyAudits;
  std::size_t dimension = 384;
  std::size_t anchors = 0;
  std::size_t tasks = 0;
  bool indexed = false;
};
constexpr Case kExtras{.anchors = 512, .tasks = 128};
constexpr Case kIndexed{.anchors = 512, .tasks = 128, .indexed = true};
constexpr Case kStated{.dimension = 256, .anchors = 341, .tasks = 55, .indexed = true};

void BenchDecide(benchmark::State& bench, const Case& shape) {
  const auto clusters = static_cast<std::size_t>(bench.range(0));
  const auto models = static_cast<std::size_t>(bench.range(1));
  const std::size_t dimension = shape.dimension;
  constexpr std::size_t kQueries = 256;
  const auto bundle = testing::RandomBundle(
      {.dimension = dimension, .clusters = clusters, .models = models, .anchors = shape.anchors, .tasks = shape.tasks},
      1);
  Snapshot snapshot = testing::FreshSnapshot(bundle);
  snapshot.options.exploration = shape.exploration;
  const auto index = shape.indexed ? MakeSearchIndex(bundle) : nullptr;
  const auto queries = testing::UnitRows(kQueries, dimension, 2);
  std::uint64_t number = 0;
  const double start = Now();
  for (auto _ : bench) {
    Query query;
    query.embedding = std::span(queries).subspan(number % kQueries * dimension, dimension);
    query.id = testing::IdOf(++number);
    query.tokens_in = 100;
    benchmark::DoNotOptimize(Decide(snapshot, query, index.get()));
    if (shape.anchors == 0) continue;
    DecisionContext context;
    if (index != nullptr) {
      AddAnchors(*index, query.embedding, context);
    } else {
      AddAnchors(*bundle, query.embedding, context);
    }
    benchmark::DoNotOptimize(context);
  }
  const double each = (Now() - start) / static_cast<double>(number);
  const double floor = FloorSeconds(*bundle);
  bench.counters["floor_us"] = floor * 1e6;
  bench.counters["ratio"] = each / floor;
  // P1 of the benchmark table: 1.3 floors + 25 ns a model + 1 us.
  bench.counters["target_us"] = 1.3 * floor * 1e6 + 0.025 * static_cast<double>(models) + 1;
}

void Shapes(benchmark::internal::Benchmark* bench) {
  bench->Unit(benchmark::kMicrosecond);
  for (const int clusters : {64, 1024}) {
    for (const int models : {8, 64}) bench->Args({clusters, models});
  }
}

BENCHMARK_CAPTURE(BenchDecide, greedy, Case{})->Apply(Shapes);
BENCHMARK_CAPTURE(BenchDecide, thompson, Case{.exploration = Exploration::kThompson})->Apply(Shapes);
BENCHMARK_CAPTURE(BenchDecide, greedy_extras, kExtras)->Apply(Shapes);
BENCHMARK_CAPTURE(BenchDecide, greedy_indexed, kIndexed)->Apply(Shapes);
BENCHMARK_CAPTURE(BenchDecide, stated, kStated)->Unit(benchmark::kMicrosecond)->Args({64, 8});

}  // namespace
}  // namespace pointsman::policy

BENCHMARK_MAIN();
