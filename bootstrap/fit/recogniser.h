// Softmax recogniser: p(task | embedding), one linear layer.
//
// The role of TRouter's recognition module (spec trouter_bandits 1.5, 1.7), fitted
// by mini-batch Adam with L2 and early stopping on every tenth row; the best
// weights are copied, and a temperature found on those rows is folded in.
// Deterministic for the same rows and seed; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

struct RecogniserOptions {
  std::uint64_t seed = 0;
  int epochs_max = 40;
  int patience = 4;
  std::size_t batch = 64;
  double rate = 0.02;
  double l2 = 1e-5;
};

struct Recogniser {
  std::size_t tasks = 0;
  std::size_t dimension = 0;
  std::vector<float> weights;  // tasks x dimension
  std::vector<float> bias;     // tasks
  // Softmax over all tasks.
  std::vector<double> Probabilities(std::span<const float> embedding) const;
};

// task[i] in [0, tasks) or kNoGroup (such rows are left out). `use` selects rows
// (empty: all). REQUIREs at least 2 tasks and one usable row.
Recogniser FitRecogniser(const Rows& rows, std::span<const std::uint32_t> task, std::size_t tasks,
                         std::span<const std::size_t> use, const RecogniserOptions& options);

}  // namespace pointsman::bootstrap
