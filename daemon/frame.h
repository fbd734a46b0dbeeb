// Frames: how bytes on route.sock become requests.
//
//   u32 payload length | u8 version | u8 kind | u16 flags | u64 correlation id | payload
//
// little-endian, 16 bytes of header. The length is checked before anything is
// allocated. The correlation id is the client's, unique among its requests in
// flight; replies carry it and may overtake each other. flags must be 0.
// docs/WIRE.md; golden vectors in tests/daemon.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pointsman::daemon {

inline constexpr std::size_t kFrameHeaderBytes = 16;
inline constexpr std::uint8_t kFrameVersion = 1;
inline constexpr std::uint32_t kFramePayloadBytesMax = 1U << 20;  // of a request

enum class FrameKind : std::uint8_t {
  kRoute = 1,
  kRouteBatch = 2,
  kOutcome = 3,
  kRate = 4,
  kPrefer = 5,
  kGold = 6,
  kRetract = 7,
  kStatus = 8,
  kPing = 9,
  kVote = 10,
  // A reply is its request's kind + 128; an error is 255.
  kError = 255,
};
constexpr FrameKind ReplyKind(FrameKind request) {
  return static_cast<FrameKind>(static_cast<std::uint8_t>(request) | 0x80);
}

struct FrameHeader {
  std::uint32_t payload_bytes = 0;
  std::uint8_t version = kFrameVersion;
  FrameKind kind = FrameKind::kPing;
  std::uint16_t flags = 0;
  std::uint64_t correlation = 0;
};

void EncodeFrameHeader(const FrameHeader& header, std::span<std::uint8_t, kFrameHeaderBytes> out);
// Errors (the connection must be closed after answering, the stream is lost):
//   INVALID_ARGUMENT  unknown version, non-zero flags
//   OUT_OF_RANGE      frame_too_large
// An unknown kind is not an error here: the payload can be skipped.
Result<FrameHeader> DecodeFrameHeader(std::span<const std::uint8_t, kFrameHeaderBytes> bytes,
                                      std::uint32_t payload_bytes_max);

}  // namespace pointsman::daemon
