#include "eval/trouter_protocol.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/unit_draw.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/fit/ridge.h"
#include "bootstrap/fit/trouter_network.h"
#include "bootstrap/job/bundle_builder.h"
#include "embed/embedder.h"
#include "eval/table_world.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::eval {
namespace {

using nlohmann::json;

constexpr std::array<double, 3> kQualityWeights = {0.2, 0.5, 0.8};
constexpr std::array<const char*, 3> kWeightNames = {"cost_first", "balanced", "perf_first"};
constexpr std::array<const char*, 7> kArms = {"trouter", "types", "direct", "size_rule", "knn", "random", "oracle"};
constexpr std::size_t kNeighbours = 40;
constexpr std::size_t kFolds = 5;
constexpr std::array<double, 5> kRidges = {1, 3, 10, 30, 100};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Error Unusable(const std::string& reason, const std::string& what) {
  return MakeError(Code::kInvalidArgument, reason, what);
}

// Raw cost of every (row, model): the table's, or size times length.
struct Costs {
  std::vector<double> size;   // of the models; all NaN unless every name states one
  std::vector<double> price;  // of the models, US dollars per million tokens; or empty
  bool from_table = true;
  const char* Source() const { return !price.empty() ? "prices" : from_table ? "table" : "size"; }
  double At(const bootstrap::TableRow& row, std::size_t model) const {
    constexpr double kTokensPerCharacter = 0.25;
    if (!price.empty()) return price[model] * kTokensPerCharacter * 1e-6 * static_cast<double>(row.query.size());
    if (from_table) return row.models[model].cost_usd;
    return size[model] * static_cast<double>(row.query.size());
  }
};

Result<std::vector<double>> ReadPrices(const TableWorld& world, const std::vector<std::string>& entries) {
  std::vector<double> prices(entries.empty() ? 0 : world.models().size(), kNan);
  for (const std::string& entry : entries) {
    const std::size_t split = entry.rfind('=');
    const std::string name = entry.substr(0, split);
    const auto at = std::find(world.models().begin(), world.models().end(), name);
    char* end = nullptr;
    const double usd = split == std::string::npos ? kNan : std::strtod(entry.c_str() + split + 1, &end);
    if (at == world.models().end() || !(usd >= 0) || !std::isfinite(usd) || end == nullptr || *end != '\0') {
      return Unusable("price_not_valid", "\"" + entry + "\" is no price; write MODEL=USD with a model of the table and "
                                         "US dollars per million tokens");
    }
    prices[static_cast<std::size_t>(at - world.models().begin())] = usd;
  }
  for (std::size_t m = 0; m < prices.size(); ++m) {
    if (!std::isnan(prices[m])) continue;
    return Unusable("price_missing", "no price for " + world.models()[m] + "; prices are given for all models or none");
  }
  return prices;
}

Result<Costs> FindCosts(const TableWorld& world, const std::vector<std::string>& entries) {
  Costs costs;
  auto prices = ReadPrices(world, entries);
  if (!prices.ok()) return prices.error();
  costs.price = std::move(prices).value();
  std::string nameless;
  for (const std::string& model : world.models()) {
    costs.size.push_back(SizeInName(model));
    if (std::isnan(costs.size.back()) && nameless.empty()) nameless = model;
  }
  for (const std::size_t row : world.usable_rows()) {
    for (std::size_t m = 0; m < world.models().size() && costs.from_table && costs.price.empty(); ++m) {
      if (std::isfinite(world.Cost(row, m)) && world.Cost(row, m) >= 0) continue;
      if (!nameless.empty()) {
        return Unusable("price_missing", "row " + world.table().rows[row].id + " has no cost for " + world.models()[m] +
                                             ", and the name of " + nameless +
                                             " states no size to stand for its price; add the field \"cost\"");
      }
      costs.from_table = false;
    }
  }
  if (!nameless.empty()) costs.size.assign(costs.size.size(), kNan);
  return costs;
}

struct Sums {
  std::array<double, 3> utility{};
  double top1 = 0;
};

// Predicted quality and normalised cost of every model.
struct Forecast {
  std::vector<double> quality;
  std::vector<double> cost;
};

class SeedRun {
 public:
  SeedRun(const TableWorld& world, const Costs& costs, const TrouterOptions& options, std::uint64_t seed)
      : world_(world), costs_(costs), options_(options), seed_(seed), models_(world.models().size()) {}

  Result<std::map<std::string, Sums>> Run() {
    if (auto status = SplitRows(); !status.ok()) return status.error();
    Normalise();
    if (auto status = Learn(); !status.ok()) return status.error();
    std::map<std::string, Sums> sums;
    SplitMix64 random(seed_);
    for (const std::size_t row : split_.stream) Judge(row, random, sums);
    const auto count = static_cast<double>(split_.stream.size());
    for (auto& [name, sum] : sums) {
      for (double& utility : sum.utility) utility /= count;
      sum.top1 /= count;
    }
    return sums;
  }
  const Split& split() const { return split_; }

 private:
  Status SplitRows() {
    const auto usable = static_cast<double>(world_.usable_rows().size());
    if (!options_.unseen_tasks) {
      auto split = SplitWorld(world_, seed_, static_cast<std::size_t>(std::max(usable * options_.train, 2.0)));
      if (!split.ok()) return split.error();
      split_ = std::move(split).value();
      return {};
    }
    std::set<std::string> found;
    for (const std::size_t row : world_.usable_rows()) found.insert(world_.table().rows[row].task);
    std::vector<std::string> tasks(found.begin(), found.end());
    if (tasks.size() < 2) {
      return MakeError(
          Code::kFailedPrecondition, "too_few_tasks",
          "a cold start needs at least 2 tasks to keep some unseen; the table has " + std::to_string(tasks.size()));
    }
    SplitMix64 random(seed_);
    Shuffle(tasks, random);
    const auto wanted = static_cast<std::size_t>(std::lround(static_cast<double>(tasks.size()) * options_.train));
    tasks.resize(std::clamp<std::size_t>(wanted, 1, tasks.size() - 1));
    const std::set<std::string> seen(tasks.begin(), tasks.end());
    for (const std::size_t row : world_.usable_rows()) {
      (seen.contains(world_.table().rows[row].task) ? split_.bootstrap : split_.stream).push_back(row);
    }
    return {};
  }

  void Normalise() {
    for (const std::size_t row : split_.bootstrap) {
      for (std::size_t m = 0; m < models_; ++m) {
        const double cost = costs_.At(world_.table().rows[row], m);
        for (const std::string& key : {std::string("\n"), world_.table().rows[row].task}) {
          auto [at, is_new] = extremes_.try_emplace(key, cost, cost);
          at->second.first = std::min(at->second.first, cost);
          at->second.second = std::max(at->second.second, cost);
        }
      }
    }
  }

  double Cost(std::size_t row, std::size_t model) const {
    auto at = extremes_.find(world_.table().rows[row].task);
    if (at == extremes_.end()) at = extremes_.find("\n");  // no task is named so
    const auto [low, high] = at->second;
    if (!(high > low)) return 0;
    return std::clamp((costs_.At(world_.table().rows[row], model) - low) / (high - low), 0.0, 1.0);
  }

  Status Learn() {
    bootstrap::BuildOptions build;
    build.labels = bootstrap::Labels::kScores;
    build.task_types = options_.task_types;
    if (options_.recogniser == TaskRecognition::kDual) build.recogniser = bootstrap::TaskRecogniser::kDual;
    build.latent_types = options_.latent_types;
    build.seed = seed_;
    build.anchors_max = 1;
    build.rows = split_.bootstrap;
    auto quality = bootstrap::BuildBundle(world_.table(), build);
    if (!quality.ok()) return quality.error();
    quality_ = std::move(quality).value();
    // The same machinery learns cost: it stands where the score stood.
    bootstrap::Table priced = world_.table();
    for (const std::size_t row : split_.bootstrap) {
      for (std::size_t m = 0; m < models_; ++m) priced.rows[row].models[m].score = Cost(row, m);
    }
    build.keep_embedder_of = &quality_;
    auto cost = bootstrap::BuildBundle(priced, build);
    if (!cost.ok()) return cost.error();
    cost_ = std::move(cost).value();
    auto embedder = embed::EmbedderFor(quality_);
    if (!embedder.ok()) return embedder.error();
    embedder_ = *embedder;
    LearnDirect();
    return options_.recogniser == TaskRecognition::kPublished ? LearnPublished() : Status{};
  }

  // The network of the paper takes the place of recogniser and tables; the shares stay.
  Status LearnPublished() {
    const std::size_t tasks = quality_.task_names.size();
    if (tasks < 2) return Unusable("published_needs_tasks", "the published recogniser needs at least 2 task names");
    std::vector<std::uint32_t> task;
    std::vector<float> texts;
    for (const std::size_t row : split_.bootstrap) {
      if (Embed(row).empty()) continue;
      const auto& names = quality_.task_names;
      const auto at = std::find(names.begin(), names.end(), world_.table().rows[row].task);
      task.push_back(at == names.end() ? bootstrap::kNoGroup : static_cast<std::uint32_t>(at - names.begin()));
    }
    for (std::size_t t = 0; t < tasks; ++t) {
      auto text = embedder_->Embed(quality_.task_names[t]);
      std::vector<float> vector = text.ok() ? std::move(text).value() : std::vector<float>();
      // A name without a known word: the middle of its queries describes it.
      if (vector.empty()) vector = Middle(task, static_cast<std::uint32_t>(t));
      texts.insert(texts.end(), vector.begin(), vector.end());
    }
    bootstrap::TrouterTraining training;
    training.seed = seed_;
    const bootstrap::TrouterRows rows{bootstrap::Rows(vectors_, quality_.dimension()), task, {&scores_, &prices_}};
    auto fit = bootstrap::FitTrouterNetwork(rows, tasks, bootstrap::Rows(texts, quality_.dimension()), training);
    if (!fit.ok()) return fit.error();
    quality_.task_quality = fit->serving.Table(0);
    cost_.task_quality = fit->serving.Table(1);
    published_.emplace(std::move(fit->serving));
    return {};
  }

  std::vector<float> Middle(const std::vector<std::uint32_t>& task, std::uint32_t of) const {
    const bootstrap::Rows rows(vectors_, quality_.dimension());
    std::vector<float> middle(quality_.dimension(), 0);
    for (std::size_t i = 0; i < task.size(); ++i) {
      for (std::size_t j = 0; j < middle.size() && task[i] == of; ++j) middle[j] += rows.row(i)[j];
    }
    bootstrap::Normalise(middle);
    return middle;
  }

  policy::TaskProbabilities Tasks(const policy::Bundle& bundle, std::span<const float> q) {
    if (!published_ || q.empty()) return policy::RecogniseTasks(bundle, q);
    const std::vector<double> p = published_->Probabilities(q);
    std::vector<std::uint32_t> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    const std::size_t kept = std::min(p.size(), policy::TaskProbabilities::capacity());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      [&](std::uint32_t a, std::uint32_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
    policy::TaskProbabilities tasks;
    double total = 0;
    for (std::size_t k = 0; k < kept; ++k) total += p[order[k]];
    for (std::size_t k = 0; k < kept; ++k) tasks.push_back({order[k], p[order[k]] / total});
    return tasks;
  }

  void LearnDirect() {
    for (const std::size_t row : split_.bootstrap) {
      const std::vector<float> q = Embed(row);
      if (q.empty()) continue;
      vectors_.insert(vectors_.end(), q.begin(), q.end());
      for (std::size_t m = 0; m < models_; ++m) {
        scores_.value.push_back(world_.Score(row, m));
        prices_.value.push_back(Cost(row, m));
      }
      fold_.push_back(static_cast<std::uint32_t>(fold_.size() % kFolds));
    }
    scores_.items = prices_.items = fold_.size();
    scores_.models = prices_.models = models_;
    direct_quality_ = BestRidge(scores_);
    direct_cost_ = BestRidge(prices_);
  }

  // With the ridge of least squared error over five folds.
  bootstrap::RidgeHead BestRidge(const bootstrap::Scores& target) const {
    const bootstrap::Rows rows(vectors_, quality_.dimension());
    const bootstrap::RidgeMoments moments(rows, target, fold_, kFolds);
    double best = kRidges[0];
    double least = std::numeric_limits<double>::infinity();
    for (const double ridge : kRidges) {
      double error = 0;
      for (std::size_t f = 0; f < kFolds; ++f) {
        const bootstrap::RidgeHead head = moments.Fit(ridge, f);
        for (std::size_t i = f; i < target.items; i += kFolds) {
          for (std::size_t m = 0; m < models_; ++m) {
            const double gap = head.At(rows.row(i), m) - target.at(i, m);
            error += gap * gap;
          }
        }
      }
      if (error < least) {
        least = error;
        best = ridge;
      }
    }
    return moments.Fit(best, kFolds);
  }

  // Empty for a text without words.
  std::vector<float> Embed(std::size_t row) const {
    auto vector = embedder_->Embed(world_.table().rows[row].query);
    return vector.ok() ? std::move(vector).value() : std::vector<float>();
  }

  std::vector<double> Prior(const policy::Bundle& bundle, std::span<const float> q, bool types_only) {
    const auto clusters = policy::FindMembership(bundle, q).clusters;
    const auto tasks = Tasks(bundle, q);
    std::vector<double> prior;
    for (std::size_t m = 0; m < models_; ++m) {
      if (!types_only) {
        prior.push_back(
            policy::PriorQuality(bundle, static_cast<int>(m), clusters, tasks, policy::ProjectHead(bundle, q)));
        continue;
      }
      double sum = 0;
      for (const auto& entry : tasks) sum += entry.probability * bundle.task_quality[entry.task * models_ + m];
      if (tasks.empty()) {
        for (const auto& entry : clusters) sum += entry.weight * bundle.skill(entry.cluster.value, m);
      }
      prior.push_back(sum);
    }
    return prior;
  }

  Forecast Direct(std::span<const float> q) const {
    Forecast forecast;
    const std::vector<float> nowhere(quality_.dimension(), 0);
    for (std::size_t m = 0; m < models_; ++m) {
      forecast.quality.push_back(direct_quality_.At(q.empty() ? std::span<const float>(nowhere) : q, m));
      forecast.cost.push_back(direct_cost_.At(q.empty() ? std::span<const float>(nowhere) : q, m));
    }
    return forecast;
  }

  Forecast Nearest(std::span<const float> q) const {
    std::vector<std::pair<float, std::size_t>> near;
    for (std::size_t i = 0; i < scores_.items; ++i) {
      const float* row = vectors_.data() + i * quality_.dimension();
      near.emplace_back(-std::inner_product(q.begin(), q.end(), row, 0.0F), i);
    }
    const std::size_t count = std::min(kNeighbours, near.size());
    std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end());
    Forecast forecast{std::vector<double>(models_, 0), std::vector<double>(models_, 0)};
    for (std::size_t n = 0; n < count; ++n) {
      for (std::size_t m = 0; m < models_; ++m) {
        forecast.quality[m] += scores_.at(near[n].second, m) / static_cast<double>(count);
        forecast.cost[m] += prices_.at(near[n].second, m) / static_cast<double>(count);
      }
    }
    return forecast;
  }

  static std::size_t Best(const Forecast& forecast, double weight) {
    std::size_t best = 0;
    double top = -std::numeric_limits<double>::infinity();
    for (std::size_t m = 0; m < forecast.quality.size(); ++m) {
      const double utility = weight * forecast.quality[m] - (1 - weight) * forecast.cost[m];
      if (utility > top) {
        top = utility;
        best = m;
      }
    }
    return best;
  }

  // Smallest to largest; by mean training cost where sizes are missing.
  std::vector<std::size_t> BySize() const {
    std::vector<double> key = costs_.size;
    if (std::isnan(key[0])) {
      key.assign(models_, 0);
      for (const std::size_t row : split_.bootstrap) {
        for (std::size_t m = 0; m < models_; ++m) key[m] += costs_.At(world_.table().rows[row], m);
      }
    }
    std::vector<std::size_t> order(models_);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key[a] < key[b]; });
    return order;
  }

  void Judge(std::size_t row, SplitMix64& random, std::map<std::string, Sums>& sums) {
    if (by_size_.empty()) by_size_ = BySize();
    const std::vector<float> q = Embed(row);
    std::map<std::string, Forecast> forecasts;
    forecasts["trouter"] = {Prior(quality_, q, false), Prior(cost_, q, false)};
    forecasts["types"] = {Prior(quality_, q, true), Prior(cost_, q, true)};
    forecasts["direct"] = Direct(q);
    forecasts["knn"] = Nearest(q);
    Forecast truth;
    for (std::size_t m = 0; m < models_; ++m) {
      truth.quality.push_back(world_.Score(row, m));
      truth.cost.push_back(Cost(row, m));
    }
    forecasts["oracle"] = truth;
    const std::size_t drawn = random.Below(models_);
    for (const char* name : kArms) {
      const auto choose = [&](double weight) {
        if (const auto at = forecasts.find(name); at != forecasts.end()) return Best(at->second, weight);
        if (std::string_view(name) == "random") return drawn;
        return by_size_[static_cast<std::size_t>(std::lround(weight * static_cast<double>(models_ - 1)))];
      };
      Sums& sum = sums[name];
      for (std::size_t w = 0; w < kQualityWeights.size(); ++w) {
        const std::size_t m = choose(kQualityWeights[w]);
        sum.utility[w] += kQualityWeights[w] * truth.quality[m] - (1 - kQualityWeights[w]) * truth.cost[m];
      }
      sum.top1 += truth.quality[choose(1)];
    }
  }

  const TableWorld& world_;
  const Costs& costs_;
  const TrouterOptions& options_;
  const std::uint64_t seed_;
  const std::size_t models_;
  Split split_;
  std::map<std::string, std::pair<double, double>> extremes_;  // by task; "\n": all
  policy::Bundle quality_;
  policy::Bundle cost_;
  std::shared_ptr<const embed::Embedder> embedder_;
  std::vector<float> vectors_;
  bootstrap::Scores scores_;
  bootstrap::Scores prices_;
  std::vector<std::uint32_t> fold_;
  bootstrap::RidgeHead direct_quality_;
  bootstrap::RidgeHead direct_cost_;
  std::vector<std::size_t> by_size_;
  std::optional<bootstrap::TrouterServing<float>> published_;
};

TrouterFigure Summary(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {mean, kNan};
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

double Total(const Sums& sums) { return sums.utility[0] + sums.utility[1] + sums.utility[2]; }

TrouterArm Summarise(const std::string& name, const std::vector<std::map<std::string, Sums>>& seeds) {
  TrouterArm arm;
  arm.name = name;
  const auto over = [&](auto value) {
    std::vector<double> values;
    for (const auto& seed : seeds) values.push_back(value(seed));
    return Summary(values);
  };
  for (std::size_t w = 0; w < arm.utility.size(); ++w) {
    arm.utility[w] = over([&](const auto& seed) { return seed.at(name).utility[w]; });
  }
  arm.utility_sum = over([&](const auto& seed) { return Total(seed.at(name)); });
  arm.top1 = over([&](const auto& seed) { return seed.at(name).top1; });
  arm.lead = over([&](const auto& seed) { return Total(seed.at("trouter")) - Total(seed.at(name)); });
  return arm;
}

json Number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
json Object(const TrouterFigure& figure) { return {{"mean", Number(figure.mean)}, {"se", Number(figure.se)}}; }

json Object(const TrouterArm& arm) {
  json out = {{"utility_sum", Object(arm.utility_sum)}, {"top1", Object(arm.top1)}};
  for (std::size_t w = 0; w < arm.utility.size(); ++w) out[kWeightNames[w]] = Object(arm.utility[w]);
  return out;
}

const char* NameOf(TaskRecognition recogniser) {
  if (recogniser == TaskRecognition::kPublished) return "published";
  return recogniser == TaskRecognition::kDual ? "dual" : "linear";
}

}  // namespace

double SizeInName(std::string_view name) {
  const auto digit = [&](std::size_t at) {
    return at < name.size() && std::isdigit(static_cast<unsigned char>(name[at])) != 0;
  };
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (!digit(at) || (at > 0 && (digit(at - 1) || name[at - 1] == '.'))) continue;
    std::size_t end = at;
    double product = 1;
    while (digit(end)) {
      double value = 0;
      for (; digit(end); ++end) value = value * 10 + (name[end] - '0');
      if (end < name.size() && name[end] == '.' && digit(end + 1)) {
        double place = 0.1;
        for (++end; digit(end); ++end, place /= 10) value += place * (name[end] - '0');
      }
      product *= value;
      if (end < name.size() && (name[end] == 'x' || name[end] == 'X') && digit(end + 1)) ++end;
    }
    const bool billions = end < name.size() && (name[end] == 'b' || name[end] == 'B');
    const bool ends = end + 1 >= name.size() || std::isalnum(static_cast<unsigned char>(name[end + 1])) == 0;
    if (billions && ends && product > 0 && product < 1e6) return product;
  }
  return kNan;
}

Result<TrouterReport> RunTrouter(const bootstrap::Table& table, const TrouterOptions& options, const Clock& clock,
                                 const TrouterProgress& progress) {
  if (!(options.train > 0 && options.train < 1) || options.seeds < 1 || options.seeds > 1000) {
    return MakeError(Code::kOutOfRange, "trouter_options",
                     "the training share lies between 0 and 1 and there are 1 to 1000 seeds");
  }
  const auto world = TableWorld::Create(table, "");
  if (!world.ok()) return world.error();
  if (world->models().size() < 2) {
    return Unusable("too_few_models", "a choice needs at least 2 models; the table has 1");
  }
  const auto costs = FindCosts(*world, options.prices);
  if (!costs.ok()) return costs.error();
  const std::int64_t began = clock.MonotonicNanos();
  TrouterReport report;
  report.table = table.name;
  report.costs = costs->Source();
  std::vector<std::map<std::string, Sums>> seeds;
  for (std::uint32_t s = 0; s < options.seeds; ++s) {
    if (progress) progress("seeds", s, options.seeds);
    SeedRun run(*world, *costs, options, options.first_seed + s);
    auto sums = run.Run();
    if (!sums.ok()) return sums.error();
    seeds.push_back(std::move(sums).value());
    if (s > 0) continue;
    report.train_rows = run.split().bootstrap.size();
    report.test_rows = run.split().stream.size();
  }
  for (const char* name : kArms) report.arms.push_back(Summarise(name, seeds));
  report.seconds = static_cast<double>(clock.MonotonicNanos() - began) / 1e9;
  return report;
}

std::string ToJson(const TrouterReport& report, const TrouterOptions& options) {
  json out = Object(report.arms.at(0));
  out["protocol"] = "trouter";
  out["table"] = report.table;
  out["costs"] = report.costs;
  out["seeds"] = options.seeds;
  out["task_types"] = options.task_types;
  out["latent_types"] = options.latent_types;
  out["recogniser"] = NameOf(options.recogniser);
  out["unseen_tasks"] = options.unseen_tasks;
  out["train_rows"] = report.train_rows;
  out["test_rows"] = report.test_rows;
  out["seconds"] = report.seconds;
  for (std::size_t a = 1; a < report.arms.size(); ++a) {
    json arm = Object(report.arms[a]);
    arm["lead"] = Object(report.arms[a].lead);
    out["baselines"][report.arms[a].name] = arm;
  }
  return out.dump();
}

std::string ToTable(const TrouterReport& report) {
  std::string out =
      report.table + ": " + std::to_string(report.train_rows) + " rows to train, " + std::to_string(report.test_rows) +
      " to test; costs from the " + (report.costs == "size" ? "models' sizes" : report.costs) +
      "\n\n            utility sum       cost first  balanced  perf first       top-1   lead of trouter\n";
  for (const TrouterArm& arm : report.arms) {
    std::array<char, 128> line{};
    std::snprintf(line.data(), line.size(), "%-10s %.4f +- %.4f %10.4f %9.4f %11.4f %11.4f   %+.4f +- %.4f\n",
                  arm.name.c_str(), arm.utility_sum.mean, arm.utility_sum.se, arm.utility[0].mean, arm.utility[1].mean,
                  arm.utility[2].mean, arm.top1.mean, arm.lead.mean, arm.lead.se);
    out += line.data();
  }
  return out;
}

}  // namespace pointsman::eval
