// The snapshot: the immutable view that readers route with.
//
// Threads    read by any thread, written by none once published.
// Sharing    per-cluster blocks are shared between successive snapshots; a new
//            snapshot copies only the blocks of cells that changed.
// Lifetime   valid as long as it is held; hold one for one request.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "policy/belief/prior.h"
#include "policy/belief/state.h"
#include "policy/world/bundle.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"

namespace pointsman::policy {

// The model-level vector n = (alpha, B_1..B_S, [bias of preferences,] rho); the cell's
// t = (D, b_1..b_S, [bias of preferences]). The slot of preferences is there once a
// preference has been folded (belief/preference.h).
struct TreeLayout {
  std::size_t sources = 0;
  bool preferences = false;
  TreeLayout(std::size_t sources_in, bool preferences_in = false)  // NOLINT: a number of sources is a layout
      : sources(sources_in), preferences(preferences_in) {}
  std::size_t biases() const { return sources + (preferences ? 1 : 0); }
  std::size_t cell_size() const { return biases() + 1; }
  std::size_t model_size() const { return biases() + 2; }
  std::size_t preference() const { return sources + 1; }  // its place in t and n
  std::size_t trust() const { return biases() + 1; }      // the place of rho in n
  bool operator==(const TreeLayout&) const = default;
};
inline constexpr std::size_t kModelStateMax = kSourcesMax + 3;

// Read-out of one cell given its model (online_learner 1.4): a, kappa, G.
struct CellReadout {
  ModelId model;
  double shift = 0;                           // a_k
  double variance = 0;                        // kappa_k, with the overlap term
  std::array<double, kModelStateMax> gain{};  // G_k over n
  // For people: evidence in the cell now, after decay.
  double gold_weight = 0;
  double rating_weight = 0;
  double preference_information = 0;  // what preferences tell of D, in units of 1/variance
  bool conflict = false;              // gold contradicted the source's bias prior (conflict rule)
};

// Cells of one cluster, ascending model id; models that are missing are untouched.
struct ClusterBlock {
  std::vector<CellReadout> cells;
  const CellReadout* Find(ModelId model) const;
};

struct ModelView {
  Model model;
  bool healthy = true;                        // false: calls failed in a row; it rests until it is probed
  bool changed = false;                       // an alarm in this generation: its level may move by kChangedWidth
  int column = -1;                            // in the bundle; -1: the bundle does not know it
  InlineVector<int, kLikeMax> like;           // then: columns of models that it is like
  double mean_prior = 0.5;                    // f-bar
  std::array<double, kModelStateMax> mean{};  // n-hat
  std::array<double, kModelStateMax * kModelStateMax> covariance{};  // N, row-major, stride kModelStateMax
  double token_mean_log = 5.0;                                       // posterior of ln(1 + tokens_out)
  double token_variance_log = 0.5;                                   // predictive, with the mean's uncertainty
  double latency_median_ms = 0;                                      // 0: not known
  double latency_high_ms = 0;                                        // 95 % quantile of the next call; 0: not known
  ModelTally tally;
  Newcomer newcomer;  // of a model on trial
  PriorColumns columns() const { return {column, like}; }
};

struct Snapshot {
  LogSeq seq;
  std::int64_t at_us = 0;
  Generation generation;
  std::shared_ptr<const Bundle> bundle;
  Options options;
  Widths widths;           // in force: options' or the bundle's, with model_width
  double shared_cell = 0;  // width of what all models share in one cluster
  TreeLayout layout{0};
  std::vector<ModelView> models;                              // ascending (name, epoch), retired ones left out
  std::vector<std::size_t> trials;                            // of them, those on trial or changed
  std::vector<std::shared_ptr<const ClusterBlock>> clusters;  // K + 1; null: untouched
  std::array<double, kSourcesMax> source_bias{};              // root c0 per source
  std::array<double, kSourcesMax> source_variance{};
  Counters counters;
  std::uint64_t quarantined_cells = 0;
  bool frozen = false;
  std::map<std::string, Pacer> pacers;  // by tenant; "" is the common one
  CalibrationGuard guard;
  std::array<SourceWatch, kSourcesMax> source_watches{};
  RolloutRecord rollout;

  const ModelView* FindLive(std::string_view name) const;
};

}  // namespace pointsman::policy
