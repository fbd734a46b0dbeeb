// Routing requests: kinds Route and RouteBatch.
//
// One snapshot serves a whole frame. A token is minted first; its id keys the
// draws, so that a decision can be drawn again. The decision goes to the commit
// queue without waiting and is in the log about a millisecond later, so the reply
// says durability 0: not in the log yet. One that never gets there (the queue was
// full, or the disk) is remembered, and its feedback is told so.
//
// Threads: any io thread. Nothing here waits for a disk or for a writer. With planned gold
// all of them share one planner, which each holds for some ten nanoseconds a decision.
// What it has seen is not kept over a restart: the log has the probability of each draw.
// Where the embedder waits for an endpoint, requests with text are answered from the embed
// pool; what has been there for kEmbedWaitNanos, or finds it full, lies in the background.
#pragma once

#include <mutex>

#include "daemon/dispatch.h"
#include "daemon/embed_pool.h"
#include "daemon/service_context.h"
#include "policy/judgement/gold_planner.h"
#include "wire.pb.h"

namespace pointsman::daemon {

inline constexpr std::size_t kTextBytesMax = 64U << 10;
inline constexpr int kBatchMax = 256;
inline constexpr std::int64_t kEmbedWaitNanos = 250'000'000;
inline constexpr std::size_t kEmbedThreads = 8;
inline constexpr std::size_t kEmbedWaitingMax = 1024;

// Fills `vector` with the unit embedding of a request's text or embedding; empty where
// nothing is known (the background). Without `may_wait` an endpoint is not asked.
// Errors: INVALID_ARGUMENT (text, embedding), FAILED_PRECONDITION no_embedder; the embedder's.
Status EmbeddingOf(const LiveView& view, const wire::Route& request, bool may_wait, std::vector<float>* vector);

class RouteService {
 public:
  explicit RouteService(ServiceContext& context) : context_(context), pool_(kEmbedThreads, kEmbedWaitingMax) {}

  void HandleRoute(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);
  void HandleBatch(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);

  // Answers one query with `view`. `reply` is cleared first. After the monotonic time
  // `embed_until` no endpoint is waited for.
  // Errors: INVALID_ARGUMENT (text, embedding, preset, names), OUT_OF_RANGE
  // (weights, caps), NOT_FOUND unknown_model, FAILED_PRECONDITION (empty_pool,
  // the bundle embeds no text).
  Status Route(const Peer& peer, const LiveView& view, const wire::Route& request, std::int64_t embed_until,
               wire::RouteReply* reply);
  // Answers what waits in the embed pool, and lets nobody wait any more.
  void Stop() { pool_.Stop(); }

 private:
  // Calls `answer(view, embed_until)` and sends the reply that it makes: on this thread, or
  // on one of the pool where `texts` and the embedder waits.
  template <typename Request, typename Reply, typename Answer>
  void Serve(const Peer& peer, const Request& request, bool texts, ReplyChannel& channel, Reply* reply, Answer answer);
  Status AnswerBatch(const Peer& peer, const LiveView& view, const wire::RouteBatch& request, std::int64_t embed_until,
                     wire::RouteBatchReply* reply);

  ServiceContext& context_;
  std::mutex planner_mutex_;
  policy::GoldPlanner planner_;
  EmbedPool pool_;
};

}  // namespace pointsman::daemon
