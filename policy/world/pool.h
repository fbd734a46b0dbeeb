// The pool: candidate models with prices, life cycle and number.
//
// Log state, changed by ModelAdded, ModelStateChanged and PriceChanged only. A
// model is keyed by (name, epoch): the same name added again is a new epoch that
// inherits nothing. Numbers (ModelId) are dense from 1 and never reused.
//
// Life cycle (trouter_bandits 3.7): a model that joins a pool whose live bundle does not
// know it is new; evidence makes it active, or puts it on probation where it is worse
// than the others in every cluster (learning/life_cycle.h). Others join as active.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace pointsman::policy {

// Stored by number.
enum class ModelState : std::uint8_t {
  kActive = 1,
  kDraining = 2,  // not chosen any more; late feedback still counts
  kRetired = 3,
  kNew = 4,        // on trial: little is known of it
  kProbation = 5,  // on trial, and known to be worse so far
};
constexpr bool OnTrial(ModelState state) { return state == ModelState::kNew || state == ModelState::kProbation; }
// May be chosen.
constexpr bool TakesTraffic(ModelState state) { return state == ModelState::kActive || OnTrial(state); }
// "active", "draining", "retired", "new", "probation".
std::string_view ModelStateName(ModelState state);

// US dollars per million tokens, each >= 0 and finite.
struct Price {
  double input_usd_per_million = 0;
  double output_usd_per_million = 0;
  bool operator==(const Price&) const = default;
};

struct Model {
  ModelId id;
  std::string name;         // 1..128 printable ASCII characters
  std::uint32_t epoch = 1;  // 1 for the first model of that name
  ModelState state = ModelState::kActive;
  Price price;
  std::uint32_t context_tokens = 0;  // longest input it takes; 0: no limit known
  // Names of models that it is like: where the bundle does not know it, the mean of their
  // priors is its own. At most kLikeMax; empty: the mean of all, less .05.
  std::vector<std::string> like{};
};
inline constexpr std::size_t kLikeMax = 3;

// Value type; not synchronised.
class Pool {
 public:
  // In ascending (name, epoch): the order of every sum over models.
  const std::vector<Model>& models() const { return models_; }
  const Model* Find(ModelId id) const;
  // The live (not retired) epoch of `name`, or null.
  const Model* FindLive(std::string_view name) const;
  ModelId NextId() const { return ModelId{next_id_}; }

  // Adds the next epoch of `name`.
  // Errors: INVALID_ARGUMENT (name, price), CONFLICT (a live epoch exists).
  Result<ModelId> Add(const std::string& name, const Price& price, std::uint32_t context_tokens,
                      std::vector<std::string> like = {}, ModelState state = ModelState::kActive);
  // Errors: NOT_FOUND; FAILED_PRECONDITION when a retired model would come back.
  Status SetState(ModelId id, ModelState state);
  // Errors: NOT_FOUND; OUT_OF_RANGE for a negative or non-finite price.
  Status SetPrice(ModelId id, const Price& price);
  // For loading a checkpoint: puts a model as it was.
  void Restore(const Model& model);

 private:
  std::vector<Model> models_;
  std::uint32_t next_id_ = 1;
};

}  // namespace pointsman::policy
