// What the services share: references to the running parts, and small helpers.
//
// Lifetime: everything referred to outlives the services. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/clock.h"
#include "daemon/dispatch.h"
#include "daemon/metrics.h"
#include "daemon/peer.h"
#include "daemon/snapshot_cell.h"
#include "policy/world/query.h"
#include "store/commit_queue.h"
#include "store/decision_token.h"

namespace pointsman::daemon {

// Decisions that were answered but never reached the log, so that their feedback
// gets FAILED_PRECONDITION instead of a puzzling NOT_FOUND. Bounded: the oldest is
// forgotten. Threads: any; the fast path is one relaxed load.
class NotLogged {
 public:
  explicit NotLogged(std::size_t capacity = 65'536) : capacity_(capacity) {}
  void Add(const DecisionId& id);
  bool Contains(const DecisionId& id) const;

 private:
  const std::size_t capacity_;
  std::atomic<std::uint64_t> added_{0};
  mutable std::mutex mutex_;
  std::deque<DecisionId> order_;
  std::unordered_set<DecisionId> ids_;
};

struct ServiceContext {
  const Clock& clock;
  SnapshotCell& cell;
  const store::Store& store;
  store::CommitQueue& queue;
  store::TokenMint& mint;
  store::TokenKey subject_key;
  Metrics& metrics;
  NotLogged& not_logged;
  PeerRules rules;  // who may give gold, and rate for many
  policy::Weights default_weights;
  bool planned_gold = false;         // as Config
  std::int64_t decision_ttl_us = 0;  // > 0
  // Set while the transport runs; forged tokens count as offences there.
  std::atomic<PeerGate*> gate{nullptr};
  std::atomic<bool> stopping{false};  // for /ready
};

// The tenant that a request asserts; the peer's uid where it names none.
// Errors: INVALID_ARGUMENT bad_tenant: longer than 128 bytes or control characters.
Result<std::string> TenantOf(const Peer& peer, std::string_view asserted);

// The decision of a token: its length, MAC, owner and expiry, before anything is
// looked up. A forgery counts as an offence of the peer.
// Errors: INVALID_ARGUMENT malformed_token or bad_tenant, NOT_FOUND
// forged_or_foreign, EXPIRED.
Result<DecisionId> OpenToken(ServiceContext& context, const Peer& peer, const std::string& bytes,
                             std::string_view tenant);

// Sends `error` as the reply and counts it.
void Refuse(ServiceContext& context, const Error& error, ReplyChannel& reply);

// The answer to a payload that Protobuf cannot read.
Error Malformed(std::string_view message_name);

}  // namespace pointsman::daemon
