#include "admin/cli/probe_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base/log.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

Error Bad(std::size_t line, const std::string& what) {
  return MakeError(Code::kInvalidArgument, "bad_probe", fmt::format("line {}: {}", line, what));
}

// The score that the line gives the model; none: a table's line without one.
Result<std::optional<json>> ScoreOf(const json& line, const std::string& model, std::size_t number) {
  if (const auto models = line.find("models"); models != line.end()) {
    if (!models->is_object()) return Bad(number, "\"models\" must be an object {name: {\"score\": number}}");
    const auto cell = models->find(model);
    if (cell == models->end() || !cell->is_object() || !cell->contains("score")) return std::optional<json>();
    return std::optional<json>((*cell)["score"]);
  }
  const auto named = line.find("model");
  if (named != line.end() && *named != model) {
    return MakeError(Code::kInvalidArgument, "unknown_model",
                     fmt::format("line {} is about {}, not {}: leave such lines out, or name that model", number,
                                 log::Escape(named->dump()), log::Escape(model)));
  }
  if (!line.contains("score")) return Bad(number, "needs a \"score\" from 0 to 1");
  return std::optional<json>(line["score"]);
}

// One probe of the body, or none.
Result<std::optional<json>> ProbeOf(const std::string& text, const std::string& model, std::size_t number) {
  const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return Bad(number, "is no JSON object (NaN and comments are not JSON)");
  const auto score = ScoreOf(line, model, number);
  if (!score.ok()) return score.error();
  if (!score->has_value()) return std::optional<json>();
  if (!(*score)->is_number()) return Bad(number, "the score must be a number from 0 to 1");
  const double value = (*score)->get<double>();
  if (!(value >= 0 && value <= 1)) {
    return MakeError(Code::kOutOfRange, "probe_score",
                     fmt::format("line {}: the score is {}; it must be from 0 to 1", number, value));
  }
  json probe = {{"score", value}};
  if (line.contains("embedding")) {
    probe["embedding"] = line["embedding"];
  } else if (line.contains("query") && line["query"].is_string() && !line["query"].get<std::string>().empty()) {
    probe["query"] = line["query"];
  } else {
    return Bad(number, "needs a \"query\" (text) or an \"embedding\" (array of numbers)");
  }
  return std::optional<json>(std::move(probe));
}

}  // namespace

Result<json> ReadProbes(Context& context, const std::string& path, const std::string& model) {
  const auto input = ReadInput(context, path);
  if (!input.ok()) return input.error();
  std::istringstream file(*input);
  json probes = json::array();
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto probe = ProbeOf(text, model, number);
    if (!probe.ok()) return probe.error();
    if (probe->has_value()) probes.push_back(**std::move(probe));
  }
  if (probes.empty()) {
    return MakeError(Code::kInvalidArgument, "unknown_model",
                     fmt::format("{} has no scored answer of {}; a line is {{\"query\": \"...\", \"score\": 0.5}}",
                                 log::Escape(path), log::Escape(model)));
  }
  return json{{"probes", std::move(probes)}};
}

}  // namespace pointsman::cli
