#include "store/decision_token.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/file_error.h"
#include "store/atomic_file.h"
#include "store/little_endian.h"

namespace pointsman::store {

namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kPrefix = "d1_";
constexpr std::size_t kTextCharacters = 52;
constexpr std::size_t kBodyBytes = 16;
constexpr std::size_t kMacBytes = 16;
constexpr std::int64_t kMinuteMicros = 60'000'000;

void RequireSodium() {
  static const int ready = sodium_init();
  REQUIRE(ready >= 0, "libsodium cannot start");
}

// Keyed BLAKE2b-128 over the body, the owner and the tenant. The tenant comes
// last, so that no two inputs run together.
std::array<std::uint8_t, kMacBytes> MacOf(const TokenKey& key, const std::uint8_t* body, std::uint32_t uid,
                                          std::string_view tenant) {
  std::array<std::uint8_t, 4> owner{};
  PutLittle(uid, owner.size(), owner.data());
  std::array<std::uint8_t, kMacBytes> mac{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data(), key.size(), mac.size());
  crypto_generichash_update(&state, body, kBodyBytes);
  crypto_generichash_update(&state, owner.data(), owner.size());
  crypto_generichash_update(&state, reinterpret_cast<const std::uint8_t*>(tenant.data()), tenant.size());
  crypto_generichash_final(&state, mac.data(), mac.size());
  return mac;
}

std::uint64_t ExpiryMinutes(std::int64_t expires_at_us) {
  if (expires_at_us <= 0) return 0;
  const std::int64_t minutes = expires_at_us / kMinuteMicros + (expires_at_us % kMinuteMicros != 0 ? 1 : 0);
  return std::min<std::uint64_t>(static_cast<std::uint64_t>(minutes), std::numeric_limits<std::uint32_t>::max());
}

Error Malformed(const std::string& why) {
  return MakeError(Code::kInvalidArgument, "malformed_token",
                   "a decision token is d1_ and 52 characters a-z2-7, as the route reply gave it: " + why);
}

Result<TokenKey> KeyOfBytes(const std::string& path, std::string_view bytes) {
  TokenKey key{};
  if (bytes.size() != key.size()) {
    return MakeError(Code::kDataLoss, "bad_key_length",
                     path + " holds " + std::to_string(bytes.size()) +
                         " bytes where a token key has 32; restore it, or remove it to make a new one "
                         "(open decisions then take no feedback)");
  }
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

// Nothing when there is no such file.
Result<std::optional<TokenKey>> ReadKey(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::optional<TokenKey>{};
    if (errno == EACCES) {
      return MakeError(Code::kPermissionDenied, "key_not_readable", "this user may not read " + path);
    }
    return FileError("open", path, errno);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return FileError("inspect", path, errno);
  // systemd credentials belong to root and let their one reader in by an access
  // list, whose mask shows as group read.
  const bool credential = info.st_uid == 0 && ::geteuid() != 0;
  const mode_t forbidden = credential ? mode_t{037} : mode_t{077};
  if (!S_ISREG(info.st_mode) || (info.st_mode & forbidden) != 0) {
    return MakeError(Code::kPermissionDenied, "key_open_to_others",
                     path + " must be a regular file that only its owner may read: chmod 0600 it");
  }
  std::array<char, 64> bytes{};
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  auto key = KeyOfBytes(path, {bytes.data(), size});
  sodium_memzero(bytes.data(), bytes.size());
  if (!key.ok()) return key.error();
  return std::optional<TokenKey>{*key};
}

}  // namespace

std::string TokenText(const TokenBytes& token) {
  std::string text(kPrefix);
  std::uint32_t window = 0;
  unsigned bits = 0;
  for (const std::uint8_t byte : token) {
    window = (window << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text.push_back(kAlphabet[(window >> bits) & 31U]);
    }
  }
  if (bits > 0) text.push_back(kAlphabet[(window << (5 - bits)) & 31U]);
  return text;
}

Result<TokenBytes> ParseTokenText(std::string_view text) {
  if (text.substr(0, kPrefix.size()) != kPrefix) return Malformed("it does not begin with d1_");
  text.remove_prefix(kPrefix.size());
  if (text.size() != kTextCharacters) return Malformed("it has another length");
  TokenBytes token{};
  std::uint32_t window = 0;
  unsigned bits = 0;
  std::size_t next = 0;
  for (const char letter : text) {
    const auto digit = kAlphabet.find(letter);
    if (digit == std::string_view::npos) return Malformed("it holds another character");
    window = (window << 5) | static_cast<std::uint32_t>(digit);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      token[next++] = static_cast<std::uint8_t>(window >> bits);
    }
  }
  // One text for one token: the four bits left over are zero.
  if ((window & ((1U << bits) - 1U)) != 0) return Malformed("its last character is not one that we write");
  return token;
}

TokenMint::TokenMint(const TokenKey& key, const TokenKey& previous, std::uint32_t boot_epoch)
    : key_(key), previous_(previous), boot_epoch_(boot_epoch & 0xffffffU) {
  RequireSodium();
}

TokenBytes TokenMint::Mint(std::uint32_t owner_uid, std::string_view tenant, std::int64_t expires_at_us,
                           Generation generation) {
  const std::uint64_t counter = counter_.fetch_add(1, std::memory_order_relaxed);
  ENSURE(counter < (1ULL << 48), "a daemon mints fewer than 2^48 tokens");
  TokenBytes token{};
  token[0] = kTokenVersion;
  PutLittle(boot_epoch_, 3, &token[1]);
  PutLittle(counter, 6, &token[4]);
  PutLittle(ExpiryMinutes(expires_at_us), 4, &token[10]);
  PutLittle(generation.value & 0xffffU, 2, &token[14]);
  const auto mac = MacOf(key_, token.data(), owner_uid, tenant);
  std::copy(mac.begin(), mac.end(), token.begin() + kBodyBytes);
  return token;
}

Result<TokenMint::Opened> TokenMint::Open(const TokenBytes& token, std::uint32_t uid, std::string_view tenant,
                                          std::int64_t now_us) const {
  if (token[0] != kTokenVersion) return Malformed("another version");
  const auto expected = MacOf(key_, token.data(), uid, tenant);
  bool genuine = sodium_memcmp(expected.data(), &token[kBodyBytes], kMacBytes) == 0;
  if (previous_ != TokenKey{}) {
    const auto older = MacOf(previous_, token.data(), uid, tenant);
    const bool fits = sodium_memcmp(older.data(), &token[kBodyBytes], kMacBytes) == 0;
    genuine = genuine || fits;
  }
  if (!genuine) {
    return MakeError(Code::kNotFound, "forged_or_foreign",
                     "no decision of this user and tenant has that token; send it as the route reply gave it");
  }
  Opened opened;
  std::copy(token.begin(), token.begin() + kBodyBytes, opened.id.bytes.begin());
  opened.expires_at_us = static_cast<std::int64_t>(GetLittle(&token[10], 4)) * kMinuteMicros;
  opened.generation = Generation{static_cast<std::uint32_t>(GetLittle(&token[14], 2))};
  if (now_us >= opened.expires_at_us) {
    return MakeError(Code::kExpired, "decision_expired", "the time for feedback on this decision is over");
  }
  return opened;
}

Result<TokenKey> LoadOrMakeKey(const std::string& path) {
  RequireSodium();
  auto found = ReadKey(path);
  if (!found.ok()) return found.error();
  if (found->has_value()) return **found;
  TokenKey key{};
  randombytes_buf(key.data(), key.size());
  const std::string_view bytes(reinterpret_cast<const char*>(key.data()), key.size());
  const Status written = WriteFileAtomically(path, bytes, 0600, /*keep_existing=*/true);
  if (written.ok()) return key;
  if (written.error().reason != "exists") return written.error();
  // Another process was first: its key is the key.
  found = ReadKey(path);
  if (!found.ok()) return found.error();
  if (!found->has_value()) return MakeError(Code::kUnavailable, "storage_io", path + " came and went; try again");
  return **found;
}

}  // namespace pointsman::store
