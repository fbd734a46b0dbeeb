// Peers: who may connect, how often, and what happens to those who misbehave.
//
// Identity is SO_PEERCRED of the connection. The overflow uid and pid <= 0 (a
// peer of a foreign user or PID namespace) carry no identity and are refused.
//
// A penalty is a bucket of offences for each uid (a lost frame boundary, a forged
// token). While it is empty the uid's new connections and its feedback are
// refused; routing over its open connections goes on, because a whole service may
// share the uid with one broken client.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "daemon/dispatch.h"

namespace pointsman::daemon {

inline constexpr uid_t kOverflowUid = 65534;

enum class Role : std::uint8_t {
  kClient,    // may connect, route and report
  kGold,      // may also give gold
  kSubjects,  // may rate for many subjects
  kAdmin,     // may also change things
};

// Root and the daemon's own uid hold every role.
struct PeerRules {
  std::vector<uid_t> client_uids;             // empty: everybody whom the socket's mode lets in
  std::vector<uid_t> gold_uids;               // besides root and our own uid
  std::vector<uid_t> subject_uids;            // likewise; empty: everybody
  std::vector<uid_t> admin_uids;              // likewise
  std::size_t connections_max = 1024;         // open at once; keep below LimitNOFILE
  std::size_t connections_per_uid_max = 256;  // open at once for one uid
  std::uint32_t offences_max = 100;           // size of the penalty bucket, >= 1
  double offences_forgiven_per_second = 10;   // > 0
};

// Pure, but for reading our own uid. Threads: any.
bool HoldsRole(const PeerRules& rules, uid_t uid, Role role);

// The credentials of a connected Unix socket.
// Errors: PERMISSION_DENIED unknown_identity; INTERNAL when the kernel refuses.
Result<Peer> PeerOf(int descriptor);
// The same check on credentials that were read already.
Status CheckIdentity(const Peer& peer);

// Counts connections and offences. Threads: any. Memory: one entry for each uid
// that is connected or has unforgiven offences.
class PeerGate {
 public:
  PeerGate(const PeerRules& rules, const Clock& clock) : rules_(rules), clock_(clock) {}

  // Takes a place for a new connection; each success needs one Release.
  // Errors, nothing taken: PERMISSION_DENIED unknown_identity or uid_not_allowed;
  // RESOURCE_EXHAUSTED too_many_connections, too_many_connections_of_uid, penalised.
  Status Admit(const Peer& peer);
  void Release(uid_t uid);

  void Offend(uid_t uid);
  // One relaxed load while nobody has offended.
  bool Penalised(uid_t uid);

  std::size_t open() const;
  const PeerRules& rules() const { return rules_; }

 private:
  struct Account {
    std::size_t connections = 0;
    double offences = 0;  // at `counted_nanos`
    std::int64_t counted_nanos = 0;
  };
  // Both with mutex_ held.
  void Forgive(Account& account);
  bool OverBucket(uid_t uid);

  const PeerRules rules_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::unordered_map<uid_t, Account> accounts_;
  std::size_t open_ = 0;
  std::atomic<bool> offended_{false};  // someone has ever offended
};

}  // namespace pointsman::daemon
