// Keys and column families of the store. docs/RECORDS.md.
//
//   log        u64 big-endian sequence          -> sealed record.Event
//   decisions  16 bytes decision id             -> sealed record.DecisionRow
//   state      policy/belief/state_codec keys   -> policy/belief/state_codec values
//   bundles    32 bytes content hash            -> bundle file bytes
//   meta       a word                           -> sealed record message
//              "base/" and a key of `state`     -> its value in the base state
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace pointsman::store {

// 1: the first. 2: the bytes of the log are counted, and old events may be gone, with
// a base state in their place (store/rocks_retention.cc).
inline constexpr std::uint32_t kSchemaVersion = 2;

// Order of the handles in rocks_store. The default family stays empty.
inline constexpr std::array<const char*, 6> kColumnFamilies = {"default", "log",     "decisions",
                                                               "state",   "bundles", "meta"};
enum class Family : std::uint8_t { kDefault = 0, kLog = 1, kDecisions = 2, kState = 3, kBundles = 4, kMeta = 5 };

inline constexpr std::string_view kSchemaKey = "schema";
inline constexpr std::string_view kOpenDecisionsKey = "open_decisions";
inline constexpr std::string_view kCheckpointKey = "checkpoint";
inline constexpr std::string_view kBaseKey = "base";
inline constexpr std::string_view kBaseRowPrefix = "base/";

// Big-endian, so that keys sort by number.
std::string LogKey(LogSeq seq);
// None for another length than 8.
std::optional<LogSeq> ParseLogKey(std::string_view key);

inline std::string_view KeyOf(const DecisionId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}
inline std::string_view KeyOf(const BundleHash& hash) {
  return {reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()};
}

}  // namespace pointsman::store
