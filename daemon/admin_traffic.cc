// AdminPorts: what the end of the log says about traffic and about the decisions
// that wait for gold.
#include <algorithm>
#include <cmath>
#include <map>

#include "daemon/admin_ports.h"
#include "daemon/hex.h"
#include "policy/judgement/gold_planner.h"

namespace pointsman::daemon {
namespace {

constexpr std::uint64_t kWindowEvents = 50'000;
constexpr std::size_t kPoints = 48;

struct Mean {
  std::uint64_t count = 0;
  double quality = 0;
  double cost_usd = 0;
  void Add(double q, double c) {
    ++count;
    quality += q;
    cost_usd += c;
  }
  double Quality() const { return count == 0 ? 0 : quality / static_cast<double>(count); }
  double Cost() const { return count == 0 ? 0 : cost_usd / static_cast<double>(count); }
};

// One model in the decisions in which it was a candidate: what it would have given,
// and what the chosen model did there.
struct Candidacy {
  std::uint64_t chosen = 0;
  Mean own;
  Mean instead;
};

class TrafficCount {
 public:
  void Take(const policy::Event& event) {
    if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) TakeDecision(*made);
    if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) TakeValue(*rating);
    if (const auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) TakeValue(*gold);
  }

  admin::TrafficReport Report(const std::map<ModelId, std::string>& names,
                              const std::vector<std::string>& sources) const {
    admin::TrafficReport report;
    report.decisions = all_.count;
    report.audits = audits_;
    report.forced = forced_;
    report.quality = all_.Quality();
    report.cost_usd = all_.Cost();
    report.observed = {observed_.count,    agreed_,        observed_.Quality(), observed_.Cost(),
                       advised_.Quality(), advised_.Cost()};
    FillPoints(&report);
    for (const auto& [model, seen] : models_) {
      const auto found = names.find(model);
      const std::string name = found == names.end() ? "model " + std::to_string(model.value) : found->second;
      report.models.push_back({name, seen.chosen, seen.own.count, seen.own.Quality(), seen.own.Cost()});
    }
    std::stable_sort(report.models.begin(), report.models.end(),
                     [](const auto& a, const auto& b) { return a.decisions > b.decisions; });
    for (const auto& [number, weight] : clusters_) report.clusters.push_back({number, weight});
    for (const auto& [channel, values] : values_) {
      std::string name = channel == 0 ? "gold" : "source " + std::to_string(channel);
      if (channel >= 1 && channel <= sources.size()) name = sources[channel - 1U];
      report.channels.push_back({std::move(name), values.count, values.Quality()});
    }
    FillAlone(names, &report);
    return report;
  }

 private:
  void TakeDecision(const policy::DecisionMade& made) {
    const policy::LoggedCandidate* chosen = nullptr;
    const policy::LoggedCandidate* advised = nullptr;
    for (const auto& candidate : made.candidates) {
      if (candidate.model == made.context.model) chosen = &candidate;
      if (candidate.model == made.advised) advised = &candidate;
    }
    const double quality = made.context.predicted_quality;
    const double cost = chosen == nullptr ? 0 : chosen->cost_usd;
    all_.Add(quality, cost);
    decisions_.push_back({made.context.decided_at_us, quality, cost});
    if (made.context.audit) ++audits_;
    if (made.forced) ++forced_;
    if (made.observed) {
      observed_.Add(quality, cost);
      advised_.Add(advised == nullptr ? quality : advised->quality, advised == nullptr ? cost : advised->cost_usd);
      if (made.advised == made.context.model) ++agreed_;
    }
    ++models_[made.context.model].chosen;
    for (const auto& candidate : made.candidates) {
      Candidacy& seen = models_[candidate.model];
      seen.own.Add(candidate.quality, candidate.cost_usd);
      seen.instead.Add(quality, cost);
    }
    for (const auto& cluster : made.context.clusters) clusters_[cluster.cluster.value] += cluster.weight;
  }
  void TakeValue(const policy::RowChanged& row) { values_[row.channel].Add(row.value, 0); }

  void FillPoints(admin::TrafficReport* report) const {
    if (decisions_.empty()) return;
    const auto [first, last] = std::minmax_element(decisions_.begin(), decisions_.end(),
                                                   [](const auto& a, const auto& b) { return a.at_us < b.at_us; });
    report->from_us = first->at_us;
    report->to_us = last->at_us;
    const std::int64_t length = (report->to_us - report->from_us) / static_cast<std::int64_t>(kPoints) + 1;
    std::vector<Mean> means(kPoints);
    for (const Decided& one : decisions_) {
      means[static_cast<std::size_t>((one.at_us - report->from_us) / length)].Add(one.quality, one.cost_usd);
    }
    for (std::size_t i = 0; i < kPoints; ++i) {
      report->points.push_back({report->from_us + static_cast<std::int64_t>(i) * length, means[i].count,
                                means[i].Quality(), means[i].Cost()});
    }
  }

  void FillAlone(const std::map<ModelId, std::string>& names, admin::TrafficReport* report) const {
    const auto fill = [&](const Candidacy& seen, ModelId model, admin::TrafficReport::Alone* out) {
      const auto found = names.find(model);
      out->model = found == names.end() ? "model " + std::to_string(model.value) : found->second;
      out->saved_usd = seen.own.Cost() - seen.instead.Cost();
      out->saved_share = seen.own.Cost() > 0 ? out->saved_usd / seen.own.Cost() : 0;
      out->quality_gained = seen.instead.Quality() - seen.own.Quality();
    };
    double most = -1;
    double highest = -1;
    // A model that was rarely a candidate says little about what it would have done.
    const std::uint64_t enough = all_.count / 2;
    for (const auto& [model, seen] : models_) {
      if (seen.own.count == 0 || seen.own.count < enough) continue;
      if (seen.own.Cost() > most) {
        most = seen.own.Cost();
        fill(seen, model, &report->dearest);
      }
      if (seen.own.Quality() > highest) {
        highest = seen.own.Quality();
        fill(seen, model, &report->best);
      }
    }
  }

  struct Decided {
    std::int64_t at_us = 0;
    double quality = 0;
    double cost_usd = 0;
  };
  Mean all_;
  std::uint64_t audits_ = 0;
  Mean observed_, advised_;
  std::uint64_t agreed_ = 0;
  std::uint64_t forced_ = 0;
  std::vector<Decided> decisions_;
  std::map<ModelId, Candidacy> models_;
  std::map<std::uint32_t, double> clusters_;
  std::map<std::uint8_t, Mean> values_;
};

LogSeq WindowStart(const store::Store& store) {
  const store::StoreStatistics log = store.Statistics();
  const std::uint64_t last = log.last_seq.value;
  const std::uint64_t from = last > kWindowEvents ? last - kWindowEvents + 1 : 1;
  return LogSeq{std::max(from, log.base_seq.value + 1)};
}

admin::GoldTask TaskOf(const policy::DecisionMade& made, LogSeq seq) {
  const policy::DecisionContext& context = made.context;
  admin::GoldTask task;
  task.decision = Hex(context.decision.bytes);
  task.sequence = seq.value;
  task.decided_at_us = context.decided_at_us;
  task.expires_at_us = made.expires_at_us;
  task.tenant = made.tenant;
  task.audit = context.audit;
  task.worth = policy::GoldWorth(made);
  task.gold_probability = context.gold_probability;
  task.predicted_quality = context.predicted_quality;
  task.predicted_deviation = std::sqrt(std::max(context.predicted_variance, 0.0));
  return task;
}

bool HasGold(const policy::DecisionRow& row) {
  return std::any_of(row.values.begin(), row.values.end(),
                     [](const policy::SubjectValue& value) { return value.channel == 0 && !value.retracted; });
}

}  // namespace

Result<admin::TrafficReport> AdminPorts::Traffic() const {
  TrafficCount count;
  const Status read = context_.store.ReadLog(WindowStart(context_.store), 0, [&](const policy::Event& event) {
    count.Take(event);
    return Status();
  });
  if (!read.ok()) return read.error();
  std::map<ModelId, std::string> names;
  for (const admin::ModelReport& model : Models()) names[ModelId{model.id}] = model.name;
  return count.Report(names, context_.cell.Load()->snapshot->options.sources);
}

Result<std::vector<admin::GoldTask>> AdminPorts::GoldQueue(std::size_t limit) const {
  struct Found {
    double place = 0;
    admin::GoldTask task;
    policy::DecisionContext context;
  };
  std::vector<Found> found;
  const std::int64_t now_us = context_.clock.WallMicros();
  AwaitLog();
  const Status read = context_.store.ReadLog(WindowStart(context_.store), 0, [&](const policy::Event& event) {
    const auto* made = std::get_if<policy::DecisionMade>(&event.payload);
    if (made != nullptr && made->gold_wanted && made->expires_at_us > now_us) {
      found.push_back({policy::QueuePlace(made->context.decision), TaskOf(*made, event.seq), made->context});
    }
    return Status();
  });
  if (!read.ok()) return read.error();
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.place < b.place; });
  std::map<ModelId, std::string> names;
  for (const admin::ModelReport& model : Models()) names[ModelId{model.id}] = model.name;
  std::vector<admin::GoldTask> queue;
  for (Found& one : found) {
    if (queue.size() == limit) break;
    const auto row = context_.store.FindDecision(one.context.decision);
    if (!row.ok() || HasGold(row.value())) continue;
    one.task.model = names[one.context.model];
    const auto bundle = context_.store.Find(one.context.bundle);
    for (const auto& cluster : one.context.clusters) {
      const std::uint32_t number = cluster.cluster.value;
      const bool named = bundle.ok() && number >= 1 && number <= bundle.value()->cluster_count();
      one.task.clusters.push_back(
          {number, named ? bundle.value()->cluster_names[number - 1] : "background", cluster.weight});
    }
    queue.push_back(std::move(one.task));
  }
  return queue;
}

}  // namespace pointsman::daemon
