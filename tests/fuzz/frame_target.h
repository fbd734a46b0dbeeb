// What the fuzzer feeds: a byte stream as a client would send it.
//
// Purpose: one target for libFuzzer and for the plain test. Threads: any, each
// with messages of its own. Limits: those of frames.
#pragma once

#include <cstdint>
#include <span>

namespace pointsman::fuzz {

// Cuts `bytes` into frames and parses each payload as its kind says, as session
// and services do. Aborts when an invariant is broken; any input is otherwise
// fine. Returns the number of whole frames.
std::size_t FeedStream(std::span<const std::uint8_t> bytes);

}  // namespace pointsman::fuzz
