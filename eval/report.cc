#include "eval/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace pointsman::eval {

namespace {

using Json = nlohmann::ordered_json;

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json ToJsonFigure(const Figure& figure) {
  return {{"mean", Number(figure.mean)}, {"se", Number(figure.se)}, {"min", Number(figure.least)}};
}

Json ToJsonJoining(const JoinReport& joined) {
  return {{"half_median", Number(joined.half_median)},
          {"half_worst", Number(joined.half_worst)},
          {"within_300", joined.within_300},
          {"share_at_300", joined.share_at_300},
          {"final_share", joined.final_share},
          {"explored", joined.explored},
          {"lost", joined.lost},
          {"labels", joined.labels},
          {"all_labels", joined.all_labels},
          {"after", joined.after}};
}

Json ToJsonCount(const Coverage::Count& count) {
  return {
      {"intervals", count.intervals}, {"share", Number(count.Share())}, {"half_width", Number(count.MeanHalfWidth())}};
}

template <typename... Values>
void Line(std::string& text, const char* format, Values... values) {
  char line[160];
  std::snprintf(line, sizeof line, format, values...);
  text += line;
  text += '\n';
}

// "-" for a number that does not apply.
std::string Cell(const char* format, double value) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string ToJson(const RunReport& report) {
  Json arms = Json::object();
  for (const ArmReport& arm : report.arms) {
    Json& json = arms[arm.name];
    json = {{"total", ToJsonFigure(arm.total)},         {"second_half", ToJsonFigure(arm.second_half)},
            {"last_pass", ToJsonFigure(arm.last_pass)}, {"cost", {{"mean", Number(arm.cost_mean_usd)}}},
            {"spend_ratio", Number(arm.spend_ratio)},   {"spend_ratio_first_500", Number(arm.spend_ratio_first_500)}};
    if (arm.joined) json["newcomer"] = ToJsonJoining(*arm.joined);
    if (arm.coverage.models.intervals > 0) {
      json["coverage"] = {{"models", ToJsonCount(arm.coverage.models)},
                          {"cells", ToJsonCount(arm.coverage.cells)},
                          {"cells_se", Number(arm.coverage_error)},
                          {"heard", ToJsonCount(arm.coverage.heard)},
                          {"choice", ToJsonCount(arm.coverage.choice)}};
    }
    if (std::isfinite(arm.regret_after_loss.mean)) json["regret_after_loss"] = ToJsonFigure(arm.regret_after_loss);
  }
  const Detection& detection = report.detection;
  const Json json = {{"protocol", report.protocol},
                     {"configuration_hash", report.configuration_hash},
                     {"arms", arms},
                     {"detection",
                      {{"median_uses", Number(detection.median_uses)},
                       {"share_within_200", Number(detection.share_within_200)},
                       {"false_alarms_per_1000", Number(detection.false_alarms_per_1000)}}},
                     {"calibration_error", Number(report.calibration_error)},
                     {"seconds", report.seconds}};
  // Names come from files: bytes that are not UTF-8 must not throw.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToTable(const RunReport& report) {
  std::string text;
  Line(text, "%s on %.40s, %zu models, source %.40s, %zu rows a pass%s%.20s", report.protocol.c_str(),
       report.table.c_str(), report.models, report.source.empty() ? "none" : report.source.c_str(), report.stream_rows,
       report.variant == "none" ? "" : ", ", report.variant == "none" ? "" : report.variant.c_str());
  std::size_t width = 11;
  for (const ArmReport& arm : report.arms) width = std::max(width, std::min<std::size_t>(arm.name.size(), 36));
  const int name = static_cast<int>(width);
  Line(text, "%-*s %7s %6s %7s %6s %7s %6s %9s %7s %7s %6s", name, "arm", "total", "se", "half 2", "se", "last", "min",
       "cost USD", "spend/B", "1st 500", "gold");
  for (const ArmReport& arm : report.arms) {
    Line(text, "%-*.36s %7.4f %6.4f %7.4f %6.4f %7.4f %6.4f %9s %7s %7s %6llu", name, arm.name.c_str(), arm.total.mean,
         arm.total.se, arm.second_half.mean, arm.second_half.se, arm.last_pass.mean, arm.last_pass.least,
         Cell("%.3g", arm.cost_mean_usd).c_str(), Cell("%.3f", arm.spend_ratio).c_str(),
         Cell("%.3f", arm.spend_ratio_first_500).c_str(), static_cast<unsigned long long>(arm.gold));
  }
  for (const ArmReport& arm : report.arms) {
    if (!std::isfinite(arm.regret_after_loss.mean)) continue;
    Line(text, "regret a decision after the loss, %.36s: %.4f (s.e. %.4f)", arm.name.c_str(),
         arm.regret_after_loss.mean, arm.regret_after_loss.se);
  }
  for (const ArmReport& arm : report.arms) {
    if (arm.coverage.models.intervals == 0) continue;
    const Coverage& coverage = arm.coverage;
    Line(text,
         "95 %% intervals of %.20s hold %.3f of the models (+- %.3f wide), %.3f of the cells (s.e. %s, +- %.3f wide)",
         arm.name.c_str(), coverage.models.Share(), coverage.models.MeanHalfWidth(), coverage.cells.Share(),
         Cell("%.3f", arm.coverage_error).c_str(), coverage.cells.MeanHalfWidth());
    if (coverage.heard.intervals > 0) {
      Line(text, "  %.3f of the cells with evidence of their own, %.3f of the best three of those in each cluster",
           coverage.heard.Share(), coverage.choice.Share());
    }
  }
  for (const ArmReport& arm : report.arms) {
    if (!arm.joined || arm.joined->final_share + arm.joined->explored == 0) continue;
    const JoinReport& joined = *arm.joined;
    Line(text, "newcomer, %.20s: half of its share after %s requests (worst seed %s), within 300 in %.0f %% of seeds",
         arm.name.c_str(), Cell("%.0f", joined.half_median).c_str(), Cell("%.0f", joined.half_worst).c_str(),
         100 * joined.within_300);
    Line(text, "  share %.3f at 300, %.4f at the end; explored %.1f times, which lost %.2f; %.1f of %.1f labels",
         joined.share_at_300, joined.final_share, joined.explored, joined.lost, joined.labels, joined.all_labels);
  }
  for (const ArmReport& arm : report.arms) {
    if (arm.joined) Line(text, "score after it joined, %.36s: %.4f", arm.name.c_str(), arm.joined->after);
  }
  if (!std::isnan(report.detection.median_uses)) {
    Line(text, "loss found after %s uses (median), within 200 in %.0f %% of seeds",
         Cell("%.0f", report.detection.median_uses).c_str(), 100 * report.detection.share_within_200);
  }
  if (std::isfinite(report.detection.false_alarms_per_1000)) {
    Line(text, "%.3f false alarms per 1,000 feedbacks", report.detection.false_alarms_per_1000);
  }
  if (std::isfinite(report.calibration_error)) Line(text, "calibration error %.4f", report.calibration_error);
  Line(text, "%.1f s", report.seconds);
  return text;
}

}  // namespace pointsman::eval
