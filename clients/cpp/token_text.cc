#include <array>
#include <cstdint>

#include "clients/cpp/client.h"

namespace pointsman::client {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTextDigits = 52;  // ceil(256 / 5); the last holds 1 bit
constexpr std::string_view kPrefix = "d1_";
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648, lower case

int DigitOf(char symbol) {
  if (symbol >= 'a' && symbol <= 'z') return symbol - 'a';
  if (symbol >= '2' && symbol <= '7') return symbol - '2' + 26;
  return -1;
}

}  // namespace

std::string TokenToText(std::string_view token) {
  if (token.size() != kTokenBytes) return {};
  std::string text(kPrefix);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char byte : token) {
    bits = (bits << 8) | static_cast<std::uint8_t>(byte);
    held += 8;
    while (held >= 5) {
      held -= 5;
      text.push_back(kAlphabet[(bits >> held) & 31]);
    }
  }
  text.push_back(kAlphabet[(bits << (5 - held)) & 31]);
  return text;
}

std::string TokenFromText(std::string_view text) {
  if (text.size() != kPrefix.size() + kTextDigits || text.substr(0, kPrefix.size()) != kPrefix) return {};
  std::string token;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char symbol : text.substr(kPrefix.size())) {
    const int digit = DigitOf(symbol);
    if (digit < 0) return {};
    bits = (bits << 5) | static_cast<std::uint32_t>(digit);
    held += 5;
    if (held >= 8) {
      held -= 8;
      token.push_back(static_cast<char>((bits >> held) & 0xFF));
    }
  }
  // One text for each token: the bits that carry nothing must be 0.
  if ((bits & ((1U << held) - 1)) != 0) return {};
  return token;
}

}  // namespace pointsman::client
