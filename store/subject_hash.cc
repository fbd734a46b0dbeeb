#include "store/subject_hash.h"

#include <sodium.h>

#include <array>
#include <charconv>
#include <cstring>

#include "base/contract.h"

namespace pointsman::store {
namespace {

void Update(crypto_generichash_state& state, const void* bytes, std::size_t size) {
  const int failed = crypto_generichash_update(&state, static_cast<const unsigned char*>(bytes), size);
  ENSURE(failed == 0, "crypto_generichash_update");
}

}  // namespace

SubjectHash HashSubject(const TokenKey& key, std::string_view tenant, std::string_view subject) {
  if (subject.empty()) return {};
  std::array<unsigned char, 32> digest{};
  std::array<unsigned char, 8> length{};
  const std::uint64_t tenant_bytes = tenant.size();
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<unsigned char>(tenant_bytes >> (8 * i));
  crypto_generichash_state state;
  const int failed = crypto_generichash_init(&state, key.data(), key.size(), digest.size());
  ENSURE(failed == 0, "crypto_generichash_init");
  Update(state, length.data(), length.size());
  Update(state, tenant.data(), tenant.size());
  Update(state, subject.data(), subject.size());
  const int unfinished = crypto_generichash_final(&state, digest.data(), digest.size());
  ENSURE(unfinished == 0, "crypto_generichash_final");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= static_cast<std::uint64_t>(digest[i]) << (8 * i);
  return SubjectHash{value == 0 ? 1 : value};
}

std::optional<SubjectHash> ParseSubjectHash(std::string_view text) {
  constexpr std::size_t kDigits = 16;
  if (!text.starts_with("0x") || text.size() != 2 + kDigits) return std::nullopt;
  SubjectHash hash;
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data() + 2, end, hash.value, 16);
  if (fault != std::errc() || stop != end || hash.value == 0) return std::nullopt;
  return hash;
}

}  // namespace pointsman::store
