#include "eval/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/contract.h"

namespace pointsman::eval {

namespace {

constexpr double kWidth = 900;
constexpr double kHeight = 560;
constexpr double kLeft = 80;
constexpr double kRight = 250;  // the legend's
constexpr double kTop = 50;
constexpr double kBottom = 60;
constexpr std::size_t kLegendMax = 24;
// Distinct also for most colour-blind readers (Okabe and Ito), then darker shades.
constexpr std::array<const char*, 12> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
                                                  "#000000", "#7f7f7f", "#004c77", "#8e3f00", "#00694d", "#884f6e"};

template <typename... Values>
void Write(std::string& svg, const char* format, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, format, values...);
  svg += text;
}

std::string Escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else if (byte < 0x20 || byte >= 0x7F)
      safe += '?';
    else
      safe += c;
  }
  return safe;
}

struct Axis {
  double least = 0;
  double most = 1;
  double begin = 0;  // pixels
  double end = 1;
  bool logarithmic = false;

  double Scaled(double value) const { return logarithmic ? std::log10(value) : value; }
  double At(double value) const {
    return begin + (Scaled(value) - Scaled(least)) / (Scaled(most) - Scaled(least)) * (end - begin);
  }
};

bool Usable(const Plot& plot, const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second) && (!plot.x_logarithmic || point.first > 0);
}

// A range with room at both ends, never empty.
void Widen(double& least, double& most, bool logarithmic) {
  if (logarithmic) {
    least /= 1.5;
    most *= 1.5;
    return;
  }
  const double room = most > least ? 0.05 * (most - least) : std::max(0.5 * std::abs(most), 0.5);
  least -= room;
  most += room;
}

void Frame(std::string& svg, const Plot& plot, const Axis& x, const Axis& y) {
  Write(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" stroke=\"#888888\"/>\n", x.begin,
        y.end, x.end - x.begin, y.begin - y.end);
  std::vector<double> ticks;
  if (x.logarithmic) {
    for (double power = std::floor(std::log10(x.least)); power <= std::ceil(std::log10(x.most)); power += 1) {
      for (const double step : {1.0, 2.0, 5.0}) {
        const double value = step * std::pow(10, power);
        if (value >= x.least && value <= x.most) ticks.push_back(value);
      }
    }
  } else {
    ticks = Ticks(x.least, x.most, 8);
  }
  for (const double value : ticks) {
    Write(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", x.At(value), y.begin,
          x.At(value), y.end);
    Write(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n", x.At(value), y.begin + 18, value);
  }
  for (const double value : Ticks(y.least, y.most, 8)) {
    Write(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", x.begin, y.At(value),
          x.end, y.At(value));
    Write(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n", x.begin - 6, y.At(value) + 4, value);
  }
  Write(svg, "<text x=\"%.1f\" y=\"28\" font-size=\"16\">%.200s</text>\n", x.begin, Escaped(plot.title).c_str());
  Write(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.200s</text>\n", (x.begin + x.end) / 2, kHeight - 16,
        Escaped(plot.x_label).c_str());
  Write(svg, "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">%.200s</text>\n",
        (y.begin + y.end) / 2, Escaped(plot.y_label).c_str());
}

void Draw(std::string& svg, const Plot& plot, std::size_t index, const Axis& x, const Axis& y) {
  const Series& series = plot.series[index];
  const char* colour = kColours[index % kColours.size()];
  // The second round of colours is dashed.
  const char* dash = index / kColours.size() % 2 == 1 ? " stroke-dasharray=\"5 3\"" : "";
  std::string path;
  for (const auto& point : series.points) {
    if (!Usable(plot, point)) continue;
    Write(path, "%s%.2f %.2f", path.empty() ? "M" : " L", x.At(point.first), y.At(point.second));
    if (!series.line || series.points.size() == 1) {
      Write(svg, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" fill=\"%s\"/>\n", x.At(point.first), y.At(point.second),
            colour);
    }
  }
  if (series.line && !path.empty()) {
    svg += "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"1.8\"" + dash + "/>\n";
  }
  if (index >= kLegendMax) return;
  const double row = kTop + 10 + 19 * static_cast<double>(index);
  Write(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"3\"%s/>\n", x.end + 12,
        row, x.end + 32, row, colour, dash);
  Write(svg, "<text x=\"%.1f\" y=\"%.1f\">%.200s</text>\n", x.end + 38, row + 4,
        Escaped(series.name.substr(0, 28)).c_str());
}

}  // namespace

std::vector<double> Ticks(double least, double most, int wanted) {
  REQUIRE(least < most && wanted >= 1, "ticks of a range");
  const double rough = (most - least) / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {5.0, 2.0, 1.0}) {
    if (nice * power >= rough * 0.999) step = nice * power;
  }
  std::vector<double> ticks;
  const auto first = static_cast<std::int64_t>(std::ceil(least / step - 1e-9));
  const auto last = static_cast<std::int64_t>(std::floor(most / step + 1e-9));
  for (std::int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string ToSvg(const Plot& plot) {
  Axis x{.least = std::numeric_limits<double>::infinity(),
         .most = -std::numeric_limits<double>::infinity(),
         .begin = kLeft,
         .end = kWidth - kRight,
         .logarithmic = plot.x_logarithmic};
  Axis y{.least = x.least, .most = x.most, .begin = kHeight - kBottom, .end = kTop, .logarithmic = false};
  for (const Series& series : plot.series) {
    for (const auto& point : series.points) {
      if (!Usable(plot, point)) continue;
      x.least = std::min(x.least, point.first);
      x.most = std::max(x.most, point.first);
      y.least = std::min(y.least, point.second);
      y.most = std::max(y.most, point.second);
    }
  }
  std::string svg;
  Write(svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        kWidth, kHeight, kWidth, kHeight);
  if (!(x.least <= x.most)) {
    Write(svg, "<text x=\"%.1f\" y=\"28\" font-size=\"16\">%.200s</text>\n", kLeft, Escaped(plot.title).c_str());
    Write(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">no data</text>\n</svg>\n", kWidth / 2, kHeight / 2);
    return svg;
  }
  if (plot.diagonal) {
    x.least = y.least = std::min(x.least, y.least);
    x.most = y.most = std::max(x.most, y.most);
  }
  Widen(x.least, x.most, x.logarithmic);
  Widen(y.least, y.most, false);
  Frame(svg, plot, x, y);
  if (plot.diagonal) {
    Write(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#888888\" stroke-dasharray=\"3 3\"/>\n",
          x.begin, y.begin, x.end, y.end);
  }
  for (std::size_t i = 0; i < plot.series.size(); ++i) Draw(svg, plot, i, x, y);
  svg += "</svg>\n";
  return svg;
}

}  // namespace pointsman::eval
