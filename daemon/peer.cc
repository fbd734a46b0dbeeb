#include "daemon/peer.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pointsman::daemon {

bool HoldsRole(const PeerRules& rules, uid_t uid, Role role) {
  if (uid == 0 || uid == ::geteuid()) return true;
  const auto listed = [uid](const std::vector<uid_t>& uids) {
    return std::find(uids.begin(), uids.end(), uid) != uids.end();
  };
  switch (role) {
    case Role::kClient: return rules.client_uids.empty() || listed(rules.client_uids);
    case Role::kGold: return listed(rules.gold_uids);
    case Role::kSubjects: return rules.subject_uids.empty() || listed(rules.subject_uids);
    case Role::kAdmin: return listed(rules.admin_uids);
  }
  Unreachable("a Role outside its enumeration");
}

Status CheckIdentity(const Peer& peer) {
  if (peer.uid != kOverflowUid && peer.uid != static_cast<uid_t>(-1) && peer.pid > 0) return {};
  return MakeError(Code::kPermissionDenied, "unknown_identity",
                   fmt::format("the kernel does not say who you are (uid {}, pid {}): a user or PID namespace lies "
                               "between; connect from the daemon's own namespaces",
                               peer.uid, peer.pid));
}

Result<Peer> PeerOf(int descriptor) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return MakeError(Code::kInternal, "peer_credentials", fmt::format("SO_PEERCRED failed: {}", std::strerror(errno)));
  }
  const Peer peer{credentials.uid, credentials.gid, credentials.pid};
  if (Status known = CheckIdentity(peer); !known.ok()) return known.error();
  return peer;
}

Status PeerGate::Admit(const Peer& peer) {
  if (Status known = CheckIdentity(peer); !known.ok()) return known;
  if (!HoldsRole(rules_, peer.uid, Role::kClient)) {
    return MakeError(Code::kPermissionDenied, "uid_not_allowed",
                     fmt::format("uid {} is not among the allowed uids of this socket", peer.uid));
  }
  std::lock_guard lock(mutex_);
  if (open_ >= rules_.connections_max) {
    return MakeError(
        Code::kResourceExhausted, "too_many_connections",
        fmt::format("all {} connections are taken; share connections or try later", rules_.connections_max));
  }
  if (OverBucket(peer.uid)) {
    return MakeError(Code::kResourceExhausted, "penalised",
                     fmt::format("uid {} sent too many broken frames or forged tokens; repair the client, then "
                                 "try later",
                                 peer.uid));
  }
  const auto found = accounts_.find(peer.uid);
  if (found != accounts_.end() && found->second.connections >= rules_.connections_per_uid_max) {
    return MakeError(Code::kResourceExhausted, "too_many_connections_of_uid",
                     fmt::format("uid {} holds its {} connections already; share connections or close some", peer.uid,
                                 rules_.connections_per_uid_max));
  }
  ++accounts_[peer.uid].connections;
  ++open_;
  return {};
}

void PeerGate::Release(uid_t uid) {
  std::lock_guard lock(mutex_);
  const auto found = accounts_.find(uid);
  REQUIRE(found != accounts_.end() && found->second.connections > 0, "Release without Admit");
  --found->second.connections;
  --open_;
  Forgive(found->second);
  if (found->second.connections == 0 && found->second.offences <= 0) accounts_.erase(found);
}

void PeerGate::Forgive(Account& account) {
  const std::int64_t now = clock_.MonotonicNanos();
  const double seconds = static_cast<double>(now - account.counted_nanos) * 1e-9;
  account.counted_nanos = now;
  account.offences = std::max(0.0, account.offences - seconds * rules_.offences_forgiven_per_second);
}

bool PeerGate::OverBucket(uid_t uid) {
  const auto found = accounts_.find(uid);
  if (found == accounts_.end()) return false;
  Forgive(found->second);
  if (found->second.connections == 0 && found->second.offences <= 0) {
    accounts_.erase(found);
    return false;
  }
  return found->second.offences >= rules_.offences_max;
}

void PeerGate::Offend(uid_t uid) {
  std::lock_guard lock(mutex_);
  Account& account = accounts_[uid];
  Forgive(account);
  // Bounded, so that a flood is forgiven in finite time: two buckets at most.
  account.offences = std::min(account.offences + 1, 2.0 * rules_.offences_max);
  offended_.store(true, std::memory_order_relaxed);
}

bool PeerGate::Penalised(uid_t uid) {
  if (!offended_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  return OverBucket(uid);
}

std::size_t PeerGate::open() const {
  std::lock_guard lock(mutex_);
  return open_;
}

}  // namespace pointsman::daemon
