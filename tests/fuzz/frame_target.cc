#include "tests/fuzz/frame_target.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/contract.h"
#include "daemon/error_reply.h"
#include "daemon/frame.h"
#include "wire.pb.h"

namespace pointsman::fuzz {
namespace {

using daemon::FrameKind;

template <typename Message>
void Parse(std::span<const std::uint8_t> payload) {
  // Reused, as the services do: leftovers of the last message must not show.
  static thread_local Message reused;
  const int bytes = static_cast<int>(payload.size());
  if (!reused.ParseFromArray(payload.data(), bytes)) return;
  Message fresh;
  ENSURE(fresh.ParseFromArray(payload.data(), bytes), "the same bytes parse twice");
  std::string once;
  std::string twice;
  ENSURE(fresh.SerializeToString(&once) && reused.SerializeToString(&twice), "what was parsed can be written");
  ENSURE(once == twice, "a reused message holds what a fresh one holds");
  ENSURE(fresh.ParseFromString(once), "what was written can be parsed");
}

void ParseAs(FrameKind kind, std::span<const std::uint8_t> payload) {
  switch (kind) {
    case FrameKind::kRoute: return Parse<wire::Route>(payload);
    case FrameKind::kRouteBatch: return Parse<wire::RouteBatch>(payload);
    case FrameKind::kOutcome: return Parse<wire::Outcome>(payload);
    case FrameKind::kRate: return Parse<wire::Rate>(payload);
    case FrameKind::kPrefer: return Parse<wire::Prefer>(payload);
    case FrameKind::kGold: return Parse<wire::Gold>(payload);
    case FrameKind::kRetract: return Parse<wire::Retract>(payload);
    case FrameKind::kStatus: return Parse<wire::Status>(payload);
    case FrameKind::kPing: return Parse<wire::Ping>(payload);
    case FrameKind::kVote: return Parse<wire::Vote>(payload);
    case FrameKind::kError: return Parse<wire::ErrorReply>(payload);
  }
}

}  // namespace

std::size_t FeedStream(std::span<const std::uint8_t> bytes) {
  std::size_t frames = 0;
  while (bytes.size() >= daemon::kFrameHeaderBytes) {
    const auto head = bytes.first<daemon::kFrameHeaderBytes>();
    const auto header = daemon::DecodeFrameHeader(head, daemon::kFramePayloadBytesMax);
    if (!header.ok()) {
      wire::ErrorReply reply;
      daemon::FillErrorReply(header.error(), &reply);
      ENSURE(!reply.reason().empty() && !reply.message().empty(), "an error says what to do");
      return frames;
    }
    ENSURE(header->payload_bytes <= daemon::kFramePayloadBytesMax, "the limit holds");
    std::array<std::uint8_t, daemon::kFrameHeaderBytes> again{};
    daemon::EncodeFrameHeader(header.value(), again);
    ENSURE(std::equal(head.begin(), head.end(), again.begin()), "a decoded header encodes to the same bytes");
    if (bytes.size() - daemon::kFrameHeaderBytes < header->payload_bytes) return frames;
    ParseAs(header->kind, bytes.subspan(daemon::kFrameHeaderBytes, header->payload_bytes));
    bytes = bytes.subspan(daemon::kFrameHeaderBytes + header->payload_bytes);
    ++frames;
  }
  return frames;
}

}  // namespace pointsman::fuzz

// libFuzzer's entry; without libFuzzer frame_fuzz_test.cc drives FeedStream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pointsman::fuzz::FeedStream({data, size});
  return 0;
}
