#include "daemon/rollout_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/this_thread.h"
#include "store/judge_log.h"

namespace pointsman::daemon {
namespace {

constexpr std::uint64_t kFirstLabels = 200;
constexpr int kNice = 10;  // a look reads up to two million events
constexpr std::chrono::milliseconds kPause{500};
constexpr std::chrono::seconds kLookLimit{10};

// What a look needs of the state.
struct Scene {
  policy::RolloutRecord record;
  std::uint64_t labels = 0;  // since the rollout began
  std::vector<policy::Payload> facts;
};

}  // namespace

std::uint64_t LabelsForLook(std::uint64_t number) {
  std::uint64_t labels = kFirstLabels;
  for (std::uint64_t i = 1; i < number && labels < (1ULL << 60); ++i) labels += labels / 2;
  return labels;
}

double LevelOfLook(std::uint64_t number) {
  const auto k = static_cast<double>(number);
  return 0.05 / (k * (k + 1));
}

std::uint64_t NextLook(std::uint64_t labels) {
  std::uint64_t number = 1;
  while (LabelsForLook(number) <= labels) ++number;
  return number;
}

Gain GainOf(double difference, double error, double share, std::uint64_t labels) {
  const double one_label = 1 / (share * static_cast<double>(std::max<std::uint64_t>(labels, 1)));
  Gain gain{difference / (1 - share), std::hypot(error / (1 - share), one_label)};
  gain.chance = std::erfc(gain.value / gain.error / std::sqrt(2.0)) / 2;
  return gain;
}

struct RolloutWatch::Impl {
  Impl(const store::Store& store_in, LearnerLoop& learner_in, Mutations& mutations_in)
      : store(store_in), learner(learner_in), mutations(mutations_in) {}

  const store::Store& store;
  LearnerLoop& learner;
  Mutations& mutations;

  mutable std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  admin::RolloutReport::Look last;
  LogSeq judged;           // the rollout that `next` counts for
  std::uint64_t next = 0;  // look
  std::thread thread;

  bool Stopping() const {
    const std::lock_guard lock(mutex);
    return stopping;
  }
  Result<Scene> TakeScene(bool with_facts);
  void Turn();
  void Look(std::uint64_t number);
  void Run();
};

Result<Scene> RolloutWatch::Impl::TakeScene(bool with_facts) {
  return learner.Query<Scene>(kLookLimit, [with_facts](const policy::State& state) {
    Scene scene;
    scene.record = state.rollout;
    scene.labels = state.counters.feedback[0] - state.rollout.gold_before;
    if (with_facts) scene.facts = store::FactsOf(state);
    return scene;
  });
}

void RolloutWatch::Impl::Turn() {
  const auto scene = TakeScene(false);
  if (!scene.ok()) return;
  if (judged != scene->record.since) {
    const std::lock_guard lock(mutex);
    // A rollout that was there before this process: looks that its labels have passed
    // were held, or are given up.
    next = NextLook(scene->labels);
    judged = scene->record.since;
    if (scene->record.rollout.mode == policy::RolloutMode::kApprentice) last = {};
  }
  if (scene->record.rollout.mode != policy::RolloutMode::kApprentice || scene->labels < LabelsForLook(next)) return;
  const std::uint64_t number = NextLook(scene->labels) - 1;  // of looks that came at once, the last
  Look(number);
  next = number + 1;
}

void RolloutWatch::Impl::Look(std::uint64_t number) {
  auto scene = TakeScene(true);
  if (!scene.ok()) return;
  admin::RolloutReport::Look look;
  look.number = number;
  look.labels = scene->labels;
  look.level = LevelOfLook(number);
  const auto judgement = store::JudgeLog(
      store, policy::TargetPolicy{},
      {.after = scene->record.since, .events_max = kEventsMax, .known = std::move(scene->facts), .cancelled = [this] {
         return Stopping();
       }});
  bool better = false;
  if (!judgement.ok()) {
    look.verdict = "cannot tell: " + judgement.error().message;
  } else {
    const policy::ValueEstimate& gain = judgement->utility_difference;
    const double share = scene->record.rollout.share;
    look.decisions = judgement->decisions;
    const Gain found = GainOf(gain.value, gain.error, share, scene->labels);
    look.gain = found.value;
    look.gain_error = found.error;
    look.chance = found.chance;
    look.quality_gain = judgement->difference.value / (1 - share);
    better = look.chance <= look.level;
    look.verdict = better                          ? "better: the router takes over"
                   : 1 - look.chance <= look.level ? "worse: the incumbent is followed on"
                                                   : "not yet known to be better";
  }
  log::Info("rollout, look {} at {} gold labels: {}", number, look.labels, look.verdict);
  {
    const std::lock_guard lock(mutex);
    last = look;
  }
  if (!better) return;
  const std::string reason = fmt::format(
      "the router's choices are worth {:+.4f} +- {:.4f} more than the incumbent's (quality {:+.4f}): look "
      "{}, {} gold labels, chance of error {:.2g} at most {:.2g}",
      look.gain, look.gain_error, look.quality_gain, number, look.labels, look.chance, look.level);
  policy::Rollout full{policy::RolloutMode::kFull, 1, scene->record.rollout.incumbent};
  const Status done = mutations.SetRollout({policy::Origin::kLearner, 0}, full, reason);
  if (!done.ok()) log::Warning("the apprentice could not take over: {}", done.error().message);
}

void RolloutWatch::Impl::Run() {
  while (true) {
    Turn();
    std::unique_lock lock(mutex);
    if (changed.wait_for(lock, kPause, [this] { return stopping; })) return;
  }
}

RolloutWatch::RolloutWatch(const store::Store& store, LearnerLoop& learner, Mutations& mutations)
    : impl_(std::make_unique<Impl>(store, learner, mutations)) {
  impl_->thread = std::thread([impl = impl_.get()] {
    NameThisThread("rollout");
    YieldProcessorsToOthers(kNice);
    impl->Run();
  });
}

RolloutWatch::~RolloutWatch() { Stop(); }

void RolloutWatch::Stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
}

admin::RolloutReport::Look RolloutWatch::LastLook() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->last;
}

}  // namespace pointsman::daemon
