#include "policy/belief/task_recogniser.h"

#include <array>

#include "base/contract.h"
#include "base/exact_math.h"
#include "policy/kernels/nearest.h"

namespace pointsman::policy {

namespace {

constexpr std::size_t kLikeliest = 8;
static_assert(kLikeliest == TaskProbabilities::capacity());

// Softmax over the kept ones only: cutting and renormalising cancels the others.
TaskProbabilities Softmax(const kernels::Nearest& logits) {
  TaskProbabilities probabilities;
  std::array<double, kLikeliest> weights{};
  for (std::size_t i = 0; i < logits.size(); ++i) weights[i] = logits[i].score - logits[0].score;
  exact::ExpEach(std::span(weights).first(logits.size()));
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    probabilities.push_back({logits[i].row, weights[i]});
    total += weights[i];
  }
  for (auto& entry : probabilities) entry.probability /= total;
  return probabilities;
}

template <typename Search>
TaskProbabilities Recognise(const Bundle& bundle, std::span<const float> embedding, Search search) {
  if (embedding.empty() || bundle.task_count() == 0) return {};
  REQUIRE(embedding.size() == bundle.dimension(), "the embedding has the bundle's dimension");
  return Softmax(search(bundle.task_weights, bundle.task_bias, embedding, kLikeliest));
}

}  // namespace

TaskProbabilities RecogniseTasks(const Bundle& bundle, std::span<const float> embedding) {
  return Recognise(bundle, embedding, kernels::NearestFast);
}

TaskProbabilities RecogniseTasks(const SearchIndex& index, const kernels::CoarseQuery& query) {
  if (index.bundle->task_count() == 0) return {};
  return Softmax(index.tasks.Find(query, kLikeliest));
}

TaskProbabilities RecogniseTasksExact(const Bundle& bundle, std::span<const float> embedding) {
  return Recognise(bundle, embedding, kernels::NearestExact);
}

}  // namespace pointsman::policy
