#include "daemon/job.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/build_choices.h"
#include "bootstrap/job/bundle_builder.h"
#include "bootstrap/job/collection.h"
#include "daemon/job_plan.h"
#include "daemon/job_refit.h"
#include "embed/http_embedder.h"
#include "embed/static_vectors.h"
#include "store/bundle_file.h"

namespace pointsman::daemon {
namespace {

int Complain(const Error& error) {
  std::fprintf(stderr, "pointsmand job: %s\n", error.message.c_str());
  return static_cast<int>(ExitFor(error.code));
}

void Report(const JobProgress& progress) {
  const std::string line = ProgressLine(progress) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

// Idle priority of CPU and disk, the first to go where memory runs out, and death with
// the parent.
bool Prepare(const JobOptions& options) {
  setpriority(PRIO_PROCESS, 0, 19);
  if (std::FILE* score = std::fopen("/proc/self/oom_score_adj", "we")) {
    std::fputs("800", score);
    std::fclose(score);
  }
  constexpr int kWhoProcess = 1;
  constexpr int kIdleClass = 3 << 13;
  syscall(SYS_ioprio_set, kWhoProcess, 0, kIdleClass);
  if (options.parent == 0) return true;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before the line above.
  return getppid() == static_cast<pid_t>(options.parent);
}

// At most ten lines a second; the first and the last of a stage always.
class PaidProgress {
 public:
  void Show(std::string_view stage, std::uint64_t done, std::uint64_t total, const bootstrap::MeterReading& meter) {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = clock_.MonotonicNanos();
    constexpr std::int64_t kApartNanos = 100'000'000;
    if (done != 0 && done != total && now - last_nanos_ < kApartNanos) return;
    last_nanos_ = now;
    Report({std::string(stage), done, total, "", meter.spent_usd, meter.asked, meter.reused});
  }

 private:
  const SystemClock clock_;
  std::mutex mutex_;
  std::int64_t last_nanos_ = 0;
};

Status Estimate(const JobOptions& options) {
  const auto plan = LoadPlan(options.plan_path);
  if (!plan.ok()) return plan.error();
  const auto forecast = bootstrap::ForecastQueries(plan.value());
  if (!forecast.ok()) return forecast.error();
  const auto estimate = bootstrap::EstimatePlan(plan.value(), forecast->queries, forecast->mean_bytes);
  std::printf("%s\n", EstimateJson(plan.value(), estimate).c_str());
  return {};
}

// Carries the plan out up to its table of labelled answers. `message` tells what came of it.
Result<std::string> BuyTable(const JobOptions& options, std::string* message) {
  const auto plan = LoadPlan(options.plan_path);
  if (!plan.ok()) return plan.error();
  PaidProgress progress;
  bootstrap::CollectionInputs inputs;
  inputs.directory = options.work_directory + "/" + plan->name;
  inputs.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
  inputs.progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total,
                        const bootstrap::MeterReading& meter) { progress.Show(stage, done, total, meter); };
  const SystemClock clock;
  const auto collection = bootstrap::CollectByPlan(plan.value(), inputs, clock);
  if (!collection.ok()) return collection.error();
  const bootstrap::LabelCounts& labels = collection->labels;
  *message = fmt::format(
      "{} queries; {} answers bought, {} reused, {:.4f} dollars in all; labels: {} reference, {} "
      "judge, {} consensus, {} none",
      collection->queries, collection->meter.asked, collection->meter.reused, collection->meter.spent_usd,
      labels.reference, labels.judge, labels.consensus, labels.none);
  for (const std::string& warning : collection->warnings) *message += "; " + warning;
  return collection->table_path;
}

// Errors: INVALID_ARGUMENT embedder.
Status ChooseEmbedder(const std::string& wanted, bootstrap::BuildOptions* build) {
  if (wanted == "lsa" || wanted.empty()) return {};
  if (wanted.starts_with("static:")) {
    build->make_embedder = [path = wanted.substr(7)](std::span<const std::string> texts) {
      return embed::MakeStatic(path, texts);
    };
    return {};
  }
  if (wanted.starts_with("http:")) {
    embed::HttpEmbedderOptions http;
    const std::string rest = wanted.substr(5);
    const std::size_t first = rest.find('|');
    const std::size_t second = first == std::string::npos ? first : rest.find('|', first + 1);
    http.base_url = rest.substr(0, first);
    if (first != std::string::npos) http.model = rest.substr(first + 1, second - first - 1);
    if (second != std::string::npos) http.key_env = rest.substr(second + 1);
    build->make_embedder = [http](std::span<const std::string>) { return embed::MakeHttpEmbedder(http); };
    return {};
  }
  return MakeError(Code::kInvalidArgument, "embedder",
                   "--embedder must be lsa, static:/absolute/file or http:URL|MODEL|KEY_ENV");
}

Status FitRows(const JobOptions& options) {
  const auto how = RefitOptionsOf(options.learner, options.base);
  if (!how.ok()) return how.error();
  const auto file = ReadRefitRows(options.refit_path);
  if (!file.ok()) return file.error();
  const auto refit = bootstrap::FitBias(file->rows, file->clusters, how.value());
  if (!refit.ok()) return refit.error();
  std::printf("%s\n", RefitLine(refit.value()).c_str());
  return {};
}

Status Build(const JobOptions& options) {
  bootstrap::BuildOptions build;
  if (options.labels == "scores") {
    build.labels = bootstrap::Labels::kScores;
  } else if (options.labels != "consensus") {
    return MakeError(Code::kInvalidArgument, "labels", "--labels must be consensus or scores");
  }
  const auto choices = bootstrap::ChoicesFromNames(options.method, options.filter, options.recogniser);
  if (!choices.ok()) return choices.error();
  build.cluster_method = choices->method;
  build.filter = choices->filter;
  build.recogniser = choices->recogniser;
  if (const Status chosen = ChooseEmbedder(options.embedder, &build); !chosen.ok()) return chosen;
  build.clusters_max = options.clusters_max;
  build.seed = options.seed;
  build.made_at_us = SystemClock().WallMicros();
  build.progress = [](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    Report({std::string(stage), done, total, ""});
    FAULT_POINT("daemon.job.fitting");
  };
  Result<policy::Bundle> kept = policy::Bundle{};
  if (!options.keep_embedder_of.empty()) {
    kept = store::ReadBundleFile(options.keep_embedder_of);
    if (!kept.ok()) return kept.error();
    build.keep_embedder_of = &kept.value();
  }
  Result<policy::Bundle> bridged = policy::Bundle{};
  if (!options.bridge_from.empty()) {
    bridged = store::ReadBundleFile(options.bridge_from);
    if (!bridged.ok()) return bridged.error();
    build.bridge_from = &bridged.value();
  }
  Report({"read", 0, 1, ""});
  FAULT_POINT("daemon.job.started");
  std::string bought;
  Result<std::string> path = options.table_path;
  if (!options.plan_path.empty()) path = BuyTable(options, &bought);
  if (!path.ok()) return path.error();
  FAULT_POINT("daemon.job.bought");
  const auto table = bootstrap::ReadTable(path.value());
  if (!table.ok()) return table.error();
  Report({"read", 1, 1, ""});
  auto bundle = bootstrap::BuildBundle(table.value(), build);
  if (!bundle.ok()) return bundle.error();
  FAULT_POINT("daemon.job.fitted");
  const Status written = store::WriteBundleFile(options.out_path, bundle.value());
  if (!written.ok()) return written;
  std::string message =
      fmt::format("{} clusters from {} rows of {}", bundle->cluster_count(), bundle->rows, table->name);
  if (!bought.empty()) message += "; " + bought;
  if (build.bridge_from != nullptr && bundle->bridge.empty() && bundle->embedder != bridged->embedder) {
    message += "; the live embedder gives no vectors: earlier feedback will count in the background only";
  }
  if (table->broken_lines > 0) {
    message += fmt::format("; {} broken lines left out, the first is line {}: {}", table->broken_lines,
                           table->errors.empty() ? 0 : table->errors.front().line,
                           table->errors.empty() ? "" : table->errors.front().message);
  }
  Report({"done", 1, 1, message});
  return {};
}

}  // namespace

int RunJob(const JobOptions& options) {
  if (!Prepare(options)) return static_cast<int>(Exit::kOk);
  try {
    std::signal(SIGPIPE, SIG_IGN);  // a connection that breaks is an error of one request
    const Status built = !options.refit_path.empty() ? FitRows(options)
                         : options.estimate          ? Estimate(options)
                                                     : Build(options);
    if (!built.ok()) return Complain(built.error());
    return static_cast<int>(Exit::kOk);
  } catch (const std::bad_alloc&) {
    return Complain(MakeError(Code::kResourceExhausted, "memory", "out of memory; use a smaller table"));
  } catch (const std::exception& fault) {
    return Complain(MakeError(Code::kInternal, "exception", fault.what()));
  }
}

}  // namespace pointsman::daemon
