#include "bootstrap/llm/chat_client.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/fault_point.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/unit_draw.h"
#include "embed/http_endpoint.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kPauseMaxSeconds = 60;
constexpr double kRetryAfterMaxSeconds = 120;
constexpr double kCharactersPerToken = 4;
constexpr std::size_t kShownBytes = 200;

double TokensOf(std::string_view text) { return std::ceil(static_cast<double>(text.size()) / kCharactersPerToken); }

// What went wrong, in the endpoint's own words, for people.
std::string Complaint(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view message;
  if (parser.parse(body).get(root) == simdjson::SUCCESS && root["error"]["message"].get(message) == simdjson::SUCCESS) {
    return log::Escape(message.substr(0, kShownBytes));
  }
  return "no reason given";
}

bool MayPass(int status) { return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500; }

}  // namespace

bool ConcernsOneQuestion(const Error& error) { return error.reason == "question_refused"; }

std::string ChatRequestJson(const ChatEndpointOptions& endpoint, const ChatQuestion& question) {
  const double temperature = question.temperature >= 0 ? question.temperature : endpoint.temperature;
  const std::uint32_t most = question.max_tokens > 0 ? question.max_tokens : endpoint.max_tokens;
  std::string json = "{\"model\":" + JsonText(endpoint.model) + ",\"messages\":[";
  if (!question.system.empty()) json += "{\"role\":\"system\",\"content\":" + JsonText(question.system) + "},";
  json += "{\"role\":\"user\",\"content\":" + JsonText(question.text) + "}]";
  json += fmt::format(",\"temperature\":{},\"max_tokens\":{}", temperature, most);
  if (endpoint.log_probabilities) json += ",\"logprobs\":true";
  return json + "}";
}

Result<StoredCall> ReadChatReply(const std::string& body, const ChatQuestion& question) {
  const auto malformed = [](const char* what) {
    return MakeError(Code::kDataLoss, "malformed_reply", std::string("the reply is not a chat completion: ") + what);
  };
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (parser.parse(body).get(root) != simdjson::SUCCESS) return malformed("it is not a JSON object");
  simdjson::dom::object choice;
  if (root["choices"].at(0).get(choice) != simdjson::SUCCESS) return malformed("choices is missing or empty");
  StoredCall call;
  simdjson::dom::element content;
  if (choice["message"]["content"].get(content) != simdjson::SUCCESS) return malformed("no message with content");
  std::string_view text;
  if (!content.is_null() && content.get(text) != simdjson::SUCCESS) return malformed("content is not a text");
  call.text = std::string(text);
  std::string_view reason;
  if (choice["finish_reason"].get(reason) == simdjson::SUCCESS) call.truncated = reason == "length";
  call.tokens_in = TokensOf(question.system) + TokensOf(question.text);
  call.tokens_out = TokensOf(call.text);
  simdjson::dom::object usage;
  if (root["usage"].get(usage) == simdjson::SUCCESS) {
    double number = 0;
    if (usage["prompt_tokens"].get(number) == simdjson::SUCCESS && number >= 0) call.tokens_in = number;
    if (usage["completion_tokens"].get(number) == simdjson::SUCCESS && number >= 0) call.tokens_out = number;
  }
  simdjson::dom::array tokens;
  if (choice["logprobs"]["content"].get(tokens) == simdjson::SUCCESS) {
    double sum = 0;
    double count = 0;
    for (const simdjson::dom::element token : tokens) {
      double value = 0;
      if (token["logprob"].get(value) != simdjson::SUCCESS || !std::isfinite(value)) continue;
      sum += std::min(value, 0.0);
      ++count;
    }
    if (count > 0) call.log_probability = sum / count;
  }
  return call;
}

struct ChatClient::Impl {
  Impl(const ChatEndpointOptions& options_in, const Clock& clock_in, CallLog& log_in, Meter& meter_in)
      : options(options_in), clock(clock_in), log(log_in), meter(meter_in) {}

  const ChatEndpointOptions options;
  const Clock& clock;
  CallLog& log;
  Meter& meter;
  std::unique_ptr<embed::HttpEndpoint> endpoint;

  std::mutex mutex;
  std::condition_variable freed;
  std::uint32_t busy = 0;
  std::int64_t next_start_nanos = 0;  // where requests per minute are limited

  double CostOf(double tokens_in, double tokens_out) const {
    return (tokens_in * options.input_usd_per_million + tokens_out * options.output_usd_per_million) / 1e6;
  }
  bool WaitForTurn();
  void Leave();
  Result<StoredCall> Try(const ChatQuestion& question, const std::string& json, const CallKey& key,
                         double* pause_seconds, bool* again);
  Error Refusal(const embed::HttpReply& reply) const;
};

// False when the job was stopped meanwhile. A request that is limited by the minute
// takes its moment first and waits for it.
bool ChatClient::Impl::WaitForTurn() {
  std::unique_lock lock(mutex);
  freed.wait(lock, [this] { return busy < options.concurrency; });
  ++busy;
  if (options.requests_per_minute <= 0) return true;
  const std::int64_t now = clock.MonotonicNanos();
  const std::int64_t start = std::max(now, next_start_nanos);
  next_start_nanos = start + static_cast<std::int64_t>(60e9 / options.requests_per_minute);
  lock.unlock();
  return start == now || meter.Wait(static_cast<double>(start - now) * 1e-9);
}

void ChatClient::Impl::Leave() {
  {
    const std::lock_guard lock(mutex);
    --busy;
  }
  freed.notify_one();
}

Error ChatClient::Impl::Refusal(const embed::HttpReply& reply) const {
  const std::string said = fmt::format("{} answered {} for {}: {}", options.base_url, reply.status,
                                       log::Escape(options.model), Complaint(reply.body));
  switch (reply.status) {
    case 401:
    case 403:
      return MakeError(Code::kPermissionDenied, "key_refused",
                       options.field + ".key_env: the key was refused; " + said);
    case 404: return MakeError(Code::kNotFound, "no_such_model", options.field + ".model: " + said);
    default:
      return MakeError(Code::kInvalidArgument, "question_refused", options.field + ": a question was refused; " + said);
  }
}

// One request. `again`: it may pass when tried again, after the pause.
Result<StoredCall> ChatClient::Impl::Try(const ChatQuestion& question, const std::string& json, const CallKey& key,
                                         double* pause_seconds, bool* again) {
  *again = false;
  *pause_seconds = 0;
  const double tokens_in = TokensOf(question.system) + TokensOf(question.text) + 16;
  const std::uint32_t most = question.max_tokens > 0 ? question.max_tokens : options.max_tokens;
  const double worst = CostOf(tokens_in, most);
  const Status reserved = meter.Reserve(worst);
  if (!reserved.ok()) return reserved.error();
  if (!WaitForTurn()) {
    Leave();
    meter.Settle(worst, 0, false);
    return meter.Reserve(0).error();
  }
  const auto reply = endpoint->Post("/chat/completions", json, {{"Idempotency-Key", KeyText(key)}});
  Leave();
  if (!reply.ok() || reply->status != 200) {
    meter.Settle(worst, 0, false);
    if (!reply.ok()) {
      *again = reply.error().reason != "certificate" && reply.error().reason != "reply_too_large";
      return MakeError(reply.error().code, "endpoint_down", options.field + ".base_url: " + reply.error().message);
    }
    *again = MayPass(reply->status);
    *pause_seconds = std::min(reply->retry_after_seconds, kRetryAfterMaxSeconds);
    const Error refusal = Refusal(reply.value());
    if (!*again) return refusal;
    return MakeError(Code::kUnavailable, "endpoint_down",
                     fmt::format("{}.base_url: {} answered {}: {}", options.field, options.base_url, reply->status,
                                 Complaint(reply->body)));
  }
  auto call = ReadChatReply(reply->body, question);
  if (!call.ok()) {
    // It may have been paid for: the cap must not be passed by such replies.
    meter.Settle(worst, CostOf(tokens_in, 0), false);
    *again = true;
    return MakeError(Code::kUnavailable, "endpoint_down", options.field + ".base_url: " + call.error().message);
  }
  call->label = options.name;
  call->latency_ms = reply->latency_ms;
  call->cost_usd = CostOf(call->tokens_in, call->tokens_out);
  FAULT_POINT("bootstrap.chat.answered");
  const Status kept = log.Put(key, call.value());
  meter.Settle(worst, call->cost_usd, true);
  if (!kept.ok()) return kept.error();
  return call;
}

Result<std::unique_ptr<ChatClient>> ChatClient::Create(const ChatEndpointOptions& options, const Clock& clock,
                                                       CallLog& log, Meter& meter) {
  auto impl = std::make_unique<Impl>(options, clock, log, meter);
  embed::HttpEndpointOptions http;
  http.base_url = options.base_url;
  http.key = options.key;
  http.ca_file = options.ca_file;
  http.timeout_ms = static_cast<int>(options.timeout_ms);
  http.connect_timeout_ms = static_cast<int>(options.connect_timeout_ms);
  auto endpoint = embed::HttpEndpoint::Create(http, clock);
  if (!endpoint.ok()) {
    return MakeError(endpoint.error().code, endpoint.error().reason,
                     options.field + ".base_url: " + endpoint.error().message);
  }
  impl->endpoint = std::move(endpoint).value();
  return std::unique_ptr<ChatClient>(new ChatClient(std::move(impl)));
}

ChatClient::ChatClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatClient::~ChatClient() = default;

Result<StoredCall> ChatClient::Ask(const ChatQuestion& question) {
  const std::string json = ChatRequestJson(impl_->options, question);
  const CallKey key = KeyOf(fmt::format("{}\n{}\n{}", impl_->options.base_url, question.attempt, json));
  if (auto known = impl_->log.Find(key)) {
    impl_->meter.Reused();
    return std::move(*known);
  }
  SplitMix64 jitter(key.low);
  double backoff = impl_->options.first_pause_seconds;
  for (std::uint32_t attempt = 1;; ++attempt) {
    bool again = false;
    double asked_pause = 0;
    auto answer = impl_->Try(question, json, key, &asked_pause, &again);
    if (answer.ok() || !again || attempt >= impl_->options.tries) return answer;
    impl_->meter.Retried();
    const double pause = std::max(asked_pause, backoff * (0.5 + 0.5 * jitter.Unit()));
    backoff = std::min(2 * backoff, kPauseMaxSeconds);
    if (!impl_->meter.Wait(pause)) return impl_->meter.Reserve(0).error();
  }
}

const ChatEndpointOptions& ChatClient::options() const { return impl_->options; }

void ChatClient::Stop() { impl_->endpoint->Stop(); }

}  // namespace pointsman::bootstrap
