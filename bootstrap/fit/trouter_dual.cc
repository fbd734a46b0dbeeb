#include "bootstrap/fit/trouter_dual.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/adamw.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kHoldOutFrom = 50;
constexpr double kTableEdge = 0.01;  // tables start within [edge, 1 - edge]

template <typename Real>
void Softmax(std::span<Real> values) {
  Real top = values[0];
  for (const Real value : values) top = std::max(top, value);
  Real total = 0;
  for (Real& value : values) total += value = std::exp(value - top);
  for (Real& value : values) value /= total;
}

}  // namespace

template <typename Real>
DualEncoder<Real>::DualEncoder(std::size_t tasks, std::size_t dimension, std::size_t models, std::size_t metrics,
                               Rows texts, double temperature, const TrouterKernels<Real>& kernels)
    : tasks_(tasks),
      dimension_(dimension),
      models_(models),
      metrics_(metrics),
      sharpness_(static_cast<Real>(1 / temperature)),
      kernels_(&kernels),
      texts_(tasks * dimension, 0),
      vectors_at_(dimension * dimension),
      bias_at_(vectors_at_ + tasks * dimension),
      tables_at_(bias_at_ + tasks) {
  REQUIRE(tasks >= 2 && dimension > 0 && models > 0 && metrics > 0 && temperature > 0, "a shape");
  REQUIRE(texts.count() == 0 || (texts.count() == tasks && texts.dimension == dimension), "a text for every task");
  for (std::size_t i = 0; i < texts.values.size(); ++i) texts_[i] = static_cast<Real>(texts.values[i]);
  parameters_.assign(tables_at_ + metrics * tasks * models, 0);
}

template <typename Real>
void DualEncoder<Real>::Forward(const TrouterRows& rows, std::span<const std::size_t> use) {
  const std::size_t batch = use.size();
  const std::size_t d = dimension_;
  q_.resize(batch * d);
  adapted_.resize(batch * d);
  p_.resize(batch * tasks_);
  for (std::size_t b = 0; b < batch; ++b) {
    const auto row = rows.queries.row(use[b]);
    for (std::size_t j = 0; j < d; ++j) q_[b * d + j] = static_cast<Real>(row[j]);
  }
  std::copy(q_.begin(), q_.end(), adapted_.begin());
  kernels_->product(false, true, batch, d, d, q_.data(), adapter(), true, adapted_.data());
  types_ = texts_;
  for (std::size_t i = 0; i < types_.size(); ++i) types_[i] += parameters_[vectors_at_ + i];
  kernels_->product(false, true, batch, tasks_, d, adapted_.data(), types_.data(), false, p_.data());
  for (std::size_t b = 0; b < batch; ++b) {
    const std::span<Real> p(p_.data() + b * tasks_, tasks_);
    for (std::size_t t = 0; t < tasks_; ++t) p[t] = p[t] * sharpness_ + parameters_[bias_at_ + t];
    Softmax(p);
  }
}

// Adds to logits_ what the metrics say of p (not yet through the softmax).
template <typename Real>
double DualEncoder<Real>::LossOfMetrics(const TrouterRows& rows, std::span<const std::size_t> use,
                                        std::span<Real> gradient) {
  const std::size_t batch = use.size();
  double loss = 0;
  value_.resize(tasks_ * models_);
  forecast_.resize(batch * models_);
  by_value_.resize(tasks_ * models_);
  for (std::size_t h = 0; h < metrics_; ++h) {
    const Real* rho = parameters_.data() + tables_at_ + h * value_.size();
    for (std::size_t i = 0; i < value_.size(); ++i) value_[i] = 1 / (1 + std::exp(-rho[i]));
    kernels_->product(false, false, batch, models_, tasks_, p_.data(), value_.data(), false, forecast_.data());
    double known = 0;
    for (std::size_t b = 0; b < batch; ++b) {
      for (std::size_t m = 0; m < models_; ++m) known += std::isnan(rows.metrics[h]->at(use[b], m)) ? 0 : 1;
    }
    if (known < 1) continue;
    for (std::size_t b = 0; b < batch; ++b) {
      for (std::size_t m = 0; m < models_; ++m) {
        const double truth = rows.metrics[h]->at(use[b], m);
        Real& cell = forecast_[b * models_ + m];
        const double gap = std::isnan(truth) ? 0 : static_cast<double>(cell) - truth;
        loss += gap * gap / known;
        cell = static_cast<Real>(2 * gap / known);  // from here on: its gradient
      }
    }
    if (gradient.empty()) continue;
    kernels_->product(false, true, batch, tasks_, models_, forecast_.data(), value_.data(), true, logits_.data());
    kernels_->product(true, false, tasks_, models_, batch, p_.data(), forecast_.data(), false, by_value_.data());
    Real* out = gradient.data() + tables_at_ + h * value_.size();
    for (std::size_t i = 0; i < value_.size(); ++i) out[i] += by_value_[i] * value_[i] * (1 - value_[i]);
  }
  return loss;
}

template <typename Real>
double DualEncoder<Real>::Batch(const TrouterRows& rows, std::span<const std::size_t> use,
                                std::span<const double> prior, double recognition, std::span<Real> gradient) {
  const std::size_t batch = use.size();
  const std::size_t d = dimension_;
  Forward(rows, use);
  logits_.assign(batch * tasks_, 0);
  double loss = LossOfMetrics(rows, use, gradient);
  double labelled = 0;
  for (const std::size_t i : use) labelled += rows.task[i] == kNoGroup ? 0 : 1;
  for (std::size_t b = 0; b < batch; ++b) {
    const Real* p = p_.data() + b * tasks_;
    Real* g = logits_.data() + b * tasks_;
    Real mean = 0;
    for (std::size_t t = 0; t < tasks_; ++t) mean += p[t] * g[t];
    for (std::size_t t = 0; t < tasks_; ++t) g[t] = p[t] * (g[t] - mean);
    if (rows.task[use[b]] == kNoGroup) continue;
    const double* wanted = prior.data() + rows.task[use[b]] * tasks_;
    for (std::size_t t = 0; t < tasks_; ++t) {
      const double likely = std::max(static_cast<double>(p[t]), 1e-30);
      if (wanted[t] > 0) loss -= recognition * wanted[t] * std::log(likely) / labelled;
      g[t] += static_cast<Real>(recognition * (static_cast<double>(p[t]) - wanted[t]) / labelled);
    }
  }
  if (gradient.empty()) return loss;
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t t = 0; t < tasks_; ++t) {
      Real& g = logits_[b * tasks_ + t];
      gradient[bias_at_ + t] += g;
      g *= sharpness_;
    }
  }
  kernels_->product(true, false, tasks_, d, batch, logits_.data(), adapted_.data(), true,
                    gradient.data() + vectors_at_);
  // adapted_ is no longer needed: the gradient by q' takes its place.
  kernels_->product(false, false, batch, d, tasks_, logits_.data(), types_.data(), false, adapted_.data());
  kernels_->product(true, false, d, d, batch, adapted_.data(), q_.data(), true, gradient.data());
  return loss;
}

template <typename Real>
void DualEncoder<Real>::SetTable(std::size_t metric, std::span<const double> table) {
  REQUIRE(metric < metrics_ && table.size() == tasks_ * models_, "a table of this shape");
  Real* rho = parameters_.data() + tables_at_ + metric * table.size();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double value = std::clamp(table[i], kTableEdge, 1 - kTableEdge);
    rho[i] = static_cast<Real>(std::log(value / (1 - value)));
  }
}

template <typename Real>
std::vector<double> DualEncoder<Real>::Table(std::size_t metric) const {
  std::vector<double> table(tasks_ * models_);
  const Real* rho = parameters_.data() + tables_at_ + metric * table.size();
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = 1 / (1 + std::exp(-static_cast<double>(rho[i])));
  return table;
}

template <typename Real>
Recogniser DualEncoder<Real>::Linear() const {
  std::vector<Real> types = texts_;
  for (std::size_t i = 0; i < types.size(); ++i) types[i] += parameters_[vectors_at_ + i];
  std::vector<Real> weights = types;
  kernels_->product(false, false, tasks_, dimension_, dimension_, types.data(), parameters_.data(), true,
                    weights.data());
  Recogniser out{tasks_, dimension_, {}, {}};
  for (const Real weight : weights) out.weights.push_back(static_cast<float>(weight * sharpness_));
  for (std::size_t t = 0; t < tasks_; ++t) out.bias.push_back(static_cast<float>(parameters_[bias_at_ + t]));
  return out;
}

template class DualEncoder<float>;
template class DualEncoder<double>;

TrouterSplit SplitTrouterRows(std::size_t rows, std::span<const std::size_t> use, std::size_t hold_out_every,
                              std::uint64_t seed) {
  std::vector<std::size_t> order(use.begin(), use.end());
  if (order.empty()) {
    order.resize(rows);
    std::iota(order.begin(), order.end(), 0);
  }
  SplitMix64 random(seed);
  Shuffle(order, random);
  TrouterSplit split;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const bool held = order.size() >= kHoldOutFrom && hold_out_every > 0 && rank % hold_out_every == 0;
    (held ? split.held_out : split.train).push_back(order[rank]);
  }
  return split;
}

Result<DualFit> FitDualEncoder(const TrouterRows& rows, std::size_t tasks, Rows texts, const CellOptions& cells,
                               std::span<const std::size_t> use, const DualOptions& options) {
  if (auto status = CheckTrouterRows(rows, tasks); !status.ok()) return status.error();
  REQUIRE(options.batch > 0 && options.epochs_max > 0, "options of the fit");
  TrouterSplit split = SplitTrouterRows(rows.queries.count(), use, options.hold_out_every, options.seed);
  const auto& kernels = BestKernels<float>();
  DualEncoder<float> model(tasks, rows.queries.dimension, rows.metrics[0]->models, rows.metrics.size(), texts,
                           options.temperature, kernels);
  for (std::size_t h = 0; h < rows.metrics.size(); ++h) {
    model.SetTable(h, ShrunkenCells(*rows.metrics[h], rows.task, tasks, split.train, cells).quality);
  }
  const std::vector<double> prior = TaxonomyPrior(tasks, options.places, options.smoothing);
  AdamW<float> adam(model.parameters().size(), options.rate, options.decay, kernels);
  BestWeights<float> best(options.patience);
  std::vector<float> gradient(model.parameters().size());
  SplitMix64 random(options.seed + 1);
  const std::vector<std::size_t>& judged = split.held_out.empty() ? split.train : split.held_out;
  DualFit fit;
  for (bool done = false; !done && fit.epochs < options.epochs_max; ++fit.epochs) {
    Shuffle(split.train, random);
    for (std::size_t at = 0; at < split.train.size(); at += options.batch) {
      std::fill(gradient.begin(), gradient.end(), 0.0F);
      const auto part = std::span(split.train).subspan(at, std::min(options.batch, split.train.size() - at));
      model.Batch(rows, part, prior, options.recognition, gradient);
      adam.Step(gradient, model.parameters());
    }
    double loss = 0;
    for (std::size_t at = 0; at < judged.size(); at += 1024) {
      const auto part = std::span(judged).subspan(at, std::min<std::size_t>(1024, judged.size() - at));
      loss += model.Batch(rows, part, prior, options.recognition, {}) * static_cast<double>(part.size());
    }
    done = best.Seen(loss / static_cast<double>(judged.size()), model.parameters());
  }
  if (!best.weights().empty()) std::copy(best.weights().begin(), best.weights().end(), model.parameters().begin());
  fit.held_out_loss = best.loss();
  fit.recogniser = model.Linear();
  for (std::size_t h = 0; h < rows.metrics.size(); ++h) fit.tables.push_back(model.Table(h));
  return fit;
}

}  // namespace pointsman::bootstrap
