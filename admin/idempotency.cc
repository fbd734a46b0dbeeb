#include "admin/idempotency.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace pointsman::admin {
namespace {

std::string NameOf(std::uint32_t uid, std::string_view key) { return std::to_string(uid) + " " + std::string(key); }

std::uint64_t FingerprintOf(std::string_view method, std::string_view path, std::string_view body) {
  std::string whole(method);
  whole += '\n';
  whole += path;
  whole += '\n';
  whole += body;
  return std::hash<std::string>()(whole);
}

bool WellFormed(std::string_view key) {
  return !key.empty() && key.size() <= kIdempotencyKeyBytesMax &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

std::optional<RouteReply> IdempotencyMemory::Begin(std::uint32_t uid, std::string_view key, std::string_view method,
                                                   std::string_view path, std::string_view body) {
  if (!WellFormed(key)) {
    return Refuse(MakeError(Code::kInvalidArgument, "idempotency_key",
                            "Idempotency-Key must be 1 to 255 visible ASCII characters; a UUID is fine"));
  }
  const std::uint64_t fingerprint = FingerprintOf(method, path, body);
  std::string name = NameOf(uid, key);
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = entries_.try_emplace(name);
  if (fresh) {
    found->second.fingerprint = fingerprint;
    order_.push_back(std::move(name));
    while (order_.size() > entries_max_) {
      entries_.erase(order_.front());
      order_.pop_front();
    }
    return std::nullopt;
  }
  if (found->second.fingerprint != fingerprint) {
    return Refuse(MakeError(Code::kConflict, "idempotency_key_reused",
                            "this Idempotency-Key came before with another request; take a new key for a new request"));
  }
  if (!found->second.reply) {
    return Refuse(MakeError(Code::kBusy, "idempotency_key_in_use",
                            "the first request with this Idempotency-Key still runs; repeat shortly"));
  }
  RouteReply again = *found->second.reply;
  again.replayed = true;
  return again;
}

void IdempotencyMemory::Finish(std::uint32_t uid, std::string_view key, const RouteReply& reply) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(NameOf(uid, key));
  if (found == entries_.end()) return;  // pushed out meanwhile
  if (reply.status == 429 || reply.status >= 500) {
    order_.erase(std::find(order_.begin(), order_.end(), found->first));
    entries_.erase(found);
    return;
  }
  found->second.reply = reply;
}

}  // namespace pointsman::admin
