// LSA: fitting, and one query of 100 words (bound: 100 microseconds).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "embed/lsa.h"

namespace pointsman::embed {
namespace {

// Made-up words with a Zipf-like spread, so that rows and buckets fill as with
// real questions.
std::string MakeText(std::size_t words, SplitMix64& random) {
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    auto rank = static_cast<std::uint64_t>(20'000 * random.Unit() * random.Unit() * random.Unit()) + 1;
    for (std::uint64_t left = rank * 2654435761ULL % 100'000'007ULL; left > 0; left /= 26) {
      text.push_back(static_cast<char>('a' + left % 26));
    }
    text.push_back(' ');
  }
  return text;
}

std::vector<std::string> MakeTexts(std::size_t count, std::size_t words) {
  SplitMix64 random(1);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back(MakeText(words, random));
  return texts;
}

void BM_LsaEmbed(benchmark::State& state) {
  static const auto fit = FitLsa(MakeTexts(1000, 100), {});
  SplitMix64 random(2);
  std::vector<std::string> queries;
  for (int i = 0; i < 64; ++i) queries.push_back(MakeText(static_cast<std::size_t>(state.range(0)), random));
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(fit->embedder->Embed(queries[next++ % queries.size()]));
}
BENCHMARK(BM_LsaEmbed)->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);

void BM_LsaFit(benchmark::State& state) {
  const auto texts = MakeTexts(static_cast<std::size_t>(state.range(0)), 100);
  for (auto _ : state) benchmark::DoNotOptimize(FitLsa(texts, {}));
}
BENCHMARK(BM_LsaFit)->Arg(3000)->Arg(18000)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace
}  // namespace pointsman::embed

BENCHMARK_MAIN();
