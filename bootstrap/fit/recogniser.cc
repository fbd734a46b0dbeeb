#include "bootstrap/fit/recogniser.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/cells.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kHoldOutEvery = 10;
constexpr std::size_t kHoldOutFrom = 50;  // with fewer rows nothing is held out

// out = W x + b.
void Logits(const Recogniser& model, std::span<const float> x, std::vector<double>& out) {
  out.resize(model.tasks);
  for (std::size_t t = 0; t < model.tasks; ++t) {
    const float* w = model.weights.data() + t * model.dimension;
    // Eight partial sums, which the compiler keeps in vector registers.
    std::array<float, 8> partial{};
    std::size_t j = 0;
    for (; j + 8 <= model.dimension; j += 8) {
      for (std::size_t lane = 0; lane < 8; ++lane) partial[lane] += w[j + lane] * x[j + lane];
    }
    float sum = model.bias[t];
    for (; j < model.dimension; ++j) sum += w[j] * x[j];
    for (const float part : partial) sum += part;
    out[t] = static_cast<double>(sum);
  }
}

void Softmax(std::vector<double>& values, double scale) {
  double top = -std::numeric_limits<double>::infinity();
  for (const double value : values) top = std::max(top, value);
  double total = 0;
  for (double& value : values) total += value = std::exp(scale * (value - top));
  for (double& value : values) value /= total;
}

double MeanLoss(const Recogniser& model, const Rows& rows, std::span<const std::uint32_t> task,
                std::span<const std::size_t> use, double scale) {
  double loss = 0;
  std::vector<double> p;
  for (const std::size_t i : use) {
    Logits(model, rows.row(i), p);
    Softmax(p, scale);
    loss -= std::log(std::max(p[task[i]], 1e-12));
  }
  return loss / static_cast<double>(use.size());
}

// Adam's two moments over weights and biases as one vector.
class Adam {
 public:
  Adam(std::size_t size, double rate) : rate_(static_cast<float>(rate)), first_(size, 0), second_(size, 0) {}
  void Step(std::span<float> parameters, std::span<const float> gradient) {
    constexpr float kFirst = 0.9F;
    constexpr float kSecond = 0.999F;
    first_power_ *= kFirst;
    second_power_ *= kSecond;
    const float rate = rate_ * std::sqrt(1 - second_power_) / (1 - first_power_);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      first_[i] = kFirst * first_[i] + (1 - kFirst) * gradient[i];
      second_[i] = kSecond * second_[i] + (1 - kSecond) * gradient[i] * gradient[i];
      parameters[i] -= rate * first_[i] / (std::sqrt(second_[i]) + 1e-8F);
    }
  }

 private:
  const float rate_;
  std::vector<float> first_;
  std::vector<float> second_;
  float first_power_ = 1;
  float second_power_ = 1;
};

struct Split {
  std::vector<std::size_t> train;
  std::vector<std::size_t> held_out;
};

Split SplitRows(std::span<const std::uint32_t> task, std::span<const std::size_t> use, SplitMix64& random) {
  std::vector<std::size_t> usable;
  for (const std::size_t i : use) {
    if (task[i] != kNoGroup) usable.push_back(i);
  }
  Shuffle(usable, random);
  Split split;
  for (std::size_t rank = 0; rank < usable.size(); ++rank) {
    const bool held = usable.size() >= kHoldOutFrom && rank % kHoldOutEvery == 0;
    (held ? split.held_out : split.train).push_back(usable[rank]);
  }
  return split;
}

void AddGradient(const Recogniser& model, std::span<const float> x, std::uint32_t target, float share,
                 std::vector<double>& p, std::span<float> gradient) {
  Logits(model, x, p);
  Softmax(p, 1);
  for (std::size_t t = 0; t < model.tasks; ++t) {
    const float error = share * static_cast<float>(p[t] - (t == target ? 1.0 : 0.0));
    float* row = gradient.data() + t * model.dimension;
    for (std::size_t j = 0; j < model.dimension; ++j) row[j] += error * x[j];
    gradient[model.tasks * model.dimension + t] += error;
  }
}

// One pass over the shuffled training rows.
void Epoch(Recogniser& model, std::vector<float>& parameters, Adam& adam, const Rows& rows,
           std::span<const std::uint32_t> task, std::span<const std::size_t> train, const RecogniserOptions& options) {
  std::vector<float> gradient(parameters.size());
  std::vector<double> p;
  const std::size_t weight_count = model.weights.size();
  for (std::size_t begin = 0; begin < train.size(); begin += options.batch) {
    const std::size_t end = std::min(begin + options.batch, train.size());
    const float share = 1.0F / static_cast<float>(end - begin);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      gradient[i] = i < weight_count ? static_cast<float>(options.l2) * parameters[i] : 0;
    }
    for (std::size_t at = begin; at < end; ++at) {
      AddGradient(model, rows.row(train[at]), task[train[at]], share, p, gradient);
    }
    adam.Step(parameters, gradient);
    std::copy_n(parameters.begin(), weight_count, model.weights.begin());
    std::copy(parameters.begin() + static_cast<std::ptrdiff_t>(weight_count), parameters.end(), model.bias.begin());
  }
}

void FoldTemperature(Recogniser& model, const Rows& rows, std::span<const std::uint32_t> task,
                     std::span<const std::size_t> held_out) {
  if (held_out.empty()) return;
  double best_scale = 1;
  double best_loss = std::numeric_limits<double>::infinity();
  for (const double scale : {0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 2.0}) {
    const double loss = MeanLoss(model, rows, task, held_out, scale);
    if (loss < best_loss) {
      best_loss = loss;
      best_scale = scale;
    }
  }
  for (float& weight : model.weights) weight *= static_cast<float>(best_scale);
  for (float& bias : model.bias) bias *= static_cast<float>(best_scale);
}

}  // namespace

std::vector<double> Recogniser::Probabilities(std::span<const float> embedding) const {
  std::vector<double> p;
  Logits(*this, embedding, p);
  Softmax(p, 1);
  return p;
}

Recogniser FitRecogniser(const Rows& rows, std::span<const std::uint32_t> task, std::size_t tasks,
                         std::span<const std::size_t> use, const RecogniserOptions& options) {
  REQUIRE(tasks >= 2 && task.size() == rows.count(), "tasks and rows");
  std::vector<std::size_t> all;
  if (use.empty()) {
    all.resize(rows.count());
    std::iota(all.begin(), all.end(), 0);
    use = all;
  }
  SplitMix64 random(options.seed);
  Split split = SplitRows(task, use, random);
  REQUIRE(!split.train.empty(), "at least one row with a task");
  Recogniser model{tasks, rows.dimension, std::vector<float>(tasks * rows.dimension, 0), std::vector<float>(tasks, 0)};
  Recogniser best = model;
  std::vector<float> parameters(tasks * (rows.dimension + 1), 0);
  Adam adam(parameters.size(), options.rate);
  double best_loss = std::numeric_limits<double>::infinity();
  int worse = 0;
  for (int epoch = 0; epoch < options.epochs_max && worse < options.patience; ++epoch) {
    Shuffle(split.train, random);
    Epoch(model, parameters, adam, rows, task, split.train, options);
    const double loss = MeanLoss(model, rows, task, split.held_out.empty() ? split.train : split.held_out, 1);
    worse = loss < best_loss ? 0 : worse + 1;
    if (loss < best_loss) {
      best_loss = loss;
      best = model;
    }
  }
  FoldTemperature(best, rows, task, split.held_out);
  return best;
}

}  // namespace pointsman::bootstrap
