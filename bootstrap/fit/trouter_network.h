// TRouter as published: recogniser and metric heads, trained together.
//
// Source: arXiv 2604.09377; spec trouter_bandits 1.5 to 1.7.
//   q' = A2 relu(A1 q + a1) + a2, t' likewise with its own weights
//   s(q,t) = w3 relu(W2 relu(W1 [q';t'] + b1) + b2) + b3, dropout after both relus
//   p(t|q) = softmax_t(s / temperature)
//   metric h of model m: sum_t p(t|q) sigmoid(head_hm(t')), one small network each
//   loss = CE(prior, p) + sum_h mean (forecast - value)^2
// The first layer of the scorer is split, W1 = [Wq | Wt]: Wt t' + b1 is computed once
// for all task types, so a query costs one product of T x 256 by 256 x 256.
// TrouterServing keeps what does not depend on the query.
//
// Real is float or double. A batch is cut into two fixed halves, so that the number
// of threads does not change a result; same seed, same bytes on one kind of processor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/trouter_data.h"
#include "bootstrap/fit/trouter_kernels.h"

namespace pointsman::bootstrap {

struct TrouterShape {
  std::size_t tasks = 0;
  std::size_t models = 0;
  std::size_t metrics = 2;  // quality, cost
  std::size_t dimension = 384;
  std::size_t hidden = 256;
  double temperature = 0.07;
  double drop = 0.1;

  std::size_t AdapterParameters() const { return 2 * dimension * hidden + hidden + dimension; }
  std::size_t ScorerParameters() const {
    return 2 * dimension * hidden + hidden + hidden * hidden + hidden + hidden + 1;
  }
  std::size_t RecogniserParameters() const { return 2 * AdapterParameters() + ScorerParameters(); }
  std::size_t HeadParameters() const {
    return dimension * hidden + hidden + hidden * hidden + hidden + hidden + 1;
  }
  std::size_t Parameters() const { return RecogniserParameters() + metrics * models * HeadParameters(); }
  // Multiply-adds of one query once the task side is there: of the one large product,
  // and of all of it.
  std::size_t ProductMacs() const { return hidden * hidden * tasks; }
  std::size_t QueryMacs() const {
    return ProductMacs() + hidden * tasks + 2 * dimension * hidden + dimension * hidden;
  }
};

// Two layers; offsets into the parameters, rows of weights are outputs.
struct TrouterAdapter {
  std::size_t w1 = 0, b1 = 0, w2 = 0, b2 = 0;
};
// Three layers; of the scorer w1 is Wq and wt is Wt, of a head wt is unused.
struct TrouterMlp {
  std::size_t w1 = 0, wt = 0, b1 = 0, w2 = 0, b2 = 0, w3 = 0, b3 = 0;
};

template <typename Real>
class TrouterNetwork {
 public:
  // `texts`: T x dimension, the embedded task descriptions.
  TrouterNetwork(const TrouterShape& shape, Rows texts, const TrouterKernels<Real>& kernels);

  // Uniform in +-1/sqrt(inputs), weights and biases.
  void Initialise(std::uint64_t seed);
  std::span<Real> parameters() { return parameters_; }
  const TrouterShape& shape() const { return shape_; }

  // Loss of rows `use`, prior as TaxonomyPrior; its gradient is added to `gradient`
  // (empty: not wanted). drop_seed 0: without dropout. Two threads where `threads` > 1.
  double Batch(const TrouterRows& rows, std::span<const std::size_t> use, std::span<const double> prior,
               std::uint64_t drop_seed, std::size_t threads, std::span<Real> gradient);

 private:
  template <typename>
  friend class TrouterServing;
  static constexpr std::size_t kShards = 2;
  // Half of a batch: its buffers, and its share of the scorer's gradient.
  struct Shard {
    std::vector<Real> first;     // T x hidden
    std::vector<Real> second;    // T x hidden
    std::vector<Real> by_first;  // gradients of the same shape
    std::vector<Real> by_second;
    std::vector<Real> p;         // T
    std::vector<Real> by_score;  // T
    std::vector<Real> gradient;  // W2, b2, w3, b3 as they lie in the parameters
    std::vector<Real> by_side;   // by task_side_, T x hidden
    std::vector<Real> by_table;  // heads x T
    std::vector<Real> by_task;   // by t', from this shard's heads
    double loss = 0;
  };

  void Dense(std::size_t rows, const Real* in, std::size_t inputs, std::size_t weights, std::size_t bias,
             std::size_t outputs, Real* out) const;
  void DenseBack(std::size_t rows, const Real* in, std::size_t inputs, std::size_t weights, std::size_t bias,
                 std::size_t outputs, const Real* by_out, Real* by_in, bool add_in, Real* gradient) const;
  void Adapt(const TrouterAdapter& at, std::size_t rows, const Real* in, std::vector<Real>& hidden,
             std::vector<Real>& out) const;
  void AdaptBack(const TrouterAdapter& at, std::size_t rows, const Real* in, const std::vector<Real>& hidden,
                 const std::vector<Real>& by_out, std::span<Real> gradient) const;
  void ForwardTasks(std::uint64_t drop_seed, std::size_t threads);
  void HeadsBack(std::size_t threads, std::span<Real> gradient);
  void Score(const Real* query_side, double drop, std::uint64_t seed, Shard& shard, Real* p) const;
  double QueryBack(const TrouterRows& rows, std::size_t row, std::size_t b, std::span<const double> prior,
                   double labelled, double drop, Shard& shard, bool wanted);
  void ShardsBack(std::size_t batch, std::span<Real> gradient);

  TrouterShape shape_;
  const TrouterKernels<Real>* kernels_;
  std::vector<Real> texts_;
  std::vector<Real> parameters_;
  TrouterAdapter query_adapter_;
  TrouterAdapter task_adapter_;
  TrouterMlp scorer_;
  std::vector<TrouterMlp> heads_;  // metric-major

  // Of the task side, by batch.
  std::vector<Real> task_hidden_;  // T x hidden
  std::vector<Real> task_;         // T x d: t'
  std::vector<Real> task_side_;    // T x hidden: Wt t' (b1 is added with the query side)
  std::vector<std::vector<Real>> head_first_;   // by head, T x hidden
  std::vector<std::vector<Real>> head_second_;  // by head, T x hidden
  std::vector<Real> tables_;                    // heads x T
  std::vector<Real> by_task_;                   // gradient by t', T x d
  // Of the query side.
  std::vector<Real> q_;
  std::vector<Real> query_hidden_;
  std::vector<Real> query_;       // B x d: q'
  std::vector<Real> query_side_;  // B x hidden: Wq q' + b1
  std::vector<Real> by_side_;     // gradient by query_side_
  std::array<double, 8> known_{};  // known cells of the batch by metric
  bool dropping_ = false;
  std::vector<Shard> shards_;
};

// What serves: everything that does not depend on the query, computed once.
template <typename Real>
class TrouterServing {
 public:
  explicit TrouterServing(TrouterNetwork<Real> network);
  std::vector<double> Probabilities(std::span<const float> embedding);  // T
  std::vector<double> Table(std::size_t metric) const;                  // T x M in (0,1)

 private:
  TrouterNetwork<Real> network_;
  std::vector<Real> side_;
  std::vector<Real> p_;
};

struct TrouterTraining {
  std::uint64_t seed = 0;
  double rate = 1e-4;
  double decay = 0.01;
  std::size_t batch = 64;
  int epochs_max = 20;
  int patience = 3;
  std::size_t hold_out_every = 4;  // published: 30 rows a type to train on, 10 to stop by
  std::size_t threads = 2;
  double smoothing = 0;            // of the taxonomy prior; 0: published
  double temperature = 0.07;
  std::size_t hidden = 256;
  std::span<const TaskPlace> places;
};

struct TrouterNetworkFit {
  TrouterServing<float> serving;
  double held_out_loss = 0;
  int epochs = 0;
};

// Errors: those of CheckTrouterRows; INVALID_ARGUMENT texts_missing without a text for
// every task type.
Result<TrouterNetworkFit> FitTrouterNetwork(const TrouterRows& rows, std::size_t tasks, Rows texts,
                                            const TrouterTraining& training);

}  // namespace pointsman::bootstrap
