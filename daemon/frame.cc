#include "daemon/frame.h"

#include <fmt/format.h>

namespace pointsman::daemon {
namespace {

// Byte by byte, so that the wire order does not depend on the machine's.
template <typename T>
void Put(T value, std::uint8_t* out) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
}

template <typename T>
T Get(const std::uint8_t* in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= static_cast<std::uint64_t>(in[i]) << (8 * i);
  return static_cast<T>(value);
}

}  // namespace

void EncodeFrameHeader(const FrameHeader& header, std::span<std::uint8_t, kFrameHeaderBytes> out) {
  Put(header.payload_bytes, out.data());
  out[4] = header.version;
  out[5] = static_cast<std::uint8_t>(header.kind);
  Put(header.flags, out.data() + 6);
  Put(header.correlation, out.data() + 8);
}

Result<FrameHeader> DecodeFrameHeader(std::span<const std::uint8_t, kFrameHeaderBytes> bytes,
                                      std::uint32_t payload_bytes_max) {
  FrameHeader header;
  header.payload_bytes = Get<std::uint32_t>(bytes.data());
  header.version = bytes[4];
  header.kind = static_cast<FrameKind>(bytes[5]);
  header.flags = Get<std::uint16_t>(bytes.data() + 6);
  header.correlation = Get<std::uint64_t>(bytes.data() + 8);
  // The version first: another version may have another meaning for the rest.
  if (header.version != kFrameVersion) {
    return MakeError(
        Code::kInvalidArgument, "unknown_version",
        fmt::format("frame version {} is not spoken here; send version {}", header.version, kFrameVersion));
  }
  if (header.flags != 0) {
    return MakeError(Code::kInvalidArgument, "unknown_flags",
                     fmt::format("frame flags {:#06x} are not known; send 0", header.flags));
  }
  if (header.payload_bytes > payload_bytes_max) {
    return MakeError(Code::kOutOfRange, "frame_too_large",
                     fmt::format("a payload of {} bytes was announced, at most {} are taken; send smaller batches",
                                 header.payload_bytes, payload_bytes_max));
  }
  return header;
}

}  // namespace pointsman::daemon
