#include <algorithm>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/adamw.h"
#include "bootstrap/fit/trouter_dual.h"
#include "bootstrap/fit/trouter_network.h"

namespace pointsman::bootstrap {

Result<TrouterNetworkFit> FitTrouterNetwork(const TrouterRows& rows, std::size_t tasks, Rows texts,
                                            const TrouterTraining& training) {
  if (auto status = CheckTrouterRows(rows, tasks); !status.ok()) return status.error();
  if (texts.count() != tasks || texts.dimension != rows.queries.dimension) {
    return MakeError(Code::kInvalidArgument, "texts_missing",
                     "every task type needs the embedding of its description; there are " +
                         std::to_string(texts.count()) + " for " + std::to_string(tasks) + " types");
  }
  REQUIRE(training.batch > 0 && training.epochs_max > 0, "options of the training");
  TrouterShape shape;
  shape.tasks = tasks;
  shape.models = rows.metrics[0]->models;
  shape.metrics = rows.metrics.size();
  shape.dimension = rows.queries.dimension;
  shape.hidden = training.hidden;
  shape.temperature = training.temperature;
  const auto& kernels = BestKernels<float>();
  TrouterNetwork<float> network(shape, texts, kernels);
  network.Initialise(training.seed);
  TrouterSplit split = SplitTrouterRows(rows.queries.count(), {}, training.hold_out_every, training.seed);
  const std::vector<double> prior = TaxonomyPrior(tasks, training.places, training.smoothing);
  AdamW<float> adam(shape.Parameters(), training.rate, training.decay, kernels);
  BestWeights<float> best(training.patience);
  std::vector<float> gradient(shape.Parameters());
  SplitMix64 random(training.seed + 1);
  const std::vector<std::size_t>& judged = split.held_out.empty() ? split.train : split.held_out;
  int epochs = 0;
  for (bool done = false; !done && epochs < training.epochs_max; ++epochs) {
    Shuffle(split.train, random);
    for (std::size_t at = 0; at < split.train.size(); at += training.batch) {
      std::fill(gradient.begin(), gradient.end(), 0.0F);
      const auto part = std::span(split.train).subspan(at, std::min(training.batch, split.train.size() - at));
      network.Batch(rows, part, prior, random() | 1, training.threads, gradient);
      adam.Step(gradient, network.parameters());
    }
    double loss = 0;
    for (std::size_t at = 0; at < judged.size(); at += 1024) {
      const auto part = std::span(judged).subspan(at, std::min<std::size_t>(1024, judged.size() - at));
      loss += network.Batch(rows, part, prior, 0, training.threads, {}) * static_cast<double>(part.size());
    }
    done = best.Seen(loss / static_cast<double>(judged.size()), network.parameters());
  }
  if (!best.weights().empty()) std::copy(best.weights().begin(), best.weights().end(), network.parameters().begin());
  return TrouterNetworkFit{TrouterServing<float>(std::move(network)), best.loss(), epochs};
}

}  // namespace pointsman::bootstrap
