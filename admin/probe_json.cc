// json.h, the body of a probe.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "admin/json.h"
#include "admin/json_fields.h"

namespace pointsman::admin {

using nlohmann::json;

Result<std::vector<ProbeAsk>> ParseProbes(std::string_view body) {
  auto object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  const json* list = fields.Raw("probes");
  if (Status finished = fields.Finish(); !finished.ok()) return finished.error();
  if (list == nullptr) return BadInput("missing_field", "field 'probes' is missing");
  if (!list->is_array()) return BadInput("wrong_type", "field 'probes' must be an array of {query | embedding, score}");
  std::vector<ProbeAsk> probes;
  for (const json& item : *list) {
    const std::string place = "probe " + std::to_string(probes.size() + 1) + ": ";
    if (!item.is_object()) return BadInput("wrong_type", place + "must be an object {query | embedding, score}");
    Fields inner(item);
    ProbeAsk& probe = probes.emplace_back();
    inner.Text("query", &probe.text, false);
    inner.Real("score", &probe.score, true);
    const json* embedding = inner.Raw("embedding");
    if (Status finished = inner.Finish(); !finished.ok()) {
      Error error = finished.error();
      error.message = place + error.message;
      return error;
    }
    if (embedding == nullptr) continue;
    const auto number = [](const json& one) { return one.is_number(); };
    if (!embedding->is_array() || !std::all_of(embedding->begin(), embedding->end(), number)) {
      return BadInput("wrong_type", place + "field 'embedding' must be an array of numbers");
    }
    for (const json& one : *embedding) probe.embedding.push_back(one.get<float>());
  }
  return probes;
}

}  // namespace pointsman::admin
