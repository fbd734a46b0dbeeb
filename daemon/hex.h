// Bytes as lower-case hexadecimal digits, and back.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pointsman::daemon {

std::string Hex(std::span<const std::uint8_t> bytes);
// Fills `out` from exactly 2 * out.size() digits, either case; false otherwise.
bool ParseHex(std::string_view text, std::span<std::uint8_t> out);

}  // namespace pointsman::daemon
