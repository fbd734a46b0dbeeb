// One HTTP exchange: with our own server over a Unix socket, or with a router under test
// (`simulate --against`) over TCP.
//
// Written by hand because it is this small: one request a connection, which the server
// closes. So the program needs no HTTP library. No TLS, no chunks.
// Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace pointsman::cli {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// `address`: the path of a socket, or tcp:HOST:PORT.
// `body` goes as application/json. Waits at most `timeout_ms` in all; the answer has
// at most 64 MiB.
// Errors: UNAVAILABLE unreachable (nobody listens, no such socket); PERMISSION_DENIED
// (this user may not connect); DEADLINE_EXCEEDED; INVALID_ARGUMENT for a path above
// 107 bytes; INTERNAL for an answer that is not HTTP.
Result<HttpAnswer> HttpCall(const Clock& clock, const std::string& address, std::string_view method,
                            std::string_view path, std::string_view body, int timeout_ms);

// `text` as one part of a path: all but unreserved characters as %XX.
std::string PathPart(std::string_view text);

}  // namespace pointsman::cli
