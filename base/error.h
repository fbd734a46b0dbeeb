// Error codes: the one table behind frames, HTTP answers and CLI exits.
//
//   Code      what went wrong, in one word; travels by number, so values are fixed
//   Retry     what the caller should do about it
//   Error     a code, a machine-readable reason and a sentence for people
//
// Source: docs/WIRE.md, section "Errors". Adding a code means deciding it in
// every switch below: they have no default and we build with -Werror=switch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pointsman {

// Sent to clients by number and never renumbered.
enum class Code : std::uint8_t {
  kOk = 0,                  // done
  kDuplicateOk = 1,         // the same request had been done before; no effect, no harm
  kInvalidArgument = 2,     // the input breaks a stated rule; repeating cannot help
  kOutOfRange = 3,          // a number is outside its stated range
  kNotFound = 4,            // well-formed name or id that is not known here
  kExpired = 5,             // the decision's time for feedback is over
  kPermissionDenied = 6,    // this peer may not do this
  kConflict = 7,            // same key, other content; the first one stays
  kFailedPrecondition = 8,  // right request, wrong moment; the reason says what is missing
  kBusy = 9,                // one of these runs already
  kResourceExhausted = 10,  // a bounded queue or quota is full; nothing was stored
  kUnavailable = 11,        // cannot serve now (disk full, shutting down)
  kDeadlineExceeded = 12,   // a stated time limit passed
  kDataLoss = 13,           // stored bytes break an invariant; a person must look
  kInternal = 14,           // our bug
};

enum class Retry : std::uint8_t {
  kNever,         // repeating the same request cannot help
  kSameRequest,   // repeat as it is; requests are idempotent
  kAfterBackoff,  // repeat later, with growing pauses
};

// Upper-case name as clients see it, for example "INVALID_ARGUMENT".
std::string_view CodeName(Code code);
// What a caller should do about `code`.
Retry RetryAdvice(Code code);
// HTTP status of an answer that carries `code` (200 for kOk and kDuplicateOk).
int HttpStatus(Code code);

// Exit codes of our programs; sysexits.h where it has a word for it.
enum class Exit : int {
  kOk = 0,
  kNegative = 1,       // a negative answer: not equal, not found, gate refused
  kUsage = 2,          // the command line is wrong
  kDataDamaged = 65,   // stored data is damaged
  kUnreachable = 69,   // the daemon does not answer
  kOurBug = 70,        // internal error
  kOsResource = 71,    // the operating system refused a resource
  kIo = 74,            // input or output failed
  kTryLater = 75,      // store locked or disk full
  kNotPermitted = 77,  // this user may not do this
  kConfig = 78,        // the configuration is wrong
};

// The exit code of a command that ends with `code`.
Exit ExitFor(Code code);

// Why an operation was refused.
//
//   reason   stable snake_case word for programs ("decision_not_logged"); may be empty
//   message  a sentence for people: what was wrong, with the value, and what to
//            do. Never holds prompt text, keys or tokens.
struct [[nodiscard]] Error {
  Code code = Code::kInternal;
  std::string reason;
  std::string message;
};

}  // namespace pointsman
