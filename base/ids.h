// Strong types for the numbers that name things.
//
// Each is a distinct type, so that a cluster cannot be passed for a model; none
// converts by itself. All are ordered and hashable by value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>

namespace pointsman {

// Dense number of a pool member, given by its ModelAdded event from 1 on and
// never reused. The pool maps it to (name, epoch).
struct ModelId {
  std::uint32_t value = 0;
  auto operator<=>(const ModelId&) const = default;
};

// Region of embedding space inside one bundle. 0 is the background.
struct ClusterId {
  std::uint32_t value = 0;
  auto operator<=>(const ClusterId&) const = default;
};
inline constexpr ClusterId kBackground{0};

// Number of an activated bundle; only ever rises. 0: started without a bundle.
struct Generation {
  std::uint32_t value = 0;
  auto operator<=>(const Generation&) const = default;
};

// Position in the log. 0: before the first event.
struct LogSeq {
  std::uint64_t value = 0;
  auto operator<=>(const LogSeq&) const = default;
};

// The first 16 bytes of a decision token: unique, not secret, ordered by time
// within one start of the daemon.
struct DecisionId {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const DecisionId&) const = default;
};

// Content hash of a bundle (BLAKE2b-256): its identity.
struct BundleHash {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const BundleHash&) const = default;
  bool IsZero() const { return *this == BundleHash{}; }
};

// Keyed hash of a subject's name; the name itself is never stored. 0: the
// decision itself is the subject.
struct SubjectHash {
  std::uint64_t value = 0;
  auto operator<=>(const SubjectHash&) const = default;
};

}  // namespace pointsman

template <>
struct std::hash<pointsman::ModelId> {
  std::size_t operator()(pointsman::ModelId id) const noexcept { return id.value; }
};
template <>
struct std::hash<pointsman::ClusterId> {
  std::size_t operator()(pointsman::ClusterId id) const noexcept { return id.value; }
};
template <>
struct std::hash<pointsman::DecisionId> {
  std::size_t operator()(const pointsman::DecisionId& id) const noexcept {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::memcpy(&low, id.bytes.data(), 8);
    std::memcpy(&high, id.bytes.data() + 8, 8);
    return static_cast<std::size_t>(low * 0x9E3779B97F4A7C15ULL ^ high);
  }
};
