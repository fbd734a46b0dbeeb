#include "daemon/job_refitter.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/log.h"
#include "bootstrap/fit/refit_log.h"
#include "daemon/job_process.h"
#include "daemon/job_refit.h"

namespace pointsman::daemon {

struct Refitter::Inputs {
  std::shared_ptr<const policy::Snapshot> snapshot;
  std::unique_ptr<bootstrap::RefitLog> log;
};

Refitter::Refitter(const RefitterOptions& options, const Clock& clock, const store::Store& store, SnapshotCell& cell,
                   Mutations& mutations)
    : options_(options), clock_(clock), store_(store), cell_(cell), mutations_(mutations) {
  if (options_.every > 0) thread_ = std::thread([this] { Watch(); });
}

Refitter::~Refitter() { Stop(); }

void Refitter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    cancel_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

Status Refitter::RunJob(const admin::RefitRequest& request, const std::string& rows_path, bootstrap::Refit* refit) {
  std::optional<Result<bootstrap::Refit>> answer;
  const Status ran = RunJobProcess({options_.program}, clock_,
                                   {"pointsmand", "job", "--refit", rows_path, "--learner", request.learner, "--base",
                                    request.base, "--parent", std::to_string(getpid())},
                                   cancel_, [&](const std::string& line) { answer = ParseRefitLine(line); });
  if (!ran.ok()) return ran;
  if (!answer.has_value()) return MakeError(Code::kDataLoss, "refit_line", "the job said nothing");
  if (!answer->ok()) return answer->error();
  *refit = std::move(*answer).value();
  return {};
}

Status Refitter::RefitSource(const Actor& actor, const admin::RefitRequest& request, const Inputs& inputs,
                             std::uint8_t channel, admin::RefitReport::Source* report) {
  const policy::Bundle& bundle = *inputs.snapshot->bundle;
  const std::string path = fmt::format("{}/source{}.rows", options_.work_directory, channel);
  const std::vector<bootstrap::RefitRow> rows = inputs.log->RowsOf(channel);
  if (Status written = WriteRefitRows(path, rows, bundle.cluster_count()); !written.ok()) return written;
  bootstrap::Refit refit;
  if (Status ran = RunJob(request, path, &refit); !ran.ok()) {
    // What the learner says of the log is no failure of the re-fit as a whole.
    if (ran.error().reason != "job_failed") return ran;
    report->outcome = "refused";
    report->message = ran.error().message;
    return {};
  }
  report->outcome = "fitted";
  report->learner = refit.learner;
  report->ratings = refit.ratings;
  report->gold = refit.gold;
  report->paired = refit.paired;
  report->fitted_from = inputs.log->first().value;
  report->fitted_to = inputs.log->last().value;
  report->scale = refit.scale;
  report->noise = refit.noise;
  report->error = refit.error;
  report->correction = refit.correction;
  for (std::uint32_t k = 0; k < refit.clusters.size(); ++k) {
    const std::string name = k == 0 ? "background" : bundle.cluster_names[k - 1];
    report->clusters.push_back({k, name, refit.clusters[k], refit.errors[k]});
  }
  // A few labels of small probability can say anything: less than was known before.
  const double known = inputs.snapshot->widths.source;
  if (!(refit.error <= known)) {
    report->outcome = "refused";
    report->message = fmt::format(
        "the fit's standard error is {:.2f}, and without it the bias is known within {:.2f} ({} gold labels, {} of "
        "them "
        "on rated answers); give more gold and fit again",
        refit.error, known, refit.gold, refit.paired);
    return {};
  }
  if (request.dry_run) return {};
  policy::BiasSurfaceInstalled surface = bootstrap::ToEvent(refit);
  surface.channel = channel;
  surface.bundle = bundle.hash;
  surface.fitted_from = inputs.log->first();
  surface.fitted_to = inputs.log->last();
  const auto version = mutations_.InstallSurface(actor, std::move(surface));
  if (!version.ok()) return version.error();
  report->version = version.value();
  report->outcome = "installed";
  return {};
}

Result<admin::RefitReport> Refitter::Refit(const Actor& actor, const admin::RefitRequest& request) {
  if (auto options = RefitOptionsOf(request.learner, request.base); !options.ok()) return options.error();
  const std::unique_lock running(running_, std::try_to_lock);
  if (!running.owns_lock()) return MakeError(Code::kBusy, "refit_running", "a re-fit runs already; wait for it");
  if (cancel_) return MakeError(Code::kUnavailable, "shutting_down", "the daemon is shutting down");
  Inputs inputs{cell_.Load()->snapshot, nullptr};
  if (inputs.snapshot->generation.value == 0) {
    return MakeError(Code::kFailedPrecondition, "no_generation",
                     "no bundle is live, so there are no clusters to fit by; run `pointsman bootstrap run` first");
  }
  const auto& sources = inputs.snapshot->options.sources;
  if (sources.empty()) {
    return MakeError(Code::kFailedPrecondition, "no_sources", "no rating source is configured (learning.sources)");
  }
  std::error_code fault;
  std::filesystem::remove_all(options_.work_directory, fault);
  std::filesystem::create_directories(options_.work_directory, fault);
  if (fault) return MakeError(Code::kUnavailable, "storage_io", options_.work_directory + ": " + fault.message());
  std::filesystem::permissions(options_.work_directory, std::filesystem::perms::owner_all, fault);

  inputs.log = std::make_unique<bootstrap::RefitLog>(store_, inputs.snapshot->bundle->hash, inputs.snapshot->bundle);
  const Status read = store_.ForEach(LogSeq{store_.Statistics().last_seq.value + 1},
                                     [&](const policy::Event& event) { return inputs.log->Take(event); });
  if (!read.ok()) return read.error();
  admin::RefitReport report;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    admin::RefitReport::Source& source = report.sources.emplace_back();
    source.source = sources[s];
    const Status done = RefitSource(actor, request, inputs, static_cast<std::uint8_t>(s + 1), &source);
    if (!done.ok()) return done.error();
  }
  std::filesystem::remove_all(options_.work_directory, fault);
  return report;
}

// The schedule: counts of the snapshot against those at the last re-fit.
void Refitter::Watch() {
  std::uint64_t at_last = 0;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(options_.look_ms), [this] { return cancel_.load(); })) {
    const auto view = cell_.Load();
    std::uint64_t reports = 0;
    for (const std::uint64_t count : view->snapshot->counters.feedback) reports += count;
    if (!bootstrap::RefitIsDue(reports, at_last, options_.every)) continue;
    at_last = reports;
    lock.unlock();
    const auto done = Refit({policy::Origin::kLearner, 0}, admin::RefitRequest{});
    if (done.ok()) {
      log::Info("the scheduled re-fit of biases is done after {} reports", reports);
    } else {
      log::Warning("the scheduled re-fit of biases failed: {}", done.error().message);
    }
    lock.lock();
  }
}

}  // namespace pointsman::daemon
