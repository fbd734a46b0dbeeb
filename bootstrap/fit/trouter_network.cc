#include "bootstrap/fit/trouter_network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/parallel.h"

namespace pointsman::bootstrap {
namespace {

// Distinct seeds of the dropout of one batch: heads from 1 on, queries far beyond.
std::uint64_t DropSeed(std::uint64_t batch, std::uint64_t part) { return batch * 0x9E3779B97F4A7C15ULL + part; }
constexpr std::uint64_t kQueries = 1U << 20;

template <typename Real>
Real Sigmoid(Real x) {
  return 1 / (1 + std::exp(-x));
}

}  // namespace

template <typename Real>
TrouterNetwork<Real>::TrouterNetwork(const TrouterShape& shape, Rows texts, const TrouterKernels<Real>& kernels)
    : shape_(shape), kernels_(&kernels), shards_(kShards) {
  REQUIRE(shape.tasks >= 2 && shape.models > 0 && shape.metrics > 0 && shape.metrics <= known_.size(), "a shape");
  REQUIRE(shape.drop >= 0 && shape.drop <= 0.5 && shape.temperature > 0, "dropout and temperature");
  REQUIRE(texts.count() == shape.tasks && texts.dimension == shape.dimension, "a text for every task type");
  for (const float value : texts.values) texts_.push_back(static_cast<Real>(value));
  const std::size_t d = shape.dimension;
  const std::size_t h = shape.hidden;
  std::size_t at = 0;
  const auto take = [&at](std::size_t count) { return std::exchange(at, at + count); };
  for (TrouterAdapter* adapter : {&query_adapter_, &task_adapter_}) {
    *adapter = {take(h * d), take(h), take(d * h), take(d)};
  }
  scorer_ = {take(h * d), take(h * d), take(h), take(h * h), take(h), take(h), take(1)};
  for (std::size_t i = 0; i < shape.metrics * shape.models; ++i) {
    heads_.push_back({take(h * d), 0, take(h), take(h * h), take(h), take(h), take(1)});
  }
  ENSURE(at == shape.Parameters(), "all parameters have a place");
  parameters_.assign(at, 0);
}

template <typename Real>
void TrouterNetwork<Real>::Initialise(std::uint64_t seed) {
  SplitMix64 random(seed);
  const auto fill = [&](std::size_t at, std::size_t count, std::size_t inputs) {
    const double bound = 1 / std::sqrt(static_cast<double>(inputs));
    for (std::size_t i = 0; i < count; ++i) parameters_[at + i] = static_cast<Real>(bound * (2 * random.Unit() - 1));
  };
  const std::size_t d = shape_.dimension;
  const std::size_t h = shape_.hidden;
  for (const TrouterAdapter& adapter : {query_adapter_, task_adapter_}) {
    fill(adapter.w1, h * d + h, d);
    fill(adapter.w2, d * h + d, h);
  }
  fill(scorer_.w1, 2 * h * d + h, 2 * d);
  fill(scorer_.w2, h * h + h + h + 1, h);
  for (const TrouterMlp& head : heads_) {
    fill(head.w1, h * d + h, d);
    fill(head.w2, h * h + h + h + 1, h);
  }
}

template <typename Real>
void TrouterNetwork<Real>::Dense(std::size_t rows, const Real* in, std::size_t inputs, std::size_t weights,
                                 std::size_t bias, std::size_t outputs, Real* out) const {
  kernels_->product(false, true, rows, outputs, inputs, in, parameters_.data() + weights, false, out);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < outputs; ++j) out[i * outputs + j] += parameters_[bias + j];
  }
}

// by_in may be null; bias npos: without one.
template <typename Real>
void TrouterNetwork<Real>::DenseBack(std::size_t rows, const Real* in, std::size_t inputs, std::size_t weights,
                                     std::size_t bias, std::size_t outputs, const Real* by_out, Real* by_in,
                                     bool add_in, Real* gradient) const {
  kernels_->product(true, false, outputs, inputs, rows, by_out, in, true, gradient + weights);
  if (bias != static_cast<std::size_t>(-1)) {
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < outputs; ++j) gradient[bias + j] += by_out[i * outputs + j];
    }
  }
  if (by_in != nullptr) {
    kernels_->product(false, false, rows, inputs, outputs, by_out, parameters_.data() + weights, add_in, by_in);
  }
}

template <typename Real>
void TrouterNetwork<Real>::Adapt(const TrouterAdapter& at, std::size_t rows, const Real* in, std::vector<Real>& hidden,
                                 std::vector<Real>& out) const {
  hidden.resize(rows * shape_.hidden);
  out.resize(rows * shape_.dimension);
  kernels_->product(false, true, rows, shape_.hidden, shape_.dimension, in, parameters_.data() + at.w1, false,
                    hidden.data());
  kernels_->hidden(rows, shape_.hidden, hidden.data(), parameters_.data() + at.b1, 0, 0, hidden.data());
  Dense(rows, hidden.data(), shape_.hidden, at.w2, at.b2, shape_.dimension, out.data());
}

template <typename Real>
void TrouterNetwork<Real>::AdaptBack(const TrouterAdapter& at, std::size_t rows, const Real* in,
                                     const std::vector<Real>& hidden, const std::vector<Real>& by_out,
                                     std::span<Real> gradient) const {
  std::vector<Real> by_hidden(hidden.size());
  DenseBack(rows, hidden.data(), shape_.hidden, at.w2, at.b2, shape_.dimension, by_out.data(), by_hidden.data(), false,
            gradient.data());
  kernels_->hidden_back(rows, shape_.hidden, hidden.data(), 0, by_hidden.data(), gradient.data() + at.b1, nullptr);
  DenseBack(rows, in, shape_.dimension, at.w1, static_cast<std::size_t>(-1), shape_.hidden, by_hidden.data(), nullptr,
            false, gradient.data());
}

template <typename Real>
void TrouterNetwork<Real>::ForwardTasks(std::uint64_t drop_seed, std::size_t threads) {
  const std::size_t tasks = shape_.tasks;
  const std::size_t h = shape_.hidden;
  const double drop = drop_seed == 0 ? 0 : shape_.drop;
  Adapt(task_adapter_, tasks, texts_.data(), task_hidden_, task_);
  task_side_.resize(tasks * h);
  kernels_->product(false, true, tasks, h, shape_.dimension, task_.data(), parameters_.data() + scorer_.wt, false,
                    task_side_.data());
  head_first_.resize(heads_.size());
  head_second_.resize(heads_.size());
  tables_.resize(heads_.size() * tasks);
  ForEachBlock(heads_.size(), 1, threads, [&](std::size_t i, std::size_t) {
    const TrouterMlp& head = heads_[i];
    auto& first = head_first_[i];
    auto& second = head_second_[i];
    first.resize(tasks * h);
    second.resize(tasks * h);
    const Real* w = parameters_.data();
    kernels_->product(false, true, tasks, h, shape_.dimension, task_.data(), w + head.w1, false, first.data());
    kernels_->hidden(tasks, h, first.data(), w + head.b1, drop, DropSeed(drop_seed, 2 * i + 1), first.data());
    kernels_->product(false, true, tasks, h, h, first.data(), w + head.w2, false, second.data());
    kernels_->hidden(tasks, h, second.data(), w + head.b2, drop, DropSeed(drop_seed, 2 * i + 2), second.data());
    Real* out = tables_.data() + i * tasks;
    Dense(tasks, second.data(), h, head.w3, head.b3, 1, out);
    for (std::size_t t = 0; t < tasks; ++t) out[t] = Sigmoid(out[t]);
  });
}

// s(q,t) of every type, softmax into p.
template <typename Real>
void TrouterNetwork<Real>::Score(const Real* query_side, double drop, std::uint64_t seed, Shard& shard, Real* p) const {
  const std::size_t tasks = shape_.tasks;
  const std::size_t h = shape_.hidden;
  const Real* w = parameters_.data();
  shard.first.resize(tasks * h);
  shard.second.resize(tasks * h);
  kernels_->hidden(tasks, h, task_side_.data(), query_side, drop, seed, shard.first.data());
  kernels_->product(false, true, tasks, h, h, shard.first.data(), w + scorer_.w2, false, shard.second.data());
  kernels_->hidden(tasks, h, shard.second.data(), w + scorer_.b2, drop, seed + 1, shard.second.data());
  Dense(tasks, shard.second.data(), h, scorer_.w3, scorer_.b3, 1, p);
  const Real sharpness = static_cast<Real>(1 / shape_.temperature);
  Real top = p[0];
  for (std::size_t t = 0; t < tasks; ++t) top = std::max(top, p[t]);
  Real total = 0;
  for (std::size_t t = 0; t < tasks; ++t) total += p[t] = std::exp((p[t] - top) * sharpness);
  for (std::size_t t = 0; t < tasks; ++t) p[t] /= total;
}

// The loss of one scored query (shard.p), and the way back to both sides.
template <typename Real>
double TrouterNetwork<Real>::QueryBack(const TrouterRows& rows, std::size_t row, std::size_t b,
                                       std::span<const double> prior, double labelled, double drop, Shard& shard,
                                       bool wanted) {
  const std::size_t tasks = shape_.tasks;
  const std::size_t h = shape_.hidden;
  std::vector<Real>& by_score = shard.by_score;
  by_score.assign(tasks, 0);
  double loss = 0;
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    const double truth = rows.metrics[i / shape_.models]->at(row, i % shape_.models);
    if (std::isnan(truth)) continue;
    const Real* table = tables_.data() + i * tasks;
    Real forecast = 0;
    for (std::size_t t = 0; t < tasks; ++t) forecast += shard.p[t] * table[t];
    const double gap = static_cast<double>(forecast) - truth;
    const double known = known_[i / shape_.models];
    loss += gap * gap / known;
    const Real slope = static_cast<Real>(2 * gap / known);
    Real* by_table = shard.by_table.data() + i * tasks;
    for (std::size_t t = 0; t < tasks; ++t) {
      by_score[t] += slope * table[t];
      by_table[t] += slope * shard.p[t];
    }
  }
  Real mean = 0;
  for (std::size_t t = 0; t < tasks; ++t) mean += shard.p[t] * by_score[t];
  for (std::size_t t = 0; t < tasks; ++t) by_score[t] = shard.p[t] * (by_score[t] - mean);
  if (rows.task[row] != kNoGroup) {
    const double* likely = prior.data() + rows.task[row] * tasks;
    for (std::size_t t = 0; t < tasks; ++t) {
      const double p = static_cast<double>(shard.p[t]);
      if (likely[t] > 0) loss -= likely[t] * std::log(std::max(p, 1e-30)) / labelled;
      by_score[t] += static_cast<Real>((p - likely[t]) / labelled);
    }
  }
  if (!wanted) return loss;
  for (Real& g : by_score) g *= static_cast<Real>(1 / shape_.temperature);
  shard.by_first.resize(tasks * h);
  shard.by_second.resize(tasks * h);
  // The shard's gradient starts at W2; DenseBack counts from the first parameter.
  Real* gradient = shard.gradient.data() - scorer_.w2;
  DenseBack(tasks, shard.second.data(), h, scorer_.w3, scorer_.b3, 1, by_score.data(), shard.by_second.data(), false,
            gradient);
  kernels_->hidden_back(tasks, h, shard.second.data(), drop, shard.by_second.data(), gradient + scorer_.b2, nullptr);
  DenseBack(tasks, shard.first.data(), h, scorer_.w2, static_cast<std::size_t>(-1), h, shard.by_second.data(),
            shard.by_first.data(), false, gradient);
  kernels_->hidden_back(tasks, h, shard.first.data(), drop, shard.by_first.data(), by_side_.data() + b * h,
                        shard.by_side.data());
  return loss;
}

// From the tables back to t', head by head.
template <typename Real>
void TrouterNetwork<Real>::HeadsBack(std::size_t threads, std::span<Real> gradient) {
  const std::size_t tasks = shape_.tasks;
  const std::size_t h = shape_.hidden;
  const double drop = shape_.drop;
  ForEachBlock(kShards, 1, threads, [&](std::size_t s, std::size_t) {
    Shard& shard = shards_[s];
    shard.by_task.assign(task_.size(), 0);
    std::vector<Real> by_out(tasks);
    std::vector<Real> by_hidden(tasks * h);
    std::vector<Real> by_first(tasks * h);
    for (std::size_t i = s; i < heads_.size(); i += kShards) {
      const TrouterMlp& head = heads_[i];
      for (std::size_t t = 0; t < tasks; ++t) {
        const Real value = tables_[i * tasks + t];
        by_out[t] = (shards_[0].by_table[i * tasks + t] + shards_[1].by_table[i * tasks + t]) * value * (1 - value);
      }
      DenseBack(tasks, head_second_[i].data(), h, head.w3, head.b3, 1, by_out.data(), by_hidden.data(), false,
                gradient.data());
      const double dropped = dropping_ ? drop : 0;
      kernels_->hidden_back(tasks, h, head_second_[i].data(), dropped, by_hidden.data(), gradient.data() + head.b2,
                            nullptr);
      DenseBack(tasks, head_first_[i].data(), h, head.w2, static_cast<std::size_t>(-1), h, by_hidden.data(),
                by_first.data(), false, gradient.data());
      kernels_->hidden_back(tasks, h, head_first_[i].data(), dropped, by_first.data(), gradient.data() + head.b1,
                            nullptr);
      DenseBack(tasks, task_.data(), shape_.dimension, head.w1, static_cast<std::size_t>(-1), h, by_first.data(),
                shard.by_task.data(), true, gradient.data());
    }
  });
}

// Joins the halves of the batch, then both adapters.
template <typename Real>
void TrouterNetwork<Real>::ShardsBack(std::size_t batch, std::span<Real> gradient) {
  const std::size_t d = shape_.dimension;
  const std::size_t h = shape_.hidden;
  constexpr auto kNoBias = static_cast<std::size_t>(-1);
  std::vector<Real> by_side(shape_.tasks * h, 0);
  by_task_.assign(task_.size(), 0);
  for (const Shard& shard : shards_) {
    for (std::size_t i = 0; i < shard.gradient.size(); ++i) gradient[scorer_.w2 + i] += shard.gradient[i];
    for (std::size_t i = 0; i < by_side.size(); ++i) by_side[i] += shard.by_side[i];
    for (std::size_t i = 0; i < by_task_.size(); ++i) by_task_[i] += shard.by_task[i];
  }
  DenseBack(shape_.tasks, task_.data(), d, scorer_.wt, kNoBias, h, by_side.data(), by_task_.data(), true,
            gradient.data());
  AdaptBack(task_adapter_, shape_.tasks, texts_.data(), task_hidden_, by_task_, gradient);
  std::vector<Real> by_query(batch * d);
  DenseBack(batch, query_.data(), d, scorer_.w1, scorer_.b1, h, by_side_.data(), by_query.data(), false,
            gradient.data());
  AdaptBack(query_adapter_, batch, q_.data(), query_hidden_, by_query, gradient);
}

template <typename Real>
double TrouterNetwork<Real>::Batch(const TrouterRows& rows, std::span<const std::size_t> use,
                                   std::span<const double> prior, std::uint64_t drop_seed, std::size_t threads,
                                   std::span<Real> gradient) {
  REQUIRE(rows.metrics.size() == shape_.metrics && rows.queries.dimension == shape_.dimension, "rows of this shape");
  const std::size_t batch = use.size();
  const std::size_t d = shape_.dimension;
  dropping_ = drop_seed != 0;
  ForwardTasks(drop_seed, threads);
  q_.resize(batch * d);
  double labelled = 0;
  known_.fill(0);
  for (std::size_t b = 0; b < batch; ++b) {
    const auto row = rows.queries.row(use[b]);
    for (std::size_t j = 0; j < d; ++j) q_[b * d + j] = static_cast<Real>(row[j]);
    labelled += rows.task[use[b]] == kNoGroup ? 0 : 1;
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      const double truth = rows.metrics[i / shape_.models]->at(use[b], i % shape_.models);
      known_[i / shape_.models] += std::isnan(truth) ? 0 : 1;
    }
  }
  Adapt(query_adapter_, batch, q_.data(), query_hidden_, query_);
  query_side_.resize(batch * shape_.hidden);
  Dense(batch, query_.data(), d, scorer_.w1, scorer_.b1, shape_.hidden, query_side_.data());
  by_side_.assign(query_side_.size(), 0);
  ForEachBlock(kShards, 1, threads, [&](std::size_t s, std::size_t) {
    Shard& shard = shards_[s];
    shard.loss = 0;
    shard.p.resize(shape_.tasks);
    shard.gradient.assign(shape_.hidden * (shape_.hidden + 2) + 1, 0);
    shard.by_side.assign(task_side_.size(), 0);
    shard.by_table.assign(tables_.size(), 0);
    for (std::size_t b = s * batch / kShards; b < (s + 1) * batch / kShards; ++b) {
      const double drop = dropping_ ? shape_.drop : 0;
      Score(query_side_.data() + b * shape_.hidden, drop, DropSeed(drop_seed, kQueries + 2 * b), shard,
            shard.p.data());
      shard.loss += QueryBack(rows, use[b], b, prior, labelled, drop, shard, !gradient.empty());
    }
  });
  if (!gradient.empty()) {
    HeadsBack(threads, gradient);
    ShardsBack(batch, gradient);
  }
  return shards_[0].loss + shards_[1].loss;
}

template class TrouterNetwork<float>;
template class TrouterNetwork<double>;

template <typename Real>
TrouterServing<Real>::TrouterServing(TrouterNetwork<Real> network)
    : network_(std::move(network)), side_(network_.shape_.hidden), p_(network_.shape_.tasks) {
  network_.ForwardTasks(0, 1);
}

template <typename Real>
std::vector<double> TrouterServing<Real>::Probabilities(std::span<const float> embedding) {
  auto& net = network_;
  REQUIRE(embedding.size() == net.shape_.dimension, "the embedding has the network's dimension");
  net.q_.assign(embedding.begin(), embedding.end());
  net.Adapt(net.query_adapter_, 1, net.q_.data(), net.query_hidden_, net.query_);
  net.Dense(1, net.query_.data(), net.shape_.dimension, net.scorer_.w1, net.scorer_.b1, net.shape_.hidden,
            side_.data());
  net.Score(side_.data(), 0, 0, net.shards_[0], p_.data());
  return {p_.begin(), p_.end()};
}

template <typename Real>
std::vector<double> TrouterServing<Real>::Table(std::size_t metric) const {
  const TrouterShape& shape = network_.shape_;
  REQUIRE(metric < shape.metrics, "a metric that there is");
  std::vector<double> table(shape.tasks * shape.models);
  for (std::size_t m = 0; m < shape.models; ++m) {
    const Real* column = network_.tables_.data() + (metric * shape.models + m) * shape.tasks;
    for (std::size_t t = 0; t < shape.tasks; ++t) table[t * shape.models + m] = static_cast<double>(column[t]);
  }
  return table;
}

template class TrouterServing<float>;
template class TrouterServing<double>;

}  // namespace pointsman::bootstrap
