#include "store/keys.h"

namespace pointsman::store {

std::string LogKey(LogSeq seq) {
  std::string key(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) key[i] = static_cast<char>((seq.value >> (56 - 8 * i)) & 0xff);
  return key;
}

std::optional<LogSeq> ParseLogKey(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  LogSeq seq;
  for (const char byte : key) seq.value = (seq.value << 8) | static_cast<std::uint8_t>(byte);
  return seq;
}

}  // namespace pointsman::store
