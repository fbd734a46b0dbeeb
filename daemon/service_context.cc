#include "daemon/service_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace pointsman::daemon {

void NotLogged::Add(const DecisionId& id) {
  const std::lock_guard lock(mutex_);
  if (!ids_.insert(id).second) return;
  order_.push_back(id);
  if (order_.size() > capacity_) {
    ids_.erase(order_.front());
    order_.pop_front();
  }
  added_.fetch_add(1, std::memory_order_release);
}

bool NotLogged::Contains(const DecisionId& id) const {
  if (added_.load(std::memory_order_acquire) == 0) return false;
  const std::lock_guard lock(mutex_);
  return ids_.contains(id);
}

Result<std::string> TenantOf(const Peer& peer, std::string_view asserted) {
  if (asserted.empty()) return std::to_string(peer.uid);
  constexpr std::size_t kTenantBytesMax = 128;
  if (asserted.size() > kTenantBytesMax) {
    return MakeError(
        Code::kInvalidArgument, "bad_tenant",
        fmt::format("the tenant is {} bytes long; at most {} are taken", asserted.size(), kTenantBytesMax));
  }
  if (std::any_of(asserted.begin(), asserted.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
      })) {
    return MakeError(Code::kInvalidArgument, "bad_tenant", "the tenant holds control characters; send a plain name");
  }
  return std::string(asserted);
}

Result<DecisionId> OpenToken(ServiceContext& context, const Peer& peer, const std::string& bytes,
                             std::string_view tenant) {
  const auto name = TenantOf(peer, tenant);
  if (!name.ok()) return name.error();
  store::TokenBytes token{};
  if (bytes.size() != token.size()) {
    return MakeError(
        Code::kInvalidArgument, "malformed_token",
        fmt::format("the token has {} bytes; send the {} bytes of the route reply", bytes.size(), token.size()));
  }
  std::memcpy(token.data(), bytes.data(), token.size());
  const auto opened = context.mint.Open(token, peer.uid, name.value(), context.clock.WallMicros());
  if (!opened.ok()) {
    PeerGate* gate = context.gate.load(std::memory_order_acquire);
    if (gate != nullptr && opened.error().code == Code::kNotFound) gate->Offend(peer.uid);
    return opened.error();
  }
  return opened->id;
}

void Refuse(ServiceContext& context, const Error& error, ReplyChannel& reply) {
  context.metrics.CountRefused(error.code);
  reply.Fail(error);
}

Error Malformed(std::string_view message_name) {
  return MakeError(Code::kInvalidArgument, "malformed_message",
                   fmt::format("the payload is not a {} message: it is cut off, or a text in it is not UTF-8; "
                               "encode it with wire.proto",
                               message_name));
}

}  // namespace pointsman::daemon
