// Stored bytes of events and decision rows: explicit conversion both ways.
//
// A stored value is sealed: u64 little-endian xxh3-64 over the payload, seeded
// with the xxh3-64 of its key, then the payload, a record.proto message. A value
// that was moved to another key, cut or changed in any bit does not open.
//
// Total    decoding never crashes: whatever the bytes, it returns the value or
//          DATA_LOSS with what is wrong.
// Paired   CheckPayload and CheckRow are run before writing (there a fault is the
//          caller's, INVALID_ARGUMENT) and after reading (there it is damage), so
//          that nothing can be written that would not be read again.
//
// Pure; threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "policy/learning/attribution.h"
#include "policy/learning/event.h"

namespace pointsman::store {

inline constexpr std::size_t kTenantBytesMax = 256;
inline constexpr std::size_t kNameBytesMax = 128;
inline constexpr std::size_t kTextBytesMax = 1024;

// Checksum and payload for `key`.
std::string Seal(std::string_view key, std::string_view payload);
// The payload, inside `value`. Errors: DATA_LOSS.
Result<std::string_view> Unseal(std::string_view key, std::string_view value);

// Every number finite, every enum known, every list within its capacity, every
// text within its bound. Errors: INVALID_ARGUMENT naming the field.
Status CheckPayload(const policy::Payload& payload);
Status CheckRow(const policy::DecisionRow& row);

// The sealed value of `event` under LogKey(event.seq). The payload must pass
// CheckPayload and event.seq be at least 1.
std::string EncodeEvent(const policy::Event& event);
// Errors: DATA_LOSS: checksum, malformed, out of range, or a wrong predecessor.
Result<policy::Event> DecodeEvent(LogSeq seq, std::string_view value);

// EventType of a sealed event, without opening it; 0 where the bytes begin otherwise.
std::uint8_t PeekEventType(std::string_view value);

// The sealed value of `row` under its decision's id.
std::string EncodeRow(const policy::DecisionRow& row);
// Errors: DATA_LOSS.
Result<policy::DecisionRow> DecodeRow(const DecisionId& id, std::string_view value);

}  // namespace pointsman::store
