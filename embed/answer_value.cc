#include "embed/answer_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace pointsman::embed {
namespace {

constexpr double kRelative = 1e-6;
constexpr int kDigitsToRound = 3;
constexpr std::size_t kBytesMax = 128;  // longer texts are not a number with a unit

struct Unit {
  std::string_view name;
  std::string_view base;
  double factor;
};
// Singular; a plural's s is taken off first.
constexpr std::array<Unit, 42> kUnits = {{
    {"mm", "m", 1e-3},      {"cm", "m", 1e-2},      {"m", "m", 1},
    {"km", "m", 1e3},       {"millimeter", "m", 1e-3}, {"centimeter", "m", 1e-2},
    {"meter", "m", 1},      {"metre", "m", 1},      {"kilometer", "m", 1e3},
    {"kilometre", "m", 1e3}, {"mg", "kg", 1e-6},     {"g", "kg", 1e-3},
    {"kg", "kg", 1},        {"gram", "kg", 1e-3},   {"kilogram", "kg", 1},
    {"ms", "s", 1e-3},      {"s", "s", 1},          {"sec", "s", 1},
    {"second", "s", 1},     {"min", "s", 60},       {"minute", "s", 60},
    {"h", "s", 3600},       {"hr", "s", 3600},      {"hour", "s", 3600},
    {"day", "s", 86400},    {"j", "j", 1},          {"kj", "j", 1e3},
    {"joule", "j", 1},      {"w", "w", 1},          {"kw", "w", 1e3},
    {"watt", "w", 1},       {"v", "v", 1},          {"volt", "v", 1},
    {"pa", "pa", 1},        {"kpa", "pa", 1e3},     {"percent", "%", 1},
    {"per cent", "%", 1},   {"dollar", "$", 1},     {"usd", "$", 1},
    {"cent", "$", 1e-2},    {"euro", "€", 1},       {"eur", "€", 1},
}};
constexpr std::array<std::string_view, 4> kCurrencies = {"$", "€", "£", "¥"};
constexpr std::array<std::string_view, 9> kApproximately = {"approximately", "about", "approx.", "approx", "roughly",
                                                            "around",        "ca.",   "≈",       "~"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kEmphasis = " \t\r\n*_`";

void Trim(std::string_view& text, std::string_view around = kBlank) {
  text.remove_prefix(std::min(text.find_first_not_of(around), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(around) + 1));
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  Trim(text);
  return true;
}

// Lower case, LaTeX clothes off, signs in one form.
std::string Plain(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  ReplaceAll(plain, "−", "-");
  ReplaceAll(plain, "×", "*");
  ReplaceAll(plain, "\\times", "*");
  ReplaceAll(plain, "\\cdot", "*");
  ReplaceAll(plain, "\\dfrac", "\\frac");
  ReplaceAll(plain, "\\%", "%");
  ReplaceAll(plain, "\\$", "\1");  // the currency, which a plain $ in LaTeX is not
  if (std::count(plain.begin(), plain.end(), '$') >= 2) ReplaceAll(plain, "$", "");
  ReplaceAll(plain, "\1", "$");
  for (const std::string_view gone : {"\\boxed", "\\text", "\\mathrm", "\\left", "\\right", "\\,", "\\ ", "\\approx"}) {
    ReplaceAll(plain, gone, gone == "\\approx" ? "≈" : "");
  }
  ReplaceAll(plain, "\\frac", "\2");
  for (std::size_t at = plain.find('\2'); at != std::string::npos; at = plain.find('\2')) {
    const std::size_t middle = plain.find("}{", at);
    if (middle == std::string::npos) break;
    plain.replace(middle, 2, "/");
    plain.erase(at, 1);
  }
  std::erase_if(plain, [](char c) { return c == '{' || c == '}' || c == '\\'; });
  return plain;
}

struct Decimal {
  double value = 0;
  double last_place = 1;  // of the last digit written
  bool whole = true;
};

// Digits with thousands commas, a point and an exponent. Takes them off `text`.
std::optional<Decimal> TakeDecimal(std::string_view& text) {
  std::string digits;
  std::size_t at = 0;
  int after_point = -1;
  while (at < text.size()) {
    const char c = text[at];
    const bool group = c == ',' && after_point < 0 && !digits.empty() && at + 3 < text.size() && IsDigit(text[at + 1]) &&
                       IsDigit(text[at + 2]) && IsDigit(text[at + 3]) && (at + 4 == text.size() || !IsDigit(text[at + 4]));
    const bool point = c == '.' && after_point < 0 && at + 1 < text.size() && IsDigit(text[at + 1]);
    if (!IsDigit(c) && !group && !point) break;
    if (point) after_point = 0;
    if (IsDigit(c) && after_point >= 0) ++after_point;
    if (!group) digits += c;
    ++at;
  }
  if (digits.empty()) return std::nullopt;
  std::string_view rest = text.substr(at);
  std::string_view exponent;
  const bool short_form = rest.size() >= 2 && rest[0] == 'e' && (IsDigit(rest[1]) || rest[1] == '-' || rest[1] == '+');
  if (short_form) exponent = rest.substr(1);
  std::string_view spaced = rest;
  Trim(spaced);
  if (!short_form && TakePrefix(spaced, "*") && spaced.starts_with("10^")) exponent = spaced.substr(3);
  int power = 0;
  if (!exponent.empty()) {
    if (exponent[0] == '+') exponent.remove_prefix(1);
    const auto read = std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
    if (read.ec != std::errc()) return std::nullopt;
    rest = exponent.substr(static_cast<std::size_t>(read.ptr - exponent.data()));
  }
  text = rest;
  Decimal out;
  std::from_chars(digits.data(), digits.data() + digits.size(), out.value);
  out.whole = after_point < 0 && exponent.empty();
  out.value *= std::pow(10.0, power);
  out.last_place = std::pow(10.0, power - std::max(after_point, 0));
  if (!std::isfinite(out.value)) return std::nullopt;
  return out;
}

void ApplyUnit(std::string_view unit, NumericAnswer& answer) {
  std::string name(unit);
  for (int tries = 0; tries < 2; ++tries) {
    for (const Unit& known : kUnits) {
      if (known.name != name) continue;
      answer.unit = known.base;
      answer.value *= known.factor;
      answer.resolution *= known.factor;
      return;
    }
    if (name.size() < 3 || name.back() != 's') break;
    name.pop_back();
  }
  answer.unit = name;
}

// A unit is up to three words without digits.
bool LooksLikeUnit(std::string_view text) {
  return std::none_of(text.begin(), text.end(), IsDigit) && std::count(text.begin(), text.end(), ' ') <= 2 &&
         text.find_first_of("=,;:()<>!?") == std::string_view::npos;
}

bool UnitsAgree(const NumericAnswer& a, const NumericAnswer& b) {
  return a.unit.empty() || b.unit.empty() || a.unit == b.unit;
}

double LastPlaces(const NumericAnswer& coarse, double other) {
  return coarse.resolution > 0 && std::fabs(coarse.value) >= std::pow(10.0, kDigitsToRound - 1) * 2 * coarse.resolution
             ? std::fabs(coarse.value - other) / coarse.resolution
             : 2;
}

bool SameNumber(const NumericAnswer& a, const NumericAnswer& b) {
  const double scale = std::max(std::fabs(a.value), std::fabs(b.value));
  if (std::fabs(a.value - b.value) <= kRelative * scale) return true;
  constexpr double kHalf = 1 + 1e-9;
  return LastPlaces(a, b.value) <= kHalf || LastPlaces(b, a.value) <= kHalf;
}

NumericAnswer AsShare(NumericAnswer percent) {
  percent.value /= 100;
  percent.resolution /= 100;
  percent.unit.clear();
  return percent;
}

}  // namespace

std::optional<NumericAnswer> ReadNumericAnswer(std::string_view text) {
  if (text.size() > kBytesMax) return std::nullopt;
  const std::string plain = Plain(text);
  std::string_view rest = plain;
  Trim(rest, kEmphasis);
  if (const std::size_t equals = rest.rfind('='); equals != std::string_view::npos) {
    if (std::any_of(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(equals), IsDigit)) return std::nullopt;
    rest.remove_prefix(equals + 1);
    Trim(rest);
  }
  for (const std::string_view word : kApproximately) TakePrefix(rest, word);
  bool negative = TakePrefix(rest, "-");
  if (!negative) TakePrefix(rest, "+");
  std::string_view currency;
  for (const std::string_view sign : kCurrencies) {
    if (TakePrefix(rest, sign)) currency = sign;
  }
  if (!currency.empty() && TakePrefix(rest, "-")) negative = true;
  if (!rest.empty() && rest[0] == '.' && rest.size() > 1 && IsDigit(rest[1])) {
    return ReadNumericAnswer(std::string(negative ? "-" : "") + "0" + std::string(rest));
  }
  auto first = TakeDecimal(rest);
  if (!first) return std::nullopt;
  NumericAnswer answer{first->value, std::string(currency), first->whole ? 0 : first->last_place / 2};
  std::string_view after = rest;
  Trim(after);
  if (first->whole && !after.empty() && IsDigit(after[0])) {  // "1 1/2"
    const auto numerator = TakeDecimal(after);
    if (!numerator || !numerator->whole || !TakePrefix(after, "/")) return std::nullopt;
    const auto denominator = TakeDecimal(after);
    if (!denominator || denominator->value <= 0) return std::nullopt;
    answer.value += numerator->value / denominator->value;
    rest = after;
  } else if (TakePrefix(after, "/") && !after.empty() && IsDigit(after[0])) {
    const auto denominator = TakeDecimal(after);
    if (!denominator || denominator->value <= 0) return std::nullopt;
    answer.value /= denominator->value;
    answer.resolution = 0;
    rest = after;
  }
  if (negative) answer.value = -answer.value;
  Trim(rest);
  if (rest.ends_with('.')) rest.remove_suffix(1);
  Trim(rest);
  if (!LooksLikeUnit(rest)) return std::nullopt;
  if (!rest.empty()) ApplyUnit(rest, answer);
  if (!std::isfinite(answer.value)) return std::nullopt;
  return answer;
}

bool SameValue(const NumericAnswer& a, const NumericAnswer& b) {
  if (UnitsAgree(a, b) && SameNumber(a, b)) return true;
  if (a.unit == "%" && b.unit.empty()) return SameNumber(AsShare(a), b);
  if (b.unit == "%" && a.unit.empty()) return SameNumber(a, AsShare(b));
  return false;
}

}  // namespace pointsman::embed
