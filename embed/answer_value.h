// The value of a written number: "1,250", "$3.50", "12 %", "3/4", "\frac{3}{4}",
// "1.2e3 km", "x = 5", "about 7 minutes".
//
// A text is a number when it holds one number and beside it nothing but a unit,
// a currency, a name before "=" and words of approximation. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pointsman::embed {

struct NumericAnswer {
  double value = 0;      // finite; in the base unit where the unit is known
  std::string unit;      // "%" (value as written: 12 for 12 %), a base unit (m, kg, s, ...), or as written; may be empty
  double resolution = 0; // half a unit of the last digit written, in the same unit; 0: exact (fraction, integer)
};

// Nothing for a text that is not a number, or whose value overflows.
std::optional<NumericAnswer> ReadNumericAnswer(std::string_view text);

// Equal values: within 1e-6 of each other, or one is the other rounded to at least
// three significant digits. Units must agree; a missing unit agrees with all;
// 12 % equals .12, and also a bare 12, which is how such answers are cut short.
bool SameValue(const NumericAnswer& a, const NumericAnswer& b);

}  // namespace pointsman::embed
