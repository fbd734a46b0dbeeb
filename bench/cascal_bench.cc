// Scaled clustering on planted niches: seconds, memory, what it found, and the time
// of the assignment against a plain sgemm of the same shape.
//
//   cascal_bench [--queries N] [--models N] [--niches N] [--families N]
//                [--dimension N] [--clusters N] [--threads N] [--write FILE]
//
// --write only writes the file for `pointsman eval --protocol cascal --data FILE`.
// Prints one JSON object. Exit 1 where a bar of the project is missed at full size.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "bootstrap/fit/kmeans.h"
#include "eval/cascal_protocol.h"

namespace pointsman {
namespace {

struct Arguments {
  eval::NicheOptions niches{.queries = 100'000, .models = 100, .niches = 200, .families = 10, .dimension = 128};
  std::size_t threads = 2;
  std::uint32_t clusters = 512;
  std::string write;
};

bool Read(int count, char** words, Arguments& arguments) {
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const auto number = static_cast<std::size_t>(std::strtoull(words[i + 1], nullptr, 10));
    if (name == "--queries") arguments.niches.queries = number;
    else if (name == "--models") arguments.niches.models = number;
    else if (name == "--niches") arguments.niches.niches = number;
    else if (name == "--families") arguments.niches.families = number;
    else if (name == "--dimension") arguments.niches.dimension = number;
    else if (name == "--clusters") arguments.clusters = static_cast<std::uint32_t>(number);
    else if (name == "--threads") arguments.threads = std::max<std::size_t>(number, 1);
    else if (name == "--write") arguments.write = words[i + 1];
    else return false;
  }
  return count % 2 == 1;
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One assignment of all rows to 2,000 centroids, and the bare products.
struct Assignment {
  double seconds = 0;
  double sgemm = 0;
};

Assignment TimeAssignment(const eval::NicheWorld& world) {
  const std::size_t centroids = std::min<std::size_t>(2000, world.queries);
  const bootstrap::Rows rows(world.embeddings, world.dimension);
  const bootstrap::Rows right(std::span(world.embeddings).first(centroids * world.dimension), world.dimension);
  Assignment out;
  double began = Seconds();
  const auto nearest = bootstrap::NearestByCosine(rows, right, nullptr, 1);
  out.seconds = Seconds() - began;
  began = Seconds();
  const double sum = bootstrap::ProductsAlone(rows, right);
  out.sgemm = Seconds() - began;
  if (nearest.empty() || !(sum == sum)) std::puts("no products");
  return out;
}

int Run(const Arguments& arguments) {
  const auto world = eval::SimulateNiches(arguments.niches);
  if (!world.ok()) return std::fprintf(stderr, "%s\n", world.error().message.c_str()), 2;
  if (!arguments.write.empty()) {
    const auto status = eval::WriteNiches(*world, arguments.write);
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return status.ok() ? 0 : 2;
  }
  eval::CascalOptions options;
  options.clusters = arguments.clusters;
  options.train = 0.9;
  const SystemClock clock;
  const auto report = eval::RunCascalNiches(*world, options, arguments.threads, clock);
  if (!report.ok()) return std::fprintf(stderr, "%s\n", report.error().message.c_str()), 2;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double gibibytes = static_cast<double>(usage.ru_maxrss) / (1U << 20);
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
  const Assignment assignment = TimeAssignment(*world);
  std::printf("{\"queries\":%zu,\"models\":%zu,\"niches\":%zu,\"clusters\":%.0f,\"seconds\":%.1f,"
              "\"cpu_seconds\":%.1f,\"peak_gib\":%.2f,"
              "\"niche_rand\":%.3f,\"family_rand\":%.3f,\"cell_correlation\":%.3f,\"top1\":%.4f,\"best_single\":%.4f,"
              "\"assignment_seconds\":%.2f,\"sgemm_seconds\":%.2f,\"ratio\":%.2f}\n",
              arguments.niches.queries, arguments.niches.models, arguments.niches.niches, report->clusters.mean,
              report->seconds, cpu, gibibytes, report->niche_rand.mean, report->family_rand.mean,
              report->cell_correlation.mean, report->top1.mean, report->best_single.mean, assignment.seconds,
              assignment.sgemm, assignment.seconds / std::max(assignment.sgemm, 1e-9));
  if (arguments.niches.queries < 100'000) return 0;
  const bool held = report->seconds <= 600 && gibibytes <= 8 && report->niche_rand.mean >= 0.8 &&
                    report->cell_correlation.mean >= 0.9;
  return held ? 0 : 1;
}

}  // namespace
}  // namespace pointsman

int main(int count, char** words) {
  pointsman::Arguments arguments;
  if (!pointsman::Read(count, words, arguments)) {
    std::fprintf(stderr, "every option takes a value; the head of cascal_bench.cc lists them\n");
    return 64;
  }
  return pointsman::Run(arguments);
}
