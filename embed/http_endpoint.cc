#include "embed/http_endpoint.h"

#include <fmt/format.h>
#include <httplib.h>

#include <charconv>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <regex>
#include <thread>

namespace pointsman::embed {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;

double RetryAfter(const httplib::Response& response) {
  const std::string text = response.get_header_value("Retry-After");
  double seconds = -1;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return fault == std::errc() && end == text.data() + text.size() && seconds >= 0 ? seconds : -1;
}

}  // namespace

struct HttpEndpoint::Impl {
  Impl(const HttpEndpointOptions& options_in, const Clock& clock_in) : options(options_in), clock(clock_in) {}

  // A request under way: what the watcher ends when its time is over.
  struct Flight {
    httplib::Client* client = nullptr;
    std::int64_t deadline_nanos = 0;
    bool late = false;
  };

  const HttpEndpointOptions options;
  const Clock& clock;
  std::string origin;  // scheme, host and port
  std::string prefix;  // path of the base URL, without a slash at its end

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::unique_ptr<httplib::Client>> idle;
  std::map<std::uint64_t, Flight> flights;
  std::uint64_t next_flight = 0;
  bool stopped = false;
  bool ending = false;
  std::jthread watcher;

  std::unique_ptr<httplib::Client> Take();
  void Watch();
  Error Fault(httplib::Error error, bool late) const;
};

std::unique_ptr<httplib::Client> HttpEndpoint::Impl::Take() {
  if (!idle.empty()) {
    auto client = std::move(idle.back());
    idle.pop_back();
    return client;
  }
  auto client = std::make_unique<httplib::Client>(origin);
  client->set_keep_alive(true);
  client->set_follow_location(false);
  client->set_connection_timeout(options.connect_timeout_ms / 1000, options.connect_timeout_ms % 1000 * 1000);
  // Longer than the deadline, which is the watcher's.
  client->set_read_timeout(options.timeout_ms / 1000 + 1, 0);
  client->set_write_timeout(options.timeout_ms / 1000 + 1, 0);
  client->set_tcp_nodelay(true);
  client->enable_server_certificate_verification(true);
  if (!options.ca_file.empty()) client->set_ca_cert_path(options.ca_file);
  if (!options.key.empty()) client->set_bearer_token_auth(options.key);
  return client;
}

// The library's time limits are for a read each; a server that drips bytes would
// hold a request for ever. So one thread closes the connection of what is late.
void HttpEndpoint::Impl::Watch() {
  std::unique_lock lock(mutex);
  while (!ending) {
    const std::int64_t now = clock.MonotonicNanos();
    std::int64_t nearest = now + 3600'000 * kNanosPerMilli;
    for (auto& [number, flight] : flights) {
      if (stopped || flight.deadline_nanos <= now) {
        flight.late = true;
        flight.client->stop();
        // Again soon: it may have had no connection yet that could be closed.
        nearest = std::min(nearest, now + 100 * kNanosPerMilli);
      } else {
        nearest = std::min(nearest, flight.deadline_nanos);
      }
    }
    changed.wait_for(lock, std::chrono::nanoseconds(nearest - now));
  }
}

Error HttpEndpoint::Impl::Fault(httplib::Error error, bool late) const {
  const std::string& url = options.base_url;
  if (stopped) return MakeError(Code::kUnavailable, "stopped", "the request to " + url + " was ended");
  if (late) {
    return MakeError(Code::kDeadlineExceeded, "timeout",
                     fmt::format("{} did not answer within {} ms", url, options.timeout_ms));
  }
  switch (error) {
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification:
      return MakeError(Code::kUnavailable, "certificate",
                       "no trusted connection to " + url + ": check its certificate, host name and ca_file");
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::BindIPAddress: return MakeError(Code::kUnavailable, "unreachable", "cannot connect to " + url);
    case httplib::Error::Canceled:
      return MakeError(Code::kResourceExhausted, "reply_too_large",
                       fmt::format("{} answered with more than {} bytes", url, options.reply_bytes_max));
    default:
      return MakeError(Code::kUnavailable, "cut",
                       fmt::format("the connection to {} broke off: {}", url, httplib::to_string(error)));
  }
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->watcher = std::jthread([raw = impl_.get()] { raw->Watch(); });
}

HttpEndpoint::~HttpEndpoint() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->changed.notify_all();
}

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Create(const HttpEndpointOptions& options, const Clock& clock) {
  static const std::regex kUrl(R"((https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?)(/[^?#\s@]*)?)");
  std::smatch match;
  if (!std::regex_match(options.base_url, match, kUrl)) {
    return MakeError(Code::kInvalidArgument, "base_url",
                     "the base URL must look like https://host/v1, without user, query or fragment");
  }
  auto impl = std::make_unique<Impl>(options, clock);
  impl->origin = match[1];
  impl->prefix = match[2];
  while (impl->prefix.ends_with('/')) impl->prefix.pop_back();
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

Result<HttpReply> HttpEndpoint::Post(const std::string& path, const std::string& json,
                                     const std::vector<std::pair<std::string, std::string>>& headers) {
  Impl& impl = *impl_;
  const std::int64_t begun = impl.clock.MonotonicNanos();
  std::unique_ptr<httplib::Client> client;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(impl.mutex);
    if (impl.stopped) return impl.Fault(httplib::Error::Canceled, false);
    client = impl.Take();
    number = impl.next_flight++;
    impl.flights[number] = {client.get(), begun + impl.options.timeout_ms * kNanosPerMilli, false};
  }
  impl.changed.notify_all();
  httplib::Request request;
  request.method = "POST";
  request.path = impl.prefix + path;
  request.set_header("Content-Type", "application/json");
  request.set_header("Accept", "application/json");
  for (const auto& [name, value] : headers) request.set_header(name, value);
  request.body = json;
  HttpReply reply;
  request.content_receiver = [&](const char* data, std::size_t length, std::uint64_t, std::uint64_t) {
    if (reply.body.size() + length > impl.options.reply_bytes_max) return false;
    reply.body.append(data, length);
    return true;
  };
  const httplib::Result result = client->send(request);
  const std::lock_guard lock(impl.mutex);
  const bool late = impl.flights[number].late;
  impl.flights.erase(number);
  if (!result) return impl.Fault(result.error(), late || result.error() == httplib::Error::ConnectionTimeout);
  if (late) return impl.Fault(httplib::Error::Read, true);
  reply.status = result->status;
  reply.latency_ms = static_cast<double>(impl.clock.MonotonicNanos() - begun) / static_cast<double>(kNanosPerMilli);
  reply.retry_after_seconds = RetryAfter(*result);
  impl.idle.push_back(std::move(client));
  return reply;
}

void HttpEndpoint::Stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
  }
  impl_->changed.notify_all();
}

const std::string& HttpEndpoint::base_url() const { return impl_->options.base_url; }

}  // namespace pointsman::embed
