#include "admin/cli/demo_audit.h"

#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <variant>

#include "policy/learning/event.h"
#include "policy/learning/learner.h"
#include "store/store.h"

namespace pointsman::cli {
namespace {

using Kind = eval::Acknowledged::Kind;
using Key = std::tuple<DecisionId, Kind>;

struct Logged {
  std::uint64_t times = 0;
  double value = 0;
};

// The report that an event holds, if it holds one that a client sends.
std::optional<std::pair<Key, double>> ReportOf(const policy::Event& event) {
  if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) {
    return {{{rating->context.decision, Kind::kRating}, rating->value}};
  }
  if (const auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) {
    return {{{gold->context.decision, Kind::kGold}, gold->value}};
  }
  if (const auto* outcome = std::get_if<policy::OutcomeReported>(&event.payload)) {
    return {{{outcome->decision, Kind::kOutcome}, 0.0}};
  }
  return std::nullopt;
}

DecisionId IdOf(const std::string& token) {
  DecisionId id;
  std::memcpy(id.bytes.data(), token.data(), std::min(token.size(), id.bytes.size()));
  return id;
}

}  // namespace

Result<StoreAudit> AuditStore(const std::string& directory, std::span<const eval::Acknowledged> acknowledged,
                              std::uint64_t learned_sequence, std::uint64_t state_hash) {
  auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return opened.error();
  const store::Store& store = **opened;
  auto learner = policy::Learner::Create(store, store, policy::State{});
  if (!learner.ok()) return learner.error();

  StoreAudit audit;
  std::map<Key, Logged> logged;
  const Status read = store.ReadLog(LogSeq{1}, 0, [&](const policy::Event& event) -> Status {
    if (const auto report = ReportOf(event)) {
      Logged& entry = logged[report->first];
      ++entry.times;
      entry.value = report->second;
    }
    if (Status folded = (*learner)->Learn(event); !folded.ok()) return folded;
    ++audit.replayed_events;
    if (event.seq.value == learned_sequence) {
      audit.state_hash_equal = store::StateHash((*learner)->state()) == state_hash;
    }
    return {};
  });
  if (!read.ok()) return read.error();

  audit.acknowledged = acknowledged.size();
  for (const eval::Acknowledged& item : acknowledged) {
    const auto found = logged.find({IdOf(item.token), item.kind});
    if (found == logged.end()) {
      ++audit.missing;
    } else if (found->second.times > 1) {
      ++audit.doubled;
    } else if (item.kind == Kind::kOutcome || found->second.value == item.value) {
      ++audit.present;
    }
  }
  return audit;
}

}  // namespace pointsman::cli
