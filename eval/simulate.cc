#include "eval/simulate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "eval/scenario_world.h"

namespace pointsman::eval {
namespace {

// Purposes of the run's coins; those below 16 are the world's.
enum : std::uint64_t { kRated = 16, kUp, kWho, kGoldAsked, kGoldGiven, kHostileCoin, kCensoredCoin, kFaultCoins };
// Latest acknowledged reports that a restarted router is asked about.
constexpr std::size_t kAuditedReports = 500;

struct Delivery {
  std::uint64_t decision = 0;
  std::variant<RouterOutcome, RouterFeedback> report;
};

// What one seed measured.
struct Track {
  std::vector<std::size_t> chosen;
  std::vector<double> cost;
  std::uint64_t sent = 0, duplicates = 0, refused = 0, restarts = 0, lost = 0;
  bool restart_impossible = false, price_untold = false;
  std::optional<bool> state_equal;
  std::optional<bool> group_alarm;
  std::map<std::uint64_t, double> state_bytes;  // before a decision
};

class SeedRun {
 public:
  SeedRun(const Scenario& scenario, const ScenarioWorld& world, RouterTarget& target)
      : scenario_(scenario), world_(world), target_(target) {}

  Status Play(const std::function<void(std::uint64_t)>& tell) {
    for (std::uint64_t i = 0; i < scenario_.decisions; ++i) {
      if (i % 100 == 0 && tell) tell(i);
      if (Status s = Happen(i); !s.ok()) return s;
      if (Status s = Deliver(i); !s.ok()) return s;
      const auto choice = target_.Route(world_.Query(i));
      if (!choice.ok()) return choice.error();
      tokens_.push_back(choice->token);
      track.chosen.push_back(choice->model);
      const RouterOutcome outcome = world_.Outcome(i, choice->model);
      track.cost.push_back(outcome.cost_usd);
      Plan(i, *choice, outcome);
      if (Status s = Deliver(i); !s.ok()) return s;
    }
    if (Status s = Deliver(UINT64_MAX); !s.ok()) return s;
    NoteState(scenario_.decisions);
    track.group_alarm = target_.GroupAlarm();
    return {};
  }

  Track track;

 private:
  // Operators' deeds and accidents before decision i.
  Status Happen(std::uint64_t i) {
    for (const Fault& fault : scenario_.faults) {
      if (fault.from != i) continue;
      if (fault.kind == FaultKind::kPrice) {
        const auto told = target_.PriceChanged(world_.Column(fault.model), fault.factor);
        if (!told.ok()) return told.error();
        if (!told.value()) track.price_untold = true;
      }
      if (fault.kind == FaultKind::kRestart) {
        if (Status s = Restart(); !s.ok()) return s;
      }
    }
    for (const Acceptance& bar : scenario_.accept) {
      if (bar.measure == Measure::kStateGrowth && bar.from == i) NoteState(i);
    }
    return {};
  }

  void NoteState(std::uint64_t i) {
    if (const auto bytes = target_.StateBytes()) track.state_bytes[i] = *bytes;
  }

  Status Restart() {
    const auto restarted = target_.Restart();
    if (!restarted.ok()) return restarted.error();
    if (!restarted->can) {
      track.restart_impossible = true;
      return {};
    }
    ++track.restarts;
    if (restarted->equal) track.state_equal = track.state_equal.value_or(true) && *restarted->equal;
    // What was acknowledged is known, with its value: saying it again is a duplicate.
    for (const auto& [token, feedback] : acknowledged_) {
      const auto again = target_.Feedback(token, feedback);
      if (!again.ok()) return again.error();
      if (again.value() != Receipt::kDuplicate) ++track.lost;
    }
    return {};
  }

  void Plan(std::uint64_t i, const RouterChoice& choice, const RouterOutcome& outcome) {
    double often = 1;
    std::uint64_t delay = 0;
    std::uint64_t again = 0;
    std::uint64_t revise = 0;
    bool twice = false;
    for (std::size_t f = 0; f < scenario_.faults.size(); ++f) {
      const Fault& fault = scenario_.faults[f];
      if (!fault.Covers(i)) continue;
      const bool touched = world_.Coin(i, kFaultCoins + f) < fault.share;
      if (fault.kind == FaultKind::kMissing && touched) return;
      if (fault.kind == FaultKind::kSparse) often *= fault.factor;
      if (fault.kind == FaultKind::kLate && touched) delay = std::max(delay, fault.delay);
      if (fault.kind == FaultKind::kRevised && touched) revise = fault.delay;
      if (fault.kind != FaultKind::kDuplicated || !touched) continue;
      twice = true;
      again = fault.delay;
    }
    std::vector<std::pair<std::uint64_t, Delivery>> planned{{i + delay, {i, outcome}}};
    if (auto rating = Rating(i, choice.model, often)) {
      if (revise > 0) {
        RouterFeedback first = *rating;
        first.value = 1 - first.value;
        planned.push_back({i + delay, {i, first}});
        rating->revision = 1;
        planned.push_back({i + delay + revise, {i, *rating}});
      } else {
        planned.push_back({i + delay, {i, *rating}});
      }
    }
    const bool asked = choice.gold_wanted.value_or(world_.Coin(i, kGoldAsked) < scenario_.gold_rate);
    if (asked && world_.Coin(i, kGoldGiven) < scenario_.gold_answered * std::min(often, 1.0)) {
      planned.push_back({i + delay, {i, RouterFeedback{"gold", "", world_.Right(i, choice.model) ? 1.0 : 0.0}}});
    }
    for (const auto& [due, delivery] : planned) waiting_.emplace(due, delivery);
    if (!twice || revise > 0) return;  // the same words twice, never an older one after a newer
    for (const auto& [due, delivery] : planned) waiting_.emplace(due + again, delivery);
  }

  std::optional<RouterFeedback> Rating(std::uint64_t i, std::size_t model, double often) const {
    if (world_.Coin(i, kRated) >= scenario_.rating_rate * often) return std::nullopt;
    RouterFeedback rating{"thumbs", "user-" + std::to_string(Whole(i, scenario_.subjects))};
    rating.value = world_.Coin(i, kUp) < world_.ThumbsUp(i, model) ? 1 : 0;
    for (const Fault& fault : scenario_.faults) {
      if (!fault.Covers(i)) continue;
      if (fault.kind == FaultKind::kCensored && (rating.value == 1) != fault.keep_high &&
          world_.Coin(i, kCensoredCoin) < fault.share) {
        return std::nullopt;
      }
      if (fault.kind == FaultKind::kHostile && world_.Coin(i, kHostileCoin) < fault.share) {
        rating.subject = "attacker-" + std::to_string(Whole(i, fault.subjects));
        rating.value = world_.Column(fault.model) == model ? 1 : 0;
      }
    }
    return rating;
  }

  std::uint64_t Whole(std::uint64_t i, std::uint64_t below) const {
    return static_cast<std::uint64_t>(world_.Coin(i, kWho) * static_cast<double>(below));
  }

  Status Deliver(std::uint64_t now) {
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      const Delivery delivery = waiting_.begin()->second;
      waiting_.erase(waiting_.begin());
      const std::string& token = tokens_[delivery.decision];
      Result<Receipt> receipt = Receipt::kRefused;
      if (const auto* outcome = std::get_if<RouterOutcome>(&delivery.report)) {
        receipt = target_.Outcome(token, *outcome);
      } else {
        receipt = target_.Feedback(token, std::get<RouterFeedback>(delivery.report));
      }
      if (!receipt.ok()) return receipt.error();
      ++track.sent;
      track.duplicates += receipt.value() == Receipt::kDuplicate ? 1 : 0;
      track.refused += receipt.value() == Receipt::kRefused ? 1 : 0;
      if (receipt.value() == Receipt::kStored) Acknowledge(token, delivery);
    }
    return {};
  }

  void Acknowledge(const std::string& token, const Delivery& delivery) {
    const auto* feedback = std::get_if<RouterFeedback>(&delivery.report);
    if (feedback == nullptr) return;
    if (feedback->revision > 0) {
      std::erase_if(acknowledged_,
                    [&](const auto& one) { return one.first == token && one.second.source == "thumbs"; });
    }
    acknowledged_.emplace_back(token, *feedback);
    if (acknowledged_.size() > kAuditedReports) acknowledged_.pop_front();
  }

  const Scenario& scenario_;
  const ScenarioWorld& world_;
  RouterTarget& target_;
  std::vector<std::string> tokens_;
  std::multimap<std::uint64_t, Delivery> waiting_;  // by the decision at which they are due, first come first
  std::deque<std::pair<std::string, RouterFeedback>> acknowledged_;
};

// Truth over a window.
struct Window {
  Window(const ScenarioWorld& world, const Track& track, std::uint64_t from, std::uint64_t until) {
    std::vector<double> sums(world.models(), 0.0);
    for (std::uint64_t i = from; i < until; ++i) {
      double best = 0;
      for (std::size_t m = 0; m < sums.size(); ++m) {
        const double quality = world.Quality(i, m);
        sums[m] += quality;
        best = std::max(best, quality);
        if (track.chosen[i] == m) chosen += quality;
      }
      oracle += best;
      cost += track.cost[i];
    }
    const double count = static_cast<double>(until - from);
    for (const double sum : sums) random += sum / static_cast<double>(sums.size());
    single = *std::max_element(sums.begin(), sums.end());
    for (double* one : {&chosen, &random, &single, &oracle, &cost}) *one /= count;
  }
  double chosen = 0, random = 0, single = 0, oracle = 0, cost = 0;
};

double ShareOf(const Track& track, std::size_t model, std::uint64_t from, std::uint64_t until) {
  const auto first = track.chosen.begin() + static_cast<std::ptrdiff_t>(from);
  const auto last = track.chosen.begin() + static_cast<std::ptrdiff_t>(until);
  return static_cast<double>(std::count(first, last, model)) / static_cast<double>(until - from);
}

std::optional<double> FigureOf(const Acceptance& bar, const Scenario& scenario, const ScenarioWorld& world,
                               const Track& track) {
  const std::uint64_t until = bar.until == 0 ? scenario.decisions : bar.until;
  switch (bar.measure) {
    case Measure::kGapShare: {
      const Window window(world, track, bar.from, until);
      return (window.chosen - window.random) / (window.single - window.random);
    }
    case Measure::kQuality: return Window(world, track, bar.from, until).chosen;
    case Measure::kCost: return Window(world, track, bar.from, until).cost;
    case Measure::kShare: return ShareOf(track, world.Column(bar.model), bar.from, until);
    case Measure::kShareExcess: {
      const std::uint64_t length = std::min(bar.from, until - bar.from);
      const std::size_t model = world.Column(bar.model);
      return ShareOf(track, model, bar.from, until) - ShareOf(track, model, bar.from - length, bar.from);
    }
    case Measure::kLost:
      if (track.restart_impossible || track.restarts == 0) return std::nullopt;
      return static_cast<double>(track.lost);
    case Measure::kStateEqual:
      if (!track.state_equal) return std::nullopt;
      return *track.state_equal ? 1 : 0;
    case Measure::kStateBytes: {
      const auto bytes = track.state_bytes.find(scenario.decisions);
      if (bytes == track.state_bytes.end()) return std::nullopt;
      return bytes->second;
    }
    case Measure::kStateGrowth: {
      const auto before = track.state_bytes.find(bar.from);
      const auto after = track.state_bytes.find(scenario.decisions);
      if (before == track.state_bytes.end() || after == track.state_bytes.end()) return std::nullopt;
      return after->second / before->second - 1;
    }
    case Measure::kGroupAlarm:
      if (!track.group_alarm) return std::nullopt;
      return *track.group_alarm ? 1 : 0;
    case Measure::kRefused:
      return track.sent == 0 ? 0 : static_cast<double>(track.refused) / static_cast<double>(track.sent);
  }
  return std::nullopt;
}

AcceptanceResult Judge(const Acceptance& bar, const std::vector<double>& figures, bool measured) {
  AcceptanceResult result{.bar = bar};
  if (!measured || figures.empty()) return result;
  const double count = static_cast<double>(figures.size());
  double mean = 0;
  for (const double figure : figures) mean += figure / count;
  double squares = 0;
  for (const double figure : figures) squares += (figure - mean) * (figure - mean);
  result.figure = mean;
  if (figures.size() > 1) result.error = std::sqrt(squares / (count - 1) / count);
  const bool met = bar.at_least ? mean >= *bar.at_least : mean <= *bar.at_most;
  result.verdict = met ? Verdict::kMet : Verdict::kNotMet;
  return result;
}

}  // namespace

Result<ScenarioResult> Simulate(const Scenario& scenario, const std::string& starter_directory,
                                const TargetFactory& make_target, const SimulationProgress& progress) {
  if (Status valid = ValidateScenario(scenario); !valid.ok()) return valid.error();
  ScenarioResult result{.name = scenario.name,
                        .about = scenario.about,
                        .seed = scenario.seed,
                        .seeds = scenario.seeds,
                        .decisions = scenario.decisions};
  std::vector<std::vector<double>> figures(scenario.accept.size());
  std::vector<bool> measured(scenario.accept.size(), true);
  const double part = 1.0 / scenario.seeds;
  for (std::uint32_t s = 0; s < scenario.seeds; ++s) {
    const auto world = ScenarioWorld::Create(scenario, scenario.seed + s, starter_directory);
    if (!world.ok()) return world.error();
    const TargetSetup setup = world.value()->Setup();
    const auto target = make_target(setup);
    if (!target.ok()) return target.error();
    result.target = target.value()->name();
    SeedRun run(scenario, *world.value(), *target.value());
    const auto tell = [&](std::uint64_t i) {
      if (progress) progress(scenario.name, s * scenario.decisions + i, scenario.seeds * scenario.decisions);
    };
    if (Status played = run.Play(tell); !played.ok()) return played.error();
    const Track& track = run.track;
    const Window whole(*world.value(), track, 0, scenario.decisions);
    result.quality += part * whole.chosen;
    result.random += part * whole.random;
    result.best_single += part * whole.single;
    result.oracle += part * whole.oracle;
    result.cost_usd += part * whole.cost;
    result.shares.resize(setup.models.size());
    for (std::size_t m = 0; m < setup.models.size(); ++m) {
      result.shares[m].first = setup.models[m];
      result.shares[m].second += part * ShareOf(track, m, 0, scenario.decisions);
    }
    result.sent += track.sent;
    result.duplicates += track.duplicates;
    result.refused += track.refused;
    result.restarts += track.restarts;
    result.price_untold = result.price_untold || track.price_untold;
    for (std::size_t b = 0; b < scenario.accept.size(); ++b) {
      const auto figure = FigureOf(scenario.accept[b], scenario, *world.value(), track);
      if (figure) figures[b].push_back(*figure);
      measured[b] = measured[b] && figure.has_value();
    }
  }
  for (std::size_t b = 0; b < scenario.accept.size(); ++b) {
    result.acceptance.push_back(Judge(scenario.accept[b], figures[b], measured[b]));
  }
  return result;
}

std::string ToJson(const std::vector<ScenarioResult>& results) {
  using Json = nlohmann::ordered_json;
  Json scenarios = Json::array();
  std::array<std::uint64_t, 3> verdicts{};
  for (const ScenarioResult& result : results) {
    Json shares = Json::object();
    for (const auto& [model, share] : result.shares) shares[model] = share;
    Json lines = Json::array();
    for (const AcceptanceResult& one : result.acceptance) {
      ++verdicts[static_cast<std::size_t>(one.verdict)];
      Json line = {{"line", one.bar.line},
                   {"measure", kMeasureNames[static_cast<std::size_t>(one.bar.measure)]},
                   {"from", one.bar.from},
                   {"until", one.bar.until == 0 ? result.decisions : one.bar.until}};
      if (!one.bar.model.empty()) line["model"] = one.bar.model;
      line["figure"] = one.figure ? Json(*one.figure) : Json(nullptr);
      line["standard_error"] = one.error ? Json(*one.error) : Json(nullptr);
      line[one.bar.at_least ? "at_least" : "at_most"] = one.bar.at_least ? *one.bar.at_least : *one.bar.at_most;
      line["verdict"] = kVerdictNames[static_cast<std::size_t>(one.verdict)];
      lines.push_back(std::move(line));
    }
    scenarios.push_back({{"name", result.name},
                         {"about", result.about},
                         {"target", result.target},
                         {"seed", result.seed},
                         {"seeds", result.seeds},
                         {"decisions", result.decisions},
                         {"quality", result.quality},
                         {"random", result.random},
                         {"best_single", result.best_single},
                         {"oracle", result.oracle},
                         {"cost_usd", result.cost_usd},
                         {"shares", std::move(shares)},
                         {"reports", result.sent},
                         {"duplicates", result.duplicates},
                         {"refused", result.refused},
                         {"restarts", result.restarts},
                         {"price_untold", result.price_untold},
                         {"acceptance", std::move(lines)}});
  }
  const Json all = {{"scenarios", std::move(scenarios)},
                    {"met", verdicts[0]},
                    {"not_met", verdicts[1]},
                    {"not_measured", verdicts[2]}};
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace pointsman::eval
