#include "policy/world/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

namespace pointsman::policy {

namespace {

bool ValidName(std::string_view name) {
  if (name.empty() || name.size() > 128) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool ValidAmount(double usd) { return usd >= 0 && usd <= std::numeric_limits<double>::max(); }

bool ValidPrice(const Price& price) {
  return ValidAmount(price.input_usd_per_million) && ValidAmount(price.output_usd_per_million);
}

bool Before(const Model& a, const Model& b) { return std::tie(a.name, a.epoch) < std::tie(b.name, b.epoch); }

Error UnknownModel(ModelId id) {
  return MakeError(Code::kNotFound, "unknown_model", "no model has number " + std::to_string(id.value));
}

Model* FindMutable(std::vector<Model>& models, ModelId id) {
  for (Model& model : models) {
    if (model.id == id) return &model;
  }
  return nullptr;
}

}  // namespace

const Model* Pool::Find(ModelId id) const {
  for (const Model& model : models_) {
    if (model.id == id) return &model;
  }
  return nullptr;
}

const Model* Pool::FindLive(std::string_view name) const {
  for (const Model& model : models_) {
    if (model.name == name && model.state != ModelState::kRetired) return &model;
  }
  return nullptr;
}

std::string_view ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kActive: return "active";
    case ModelState::kDraining: return "draining";
    case ModelState::kRetired: return "retired";
    case ModelState::kNew: return "new";
    case ModelState::kProbation: return "probation";
  }
  return "unknown";
}

Result<ModelId> Pool::Add(const std::string& name, const Price& price, std::uint32_t context_tokens,
                          std::vector<std::string> like, ModelState state) {
  if (!ValidName(name)) {
    return MakeError(Code::kInvalidArgument, "bad_model_name",
                     "a model's name must have 1 to 128 printable ASCII characters");
  }
  if (!ValidPrice(price)) {
    return MakeError(Code::kInvalidArgument, "bad_price",
                     "prices of " + name + " must be finite and not negative (US dollars per million tokens)");
  }
  if (FindLive(name) != nullptr) {
    return MakeError(Code::kConflict, "model_exists", name + " is in the pool; retire it before adding a new epoch");
  }
  Model model;
  model.id = NextId();
  model.name = name;
  model.price = price;
  model.context_tokens = context_tokens;
  model.like = std::move(like);
  model.state = state;
  for (const Model& other : models_) {
    if (other.name == name) model.epoch = std::max(model.epoch, other.epoch + 1);
  }
  Restore(model);
  return model.id;
}

Status Pool::SetState(ModelId id, ModelState state) {
  Model* model = FindMutable(models_, id);
  if (model == nullptr) return UnknownModel(id);
  if (model->state == ModelState::kRetired && state != ModelState::kRetired) {
    return MakeError(Code::kFailedPrecondition, "model_retired",
                     model->name + " is retired and does not come back; add it again as a new epoch");
  }
  model->state = state;
  return {};
}

Status Pool::SetPrice(ModelId id, const Price& price) {
  Model* model = FindMutable(models_, id);
  if (model == nullptr) return UnknownModel(id);
  if (!ValidPrice(price)) {
    return MakeError(Code::kOutOfRange, "bad_price",
                     "prices of " + model->name + " must be finite and not negative (US dollars per million tokens)");
  }
  model->price = price;
  return {};
}

void Pool::Restore(const Model& model) {
  next_id_ = std::max(next_id_, model.id.value + 1);
  if (Model* known = FindMutable(models_, model.id); known != nullptr) {
    *known = model;
    std::sort(models_.begin(), models_.end(), Before);
    return;
  }
  models_.insert(std::upper_bound(models_.begin(), models_.end(), model, Before), model);
}

}  // namespace pointsman::policy
