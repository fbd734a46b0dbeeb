// One HTTP(S) endpoint that is sent JSON and answers with JSON.
//
// Connections are kept and reused. Certificates and host names are checked; there
// is no switch against it, only `ca_file` for a private authority. Redirects are
// not followed: they would carry the key elsewhere. Each request has one deadline
// for all of it (but for the resolver's own), and a bound on the reply's size.
//
// Threads: Post from any number of threads at once; Stop from any.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace pointsman::embed {

struct HttpEndpointOptions {
  std::string base_url;  // http://host[:port][/path] or https://...; no query, no user
  std::string key;       // sent as a bearer token; empty: none. Never in a message
  std::string ca_file;   // PEM; empty: the system's
  int connect_timeout_ms = 5'000;
  int timeout_ms = 60'000;  // from the first byte sent to the last received
  std::size_t reply_bytes_max = 16U << 20;
};

struct HttpReply {
  int status = 0;
  std::string body;
  double latency_ms = 0;
  double retry_after_seconds = -1;  // -1: not said; a date is not read
};

// Contract at the top of this file.
class HttpEndpoint {
 public:
  // Looks at the URL only. `clock` must outlive the endpoint.
  // Errors: INVALID_ARGUMENT base_url.
  static Result<std::unique_ptr<HttpEndpoint>> Create(const HttpEndpointOptions& options, const Clock& clock);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  // Sends `json` to base_url + path and waits for the whole reply, whatever its status.
  // Errors: UNAVAILABLE unreachable, certificate, cut or stopped; DEADLINE_EXCEEDED
  // timeout; RESOURCE_EXHAUSTED reply_too_large. Messages name the URL.
  Result<HttpReply> Post(const std::string& path, const std::string& json,
                         const std::vector<std::pair<std::string, std::string>>& headers = {});
  // Ends every request that is under way; later ones are refused.
  void Stop();

  const std::string& base_url() const;

 private:
  struct Impl;
  explicit HttpEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::embed
