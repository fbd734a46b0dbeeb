// The dual encoder: a task recogniser that serves as one linear layer.
//
//   q' = q + A q,  t' = e_t + v_t,  p(t|q) = softmax(q'.t' / temperature + b_t)
//   quality_m(q) = sum_t p(t|q) sigma(rho_tm), and the same for cost
//
// e_t is the embedding of the task's text (or 0); A, v, b and rho are learned
// together with the loss of trouter_network.h. Because q' is linear in q the logits
// are W q + b with W = t'(I + A) / temperature: what a bundle holds.
//
// Real is float or double. Deterministic for the same rows and seed on one kind of
// processor; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/recogniser.h"
#include "bootstrap/fit/trouter_data.h"
#include "bootstrap/fit/trouter_kernels.h"

namespace pointsman::bootstrap {

struct DualOptions {
  std::uint64_t seed = 0;
  double rate = 2e-3;
  double decay = 0.01;
  std::size_t batch = 64;
  int epochs_max = 40;
  int patience = 4;
  std::size_t hold_out_every = 10;  // rows kept for early stopping; with fewer than 50 rows none
  double temperature = 0.07;
  double smoothing = 0.1;    // of the taxonomy prior
  double recognition = 1;    // weight of the cross-entropy beside the metrics
  std::span<const TaskPlace> places;
};

template <typename Real>
class DualEncoder {
 public:
  // `texts`: T x d, or no rows for zeros. `metrics` tables of T x M.
  DualEncoder(std::size_t tasks, std::size_t dimension, std::size_t models, std::size_t metrics, Rows texts,
              double temperature, const TrouterKernels<Real>& kernels);

  // Rows `use` of `rows`, prior as TaxonomyPrior: the loss, and its gradient added to
  // `gradient` (as many as parameters; empty: not wanted).
  double Batch(const TrouterRows& rows, std::span<const std::size_t> use, std::span<const double> prior,
               double recognition, std::span<Real> gradient);

  std::span<Real> parameters() { return parameters_; }
  // Starts rho from tables in [0,1] (T x M per metric).
  void SetTable(std::size_t metric, std::span<const double> table);
  std::vector<double> Table(std::size_t metric) const;  // T x M in (0,1)
  Recogniser Linear() const;

 private:
  Real* adapter() { return parameters_.data(); }
  void Forward(const TrouterRows& rows, std::span<const std::size_t> use);
  double LossOfMetrics(const TrouterRows& rows, std::span<const std::size_t> use, std::span<Real> gradient);

  std::size_t tasks_;
  std::size_t dimension_;
  std::size_t models_;
  std::size_t metrics_;
  Real sharpness_;  // 1 / temperature
  const TrouterKernels<Real>* kernels_;
  std::vector<Real> texts_;
  // A (d x d), v (T x d), b (T), rho (metrics x T x M).
  std::vector<Real> parameters_;
  std::size_t vectors_at_;
  std::size_t bias_at_;
  std::size_t tables_at_;
  // Of the batch at hand.
  std::vector<Real> q_;         // B x d
  std::vector<Real> adapted_;   // B x d: q'
  std::vector<Real> types_;     // T x d: t'
  std::vector<Real> p_;         // B x T
  std::vector<Real> logits_;    // gradient by logit, B x T
  std::vector<Real> value_;     // T x M: sigma(rho)
  std::vector<Real> forecast_;  // B x M
  std::vector<Real> by_value_;  // gradient by value_, T x M
};

struct DualFit {
  Recogniser recogniser;
  std::vector<std::vector<double>> tables;  // by metric, T x M in (0,1)
  double held_out_loss = 0;
  int epochs = 0;
};

// `use`: rows to fit on (empty: all). `texts` as above. Tables start from the cells
// of the rows (cells.h). Errors: those of CheckTrouterRows.
Result<DualFit> FitDualEncoder(const TrouterRows& rows, std::size_t tasks, Rows texts, const CellOptions& cells,
                               std::span<const std::size_t> use, const DualOptions& options);

// Rows of `use` for training and for early stopping, shuffled with `seed`.
struct TrouterSplit {
  std::vector<std::size_t> train;
  std::vector<std::size_t> held_out;
};
TrouterSplit SplitTrouterRows(std::size_t rows, std::span<const std::size_t> use, std::size_t hold_out_every,
                              std::uint64_t seed);

}  // namespace pointsman::bootstrap
