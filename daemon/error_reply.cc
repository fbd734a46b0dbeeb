#include "daemon/error_reply.h"

namespace pointsman::daemon {

std::uint32_t RetryAfterMs(Code code) {
  if (RetryAdvice(code) != Retry::kAfterBackoff) return 0;
  if (code == Code::kResourceExhausted) return 100;
  if (code == Code::kBusy) return 250;
  return 1000;
}

void FillErrorReply(const Error& error, wire::ErrorReply* reply) {
  reply->set_code(static_cast<std::uint32_t>(error.code));
  reply->set_reason(error.reason);
  reply->set_message(error.message);
  reply->set_retry(static_cast<std::uint32_t>(RetryAdvice(error.code)));
  reply->set_retry_after_ms(RetryAfterMs(error.code));
}

}  // namespace pointsman::daemon
