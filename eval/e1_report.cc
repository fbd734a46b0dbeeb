#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "eval/e1.h"

namespace pointsman::eval {

namespace {

using Json = nlohmann::ordered_json;

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json ToJsonFigure(const Figure& figure) {
  return {{"mean", Number(figure.mean)}, {"se", Number(figure.se)}, {"min", Number(figure.least)}};
}

template <typename... Values>
void Line(std::string& text, const char* format, Values... values) {
  char line[128];
  std::snprintf(line, sizeof line, format, values...);
  text += line;
  text += '\n';
}

}  // namespace

std::string ToJson(const E1Report& report) {
  Json arms = Json::object();
  for (const ArmReport& arm : report.arms) {
    arms[arm.name] = {{"total", ToJsonFigure(arm.total)},
                      {"second_half", ToJsonFigure(arm.second_half)},
                      {"last_pass", ToJsonFigure(arm.last_pass)},
                      {"cost", {{"mean", Number(arm.cost_mean_usd)}}}};
  }
  const Json json = {{"protocol", report.protocol},
                     {"configuration_hash", report.configuration_hash},
                     {"arms", arms},
                     {"calibration_error", Number(report.calibration_error)},
                     {"seconds", report.seconds}};
  // Names come from files: bytes that are not UTF-8 must not throw.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToTable(const E1Report& report) {
  std::string text;
  Line(text, "%s on %.40s, source %.40s, %zu rows a pass", report.protocol.c_str(), report.table.c_str(),
       report.source.empty() ? "none" : report.source.c_str(), report.stream_rows);
  Line(text, "%-12s %8s %7s %8s %7s %8s %7s %10s %7s", "arm", "total", "se", "half 2", "se", "last", "min", "cost USD",
       "gold");
  for (const ArmReport& arm : report.arms) {
    Line(text, "%-12s %8.4f %7.4f %8.4f %7.4f %8.4f %7.4f %10.3g %7llu", arm.name.c_str(), arm.total.mean, arm.total.se,
         arm.second_half.mean, arm.second_half.se, arm.last_pass.mean, arm.last_pass.least, arm.cost_mean_usd,
         static_cast<unsigned long long>(arm.gold));
  }
  if (std::isfinite(report.calibration_error)) Line(text, "calibration error %.4f", report.calibration_error);
  Line(text, "%.1f s", report.seconds);
  return text;
}

}  // namespace pointsman::eval
