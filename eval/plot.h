// Plots as SVG: lines, points and a legend; no library behind it.
//
// Pure and deterministic. Text is escaped; numbers that are not finite are left
// out. Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pointsman::eval {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y
  bool line = true;                               // false: points alone
};

struct Plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
  bool x_logarithmic = false;  // x that is not above 0 is left out
  bool diagonal = false;       // the line y = x, for comparison
};

// A whole SVG document, 900 x 560. A plot without a point says so in its middle.
std::string ToSvg(const Plot& plot);

// Ticks that people like: about `wanted` multiples of 1, 2 or 5 times a power of
// ten within [least, most]. REQUIREs least < most.
std::vector<double> Ticks(double least, double most, int wanted);

}  // namespace pointsman::eval
