// MemoryStore: the store without a disk, for eval and tests. Keeps every promise
// but durability; resolution, checkpoints and check are those of rocks_store.
#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "store/bundle_file.h"
#include "store/check.h"
#include "store/checkpoint.h"
#include "store/resolver.h"
#include "store/store.h"

namespace pointsman::store {

namespace {

class MemoryStore final : public Store, private CommittedRows {
 public:
  explicit MemoryStore(std::uint64_t open_decisions_max) { limits_.open_decisions_max = open_decisions_max; }

  Status Commit(std::span<const Request> requests, std::int64_t now_us, bool sync,
                std::vector<Result<Receipt>>* outcomes) override {
    // Only this thread changes anything, so it may read without the lock.
    Plan plan;
    const Status resolved = ResolveBatch(requests, now_us, limits_, *this, position_, &plan, outcomes);
    if (!resolved.ok()) {
      outcomes->clear();
      return resolved;
    }
    const std::unique_lock<std::shared_mutex> guard(mutex_);
    for (policy::Event& event : plan.events) log_.push_back(std::move(event));
    for (auto& [id, row] : plan.rows) {
      if (row) {
        rows_[id] = std::move(*row);
      } else {
        rows_.erase(id);
      }
    }
    if (!plan.events.empty()) position_ = plan.after;
    for (std::size_t i = log_.size() - plan.events.size(); i < log_.size(); ++i) {
      policy::FoldSubjects(subjects_, log_[i], nullptr);
    }
    if (sync) synced_ = position_.last_seq;
    return {};
  }

  // Events never change and a deque does not move them, so only finding them
  // needs the lock; the visitor may call back into the store.
  Status ReadLog(LogSeq from, std::uint64_t limit,
                 const std::function<Status(const policy::Event&)>& visit) const override {
    constexpr std::size_t kChunk = 256;
    std::vector<const policy::Event*> chunk;
    std::uint64_t next = std::max<std::uint64_t>(from.value, 1);
    std::uint64_t left = limit == 0 ? ~0ULL : limit;
    for (;;) {
      chunk.clear();
      {
        const std::shared_lock<std::shared_mutex> guard(mutex_);
        while (chunk.size() < std::min<std::uint64_t>(kChunk, left) && next <= log_.size()) {
          chunk.push_back(&log_[next++ - 1]);
        }
      }
      if (chunk.empty()) return {};
      left -= chunk.size();
      for (const policy::Event* event : chunk) {
        if (const Status status = visit(*event); !status.ok()) return status;
      }
    }
  }

  Result<policy::DecisionRow> FindDecision(const DecisionId& id) const override {
    const std::shared_lock<std::shared_mutex> guard(mutex_);
    return FindRow(id);
  }

  Status WriteCheckpoint(policy::State& state) override {
    const std::unique_lock<std::shared_mutex> guard(mutex_);
    REQUIRE(state.last_seq <= position_.last_seq, "a state cannot be ahead of its log");
    auto plan = PlanCheckpoint(state, mark_, [this](std::string_view key) -> Result<std::string> {
      const auto row = state_rows_.find(std::string(key));
      return row == state_rows_.end() ? std::string() : row->second;
    });
    if (!plan.ok()) return plan.error();
    for (auto& [key, value] : plan->changes) {
      if (value.empty()) {
        state_rows_.erase(key);
      } else {
        state_rows_[key] = std::move(value);
      }
    }
    mark_ = plan->mark;
    synced_ = position_.last_seq;
    state.dirty_rows.clear();
    return {};
  }

  void AdoptSubjects(const policy::SubjectBook& book) override { subjects_ = book; }

  Result<policy::State> LoadState() const override {
    const std::shared_lock<std::shared_mutex> guard(mutex_);
    if (!mark_) return policy::State{};
    StateLoader loader;
    for (const auto& [key, value] : state_rows_) {
      if (const Status added = loader.Add(key, value); !added.ok()) return added.error();
    }
    return loader.Finish(*mark_);
  }

  Status PutBundle(const policy::Bundle& bundle) override {
    if (const Status valid = policy::ValidateBundle(bundle); !valid.ok()) return valid;
    auto again = DecodeBundle(EncodeBundle(bundle));
    if (!again.ok()) return again.error();
    if (!bundle.hash.IsZero() && bundle.hash != again->hash) {
      return MakeError(Code::kInvalidArgument, "bundle_hash_mismatch", "the bundle was changed after it was hashed");
    }
    const std::unique_lock<std::shared_mutex> guard(mutex_);
    const BundleHash hash = again->hash;
    bundles_.try_emplace(hash, std::make_shared<const policy::Bundle>(std::move(*again)));
    return {};
  }

  Result<std::shared_ptr<const policy::Bundle>> Find(const BundleHash& hash) const override {
    const std::shared_lock<std::shared_mutex> guard(mutex_);
    const auto found = bundles_.find(hash);
    if (found != bundles_.end()) return found->second;
    return MakeError(Code::kNotFound, "unknown_bundle", "the store has no bundle with that hash");
  }

  StoreStatistics Statistics() const override {
    const std::shared_lock<std::shared_mutex> guard(mutex_);
    StoreStatistics statistics;
    statistics.last_seq = position_.last_seq;
    statistics.synced_seq = synced_;
    statistics.open_decisions = position_.open_decisions;
    if (mark_) {
      statistics.checkpoint_seq = mark_->seq;
      statistics.state_hash = mark_->state_hash;
    }
    return statistics;
  }

  LogSeq LastSeq() const override {
    const std::shared_lock<std::shared_mutex> guard(mutex_);
    return position_.last_seq;
  }

  Status CheckTelling(const Progress& progress) const override {
    CheckedParts parts;
    parts.progress = progress;
    std::vector<policy::DecisionRow> rows;
    {
      const std::shared_lock<std::shared_mutex> guard(mutex_);
      parts.position = position_;
      for (const auto& [id, row] : rows_) rows.push_back(row);
    }
    parts.visit_rows = [&rows](const std::function<Status(const policy::DecisionRow&)>& visit) -> Status {
      for (const auto& row : rows) {
        if (const Status status = visit(row); !status.ok()) return status;
      }
      return {};
    };
    return CheckConsistency(*this, parts);
  }

 private:
  Result<policy::DecisionRow> FindRow(const DecisionId& id) const override {
    const auto row = rows_.find(id);
    if (row != rows_.end()) return row->second;
    return MakeError(Code::kNotFound, "unknown_decision", "there is no open decision with that id");
  }

  const policy::SubjectBook& Subjects() const override { return subjects_; }

  Status VisitMade(LogSeq after, const std::function<bool(const MadeDecision&)>& visit) const override {
    for (std::size_t i = after.value; i < log_.size(); ++i) {
      const auto* made = std::get_if<policy::DecisionMade>(&log_[i].payload);
      if (made != nullptr && !visit({log_[i].seq, made->context.decision, made->expires_at_us})) return {};
    }
    return {};
  }

  ResolverLimits limits_;
  policy::SubjectBook subjects_;  // commit thread only

  // Guarded by mutex_: written by the commit thread under it.
  mutable std::shared_mutex mutex_;
  std::deque<policy::Event> log_;
  std::unordered_map<DecisionId, policy::DecisionRow> rows_;
  LogPosition position_;
  LogSeq synced_;
  std::map<std::string, std::string> state_rows_;
  std::optional<CheckpointMark> mark_;
  std::map<BundleHash, std::shared_ptr<const policy::Bundle>> bundles_;
};

}  // namespace

std::unique_ptr<Store> MakeMemoryStore(std::uint64_t open_decisions_max) {
  return std::make_unique<MemoryStore>(open_decisions_max);
}

}  // namespace pointsman::store
