// Decision tokens: 32 bytes that only we can make.
//
//   version 1 | boot epoch 3 | counter 6 | expiry minutes 4 | generation 2 | MAC 16
//
// little-endian; the MAC is keyed BLAKE2b-128 (libsodium) over the first 16 bytes,
// the owner's uid and the tenant, so a token is bound to who asked. The first 16
// bytes are the DecisionId. Text form: "d1_" + 52 characters of lower-case base32
// (RFC 4648 without padding). Golden vectors: tests/store, docs/WIRE.md.
//
// The MAC is checked in constant time and before anything is looked up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace pointsman::store {

inline constexpr std::uint8_t kTokenVersion = 1;
using TokenBytes = std::array<std::uint8_t, 32>;
using TokenKey = std::array<std::uint8_t, 32>;

std::string TokenText(const TokenBytes& token);
// Errors: INVALID_ARGUMENT malformed_token.
Result<TokenBytes> ParseTokenText(std::string_view text);

class TokenMint {
 public:
  // `boot_epoch`: differs between starts of the daemon on one store (24 bits).
  // `previous`: also accepted, while a key is rotated; all zero for none.
  TokenMint(const TokenKey& key, const TokenKey& previous, std::uint32_t boot_epoch);

  // Threads: any.
  TokenBytes Mint(std::uint32_t owner_uid, std::string_view tenant, std::int64_t expires_at_us,
                  Generation generation);

  struct Opened {
    DecisionId id;
    std::int64_t expires_at_us = 0;  // to the minute, rounded up
    Generation generation;           // low 16 bits
  };
  // Errors: INVALID_ARGUMENT for another version; NOT_FOUND forged_or_foreign when
  // the MAC does not fit this uid and tenant (one answer for both, on purpose);
  // EXPIRED when now_us is past the expiry. Threads: any.
  Result<Opened> Open(const TokenBytes& token, std::uint32_t uid, std::string_view tenant,
                      std::int64_t now_us) const;

 private:
  TokenKey key_;
  TokenKey previous_;
  std::uint32_t boot_epoch_;
  std::atomic<std::uint64_t> counter_{0};
};

// Reads the 32-byte key file, or makes it (0600, synced, atomically).
// Errors: PERMISSION_DENIED when others may read it; DATA_LOSS for a wrong length;
// UNAVAILABLE for I/O.
Result<TokenKey> LoadOrMakeKey(const std::string& path);

}  // namespace pointsman::store
