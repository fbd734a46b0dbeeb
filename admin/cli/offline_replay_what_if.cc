#include "admin/cli/offline_replay_what_if.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "admin/cli/render.h"
#include "admin/json.h"
#include "policy/belief/noise.h"
#include "policy/belief/posterior.h"
#include "policy/learning/learner.h"
#include "policy/learning/refit.h"
#include "store/store.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

// Latest decisions whose leading model is compared.
constexpr std::size_t kDecisions = 20'000;

// One fold of the log.
class Side {
 public:
  static Result<std::unique_ptr<Side>> Create(const store::Store& store, const policy::Options* other) {
    auto base = store.LoadBase();
    if (!base.ok()) return base.error();
    auto learner = policy::Learner::Create(store, store, std::move(base).value());
    if (!learner.ok()) return learner.error();
    return std::unique_ptr<Side>(new Side(std::move(learner).value(), other));
  }

  Status Learn(policy::Event event) {
    if (const auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) Score(*gold);
    if (auto* changed = std::get_if<policy::OptionsChanged>(&event.payload); changed != nullptr && other_ != nullptr) {
      const auto sources = changed->options.sources;  // numbers in the log
      changed->options = *other_;
      changed->options.sources = sources;
    }
    if (auto* refitted = std::get_if<policy::Refitted>(&event.payload); refitted != nullptr && other_ != nullptr) {
      Publish();
      const auto own = policy::DueRefit(learner_->state(), *snapshot_, publisher_, policy::Weights{});
      *refitted = own.value_or(policy::Refitted{});
    }
    changed_ = true;
    return learner_->Learn(event);
  }

  const policy::Snapshot& Publish() {
    if (changed_) {
      snapshot_ = publisher_.Publish(learner_->mutable_state(), learner_->bundle());
      learner_->mutable_state().dirty_rows.clear();
    }
    changed_ = false;
    return *snapshot_;
  }

  const policy::State& state() const { return learner_->state(); }

  std::vector<double> squared_errors;  // by label
  double z_squared = 0;                // summed

 private:
  Side(std::unique_ptr<policy::Learner> learner, const policy::Options* other)
      : learner_(std::move(learner)), other_(other) {}

  // A first label, at the prediction before it.
  void Score(const policy::GoldGiven& gold) {
    const bool first =
        std::none_of(gold.before.begin(), gold.before.end(), [](const auto& c) { return c.channel == 0; });
    const policy::Snapshot& snapshot = Publish();
    const auto view = std::find_if(snapshot.models.begin(), snapshot.models.end(),
                                   [&](const auto& one) { return one.model.id == gold.context.model; });
    // Retired models have no view, and an older generation's clusters no meaning here.
    if (!first || view == snapshot.models.end() || gold.context.generation != snapshot.generation) return;
    const policy::Estimate estimate =
        policy::ReadPosterior(snapshot, *view, gold.context.clusters, gold.context.prior, gold.context.prior_centred);
    const double error = gold.value - std::clamp(estimate.mean, 0.0, 1.0);
    squared_errors.push_back(error * error);
    z_squared += error * error / (std::max(estimate.variance, 0.0) + policy::GoldVariance(state().noise));
  }

  std::unique_ptr<policy::Learner> learner_;
  const policy::Options* other_;
  policy::Publisher publisher_;
  std::shared_ptr<const policy::Snapshot> snapshot_;
  bool changed_ = true;
};

// The model of best predicted quality, its prior read off the clusters alone.
std::string Leader(const policy::Snapshot& snapshot, const policy::ClusterWeights& clusters) {
  std::string leader;
  double best = -1e300;
  for (const policy::ModelView& view : snapshot.models) {
    if (view.model.state != policy::ModelState::kActive) continue;
    double prior = view.mean_prior;
    if (view.column >= 0) {
      prior = 0;
      for (const auto& one : clusters) {
        prior += one.weight * snapshot.bundle->skill(one.cluster.value, static_cast<std::size_t>(view.column));
      }
    }
    const double quality = policy::ReadPosterior(snapshot, view, clusters, prior, prior - view.mean_prior).mean;
    if (quality > best) leader = view.model.name;
    best = std::max(best, quality);
  }
  return leader;
}

struct Difference {
  std::uint64_t events = 0, decisions = 0, changed = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> switches;  // (was, would be)
  std::uint64_t labels = 0;
  double rmse[2] = {0, 0}, z_squared[2] = {0, 0};
  double gain = 0, gain_error = 0;  // mean of squared error as it was - other
};

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

void CompareLabels(const Side& was, const Side& other, Difference* out) {
  const std::size_t count = std::min(was.squared_errors.size(), other.squared_errors.size());
  out->labels = count;
  if (count == 0) return;
  const Side* sides[2] = {&was, &other};
  for (int s = 0; s < 2; ++s) {
    out->rmse[s] = std::sqrt(Mean(sides[s]->squared_errors));
    out->z_squared[s] = sides[s]->z_squared / static_cast<double>(count);
  }
  std::vector<double> gains;
  for (std::size_t i = 0; i < count; ++i) gains.push_back(was.squared_errors[i] - other.squared_errors[i]);
  out->gain = Mean(gains);
  for (double& one : gains) one = (one - out->gain) * (one - out->gain);
  out->gain_error = count > 1 ? std::sqrt(Mean(gains) / static_cast<double>(count - 1)) : 0;
}

Result<Difference> Compare(const store::Store& store, Side& was, Side& other) {
  Difference out;
  std::deque<policy::ClusterWeights> latest;
  Generation generation;
  const LogSeq from{was.state().last_seq.value + 1};
  const Status read = store.ReadLog(from, 0, [&](const policy::Event& event) {
    ++out.events;
    if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) {
      if (made->context.generation != generation) latest.clear();
      generation = made->context.generation;
      latest.push_back(made->context.clusters);
      if (latest.size() > kDecisions) latest.pop_front();
    }
    if (Status learnt = was.Learn(event); !learnt.ok()) return learnt;
    return other.Learn(event);
  });
  if (!read.ok()) return read.error();
  CompareLabels(was, other, &out);
  const policy::Snapshot& before = was.Publish();
  const policy::Snapshot& after = other.Publish();
  out.decisions = before.generation == generation ? latest.size() : 0;
  for (std::size_t i = 0; i < out.decisions; ++i) {
    const std::string first = Leader(before, latest[i]);
    const std::string second = Leader(after, latest[i]);
    if (first == second) continue;
    ++out.changed;
    ++out.switches[{first, second}];
  }
  return out;
}

double Level(const policy::ModelView& view) { return view.mean[0]; }
double LevelDeviation(const policy::ModelView& view) { return std::sqrt(std::max(view.covariance[0], 0.0)); }

json ReportJson(const Difference& found, Side& was, Side& other) {
  json models = json::array();
  const auto& before = was.Publish().models;
  const auto& after = other.Publish().models;
  for (std::size_t m = 0; m < std::min(before.size(), after.size()); ++m) {
    models.push_back({{"model", before[m].model.name},
                      {"level", Level(before[m])},
                      {"level_deviation", LevelDeviation(before[m])},
                      {"level_what_if", Level(after[m])},
                      {"level_deviation_what_if", LevelDeviation(after[m])}});
  }
  json switches = json::array();
  for (const auto& [names, count] : found.switches) {
    switches.push_back({{"from", names.first}, {"to", names.second}, {"decisions", count}});
  }
  return {{"events", admin::Number64(found.events)},
          {"labels", found.labels},
          {"rmse", found.rmse[0]},
          {"rmse_what_if", found.rmse[1]},
          {"z_squared", found.z_squared[0]},
          {"z_squared_what_if", found.z_squared[1]},
          {"squared_error_gain", found.gain},
          {"squared_error_gain_error", found.gain_error},
          {"alarms", admin::Number64(was.state().counters.alarms)},
          {"alarms_what_if", admin::Number64(other.state().counters.alarms)},
          {"decisions", found.decisions},
          {"decisions_with_another_leader", found.changed},
          {"switches", std::move(switches)},
          {"models", std::move(models)}};
}

void Show(Context& context, const Difference& found, Side& was, Side& other) {
  std::ostream& out = context.out;
  out << found.events << " events folded twice; nothing was written\n\n";
  const auto right = Table::Align::kRight;
  Table table({{"WHAT"}, {"AS IT WAS", right}, {"WHAT IF", right}});
  table.Row({"gold labels scored before learnt", std::to_string(found.labels), std::to_string(found.labels)});
  table.Row({"root mean squared error", Fixed(found.rmse[0], 4), Fixed(found.rmse[1], 4)});
  table.Row({"z^2 (1: as uncertain as it says)", Fixed(found.z_squared[0], 2), Fixed(found.z_squared[1], 2)});
  table.Row({"alarms", std::to_string(was.state().counters.alarms), std::to_string(other.state().counters.alarms)});
  const auto& before = was.Publish().models;
  const auto& after = other.Publish().models;
  for (std::size_t m = 0; m < std::min(before.size(), after.size()); ++m) {
    const auto text = [](const policy::ModelView& view) {
      return Fixed(Level(view), 3) + " +- " + Fixed(LevelDeviation(view), 3);
    };
    table.Row({"level of " + Printable(before[m].model.name), text(before[m]), text(after[m])});
  }
  table.Print(out, context.colour);
  out << "\nsquared error gained a label: " << Fixed(found.gain, 5) << " +- " << Fixed(found.gain_error, 5)
      << (std::abs(found.gain) > 2 * found.gain_error && found.labels > 1 ? "\n" : " (within chance)\n")
      << found.changed << " of the latest " << found.decisions << " decisions would have another leading model\n";
  for (const auto& [names, count] : found.switches) {
    out << "  " << count << ": " << Printable(names.second) << " instead of " << Printable(names.first) << "\n";
  }
}

}  // namespace

Exit ReplayWhatIf(Context& context, const std::string& directory, const std::string& file, const OptionsReader& read) {
  const auto text = ReadInput(context, file);
  if (!text.ok()) return context.Fail(text.error());
  const auto options = read(text.value(), file);
  if (!options.ok()) return context.Fail(options.error(), Exit::kConfig);
  const auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return context.Fail(opened.error());
  const store::Store& store = *opened.value();
  auto was = Side::Create(store, nullptr);
  if (!was.ok()) return context.Fail(was.error());
  auto other = Side::Create(store, &options.value());
  if (!other.ok()) return context.Fail(other.error());
  const auto found = Compare(store, **was, **other);
  if (!found.ok()) return context.Fail(found.error());
  if (found->events == 0) {
    return context.Fail(MakeError(Code::kFailedPrecondition, "no_events", "the log is empty: there is nothing to fold"),
                        Exit::kNegative);
  }
  if (context.json) return context.Print(ReportJson(*found, **was, **other));
  Show(context, *found, **was, **other);
  return Exit::kOk;
}

}  // namespace pointsman::cli
