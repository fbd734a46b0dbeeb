// AdminPorts::Undo and gold labels by administrators.
#include <fmt/format.h>

#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/log.h"
#include "daemon/admin_ports.h"
#include "daemon/hex.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kGoldLimit{10};

// The operators' changes of the whole log: what is in force, and before the last one.
struct History {
  std::map<ModelId, std::string> names;
  std::map<ModelId, policy::Price> prices;
  std::map<ModelId, policy::ModelState> states;
  bool frozen = false;

  struct Last {
    LogSeq seq;
    policy::Payload change;
    policy::Price price;  // before it
    policy::ModelState state = policy::ModelState::kActive;
    bool frozen = false;
  };
  std::optional<Last> last;

  void Take(const policy::Event& event) {
    const bool operators = event.origin == policy::Origin::kOperator;
    if (const auto* added = std::get_if<policy::ModelAdded>(&event.payload)) {
      Keep(operators, event, added->id);
      names[added->id] = added->name;
      prices[added->id] = added->price;
      states[added->id] = policy::ModelState::kActive;
    } else if (const auto* priced = std::get_if<policy::PriceChanged>(&event.payload)) {
      Keep(operators, event, priced->id);
      prices[priced->id] = priced->price;
    } else if (const auto* moved = std::get_if<policy::ModelStateChanged>(&event.payload)) {
      Keep(operators, event, moved->id);
      states[moved->id] = moved->state;
    } else if (const auto* switched = std::get_if<policy::LearningSwitched>(&event.payload)) {
      Keep(operators, event, ModelId{});
      frozen = switched->frozen;
    } else if (operators && !std::holds_alternative<policy::AdminNote>(event.payload) &&
               !std::holds_alternative<policy::GoldGiven>(event.payload)) {
      Keep(true, event, ModelId{});
    }
  }

 private:
  void Keep(bool operators, const policy::Event& event, ModelId model) {
    if (!operators) return;
    last = Last{event.seq, event.payload, prices[model], states[model], frozen};
  }
};

std::string StateWord(policy::ModelState state) {
  return state == policy::ModelState::kActive     ? "active"
         : state == policy::ModelState::kDraining ? "draining"
                                                  : "retired";
}

Result<DecisionId> DecisionOf(const std::string& text) {
  DecisionId id;
  if (ParseHex(text, id.bytes)) return id;
  const auto token = store::ParseTokenText(text);
  if (!token.ok()) {
    return MakeError(Code::kInvalidArgument, "bad_decision",
                     "a decision is named by its token (d1_...) or by 32 hexadecimal digits");
  }
  std::memcpy(id.bytes.data(), token->data(), id.bytes.size());
  return id;
}

}  // namespace

Result<admin::Acknowledgement> AdminPorts::GiveGold(const admin::Caller& caller, const std::string& decision,
                                                    double value, std::uint32_t revision) {
  const auto id = DecisionOf(decision);
  if (!id.ok()) return id.error();
  if (!(value >= 0 && value <= 1)) {
    return MakeError(Code::kOutOfRange, "value", fmt::format("the value is {}; it must be from 0 to 1", value));
  }
  policy::FeedbackReport report;
  report.decision = id.value();
  report.revision = revision;
  report.value = value;
  using Outcome = std::pair<Result<store::Receipt>, store::Durability>;
  auto promise = std::make_shared<std::promise<Outcome>>();
  auto future = promise->get_future();
  const Status submitted =
      context_.queue.Submit({report, policy::Origin::kOperator, caller.uid}, true,
                            [promise](Result<store::Receipt> outcome, store::Durability durability) {
                              promise->set_value({std::move(outcome), durability});
                            });
  if (!submitted.ok()) return submitted.error();
  if (future.wait_for(kGoldLimit) != std::future_status::ready) {
    return MakeError(Code::kDeadlineExceeded, "no_answer_in_time",
                     "the log did not answer within 10 s; the label may have been stored: repeat it as it was");
  }
  const Outcome outcome = future.get();
  if (!outcome.first.ok()) return outcome.first.error();
  return admin::Acknowledgement{outcome.first->code, outcome.first->seq.value,
                                static_cast<std::uint32_t>(outcome.second)};
}

Result<admin::UndoReport> AdminPorts::Undo(const admin::Caller& caller) {
  History history;
  const Status read = context_.store.ReadLog(LogSeq{context_.store.Statistics().base_seq.value + 1}, 0,
                                             [&](const policy::Event& event) {
                                               history.Take(event);
                                               return Status();
                                             });
  if (!read.ok()) return read.error();
  if (!history.last) {
    return MakeError(Code::kFailedPrecondition, "nothing_to_undo", "no operator has changed anything yet");
  }
  const History::Last& last = *history.last;
  admin::UndoReport report;
  report.undone_sequence = last.seq.value;
  Status done;
  if (const auto* added = std::get_if<policy::ModelAdded>(&last.change)) {
    report.undone = added->name + " was added";
    report.now = added->name + " is retired";
    done = mutations_.SetModelState({policy::Origin::kOperator, caller.uid}, added->name, policy::ModelState::kRetired);
  } else if (const auto* priced = std::get_if<policy::PriceChanged>(&last.change)) {
    const std::string& name = history.names[priced->id];
    report.undone = "the price of " + name + " was changed";
    report.now = fmt::format("{} costs {} and {} dollars per million tokens in and out", name,
                             last.price.input_usd_per_million, last.price.output_usd_per_million);
    done = mutations_.SetPrice({policy::Origin::kOperator, caller.uid}, name, last.price);
  } else if (const auto* moved = std::get_if<policy::ModelStateChanged>(&last.change)) {
    const std::string& name = history.names[moved->id];
    if (moved->state == policy::ModelState::kRetired) {
      return MakeError(Code::kFailedPrecondition, "not_reversible",
                       log::Escape(name) + " was retired, which is final; add it again with `pointsman models add`");
    }
    report.undone = name + " was made " + StateWord(moved->state);
    report.now = name + " is " + StateWord(last.state);
    done = mutations_.SetModelState({policy::Origin::kOperator, caller.uid}, name, last.state);
  } else if (std::holds_alternative<policy::LearningSwitched>(last.change)) {
    report.undone = last.frozen ? "learning was resumed" : "learning was frozen";
    report.now = last.frozen ? "learning is frozen" : "learning goes on";
    done = mutations_.SetFrozen({policy::Origin::kOperator, caller.uid}, last.frozen);
  } else if (const auto* live = std::get_if<policy::GenerationActivated>(&last.change)) {
    report.undone = fmt::format("generation {} was made live", live->generation.value);
    const auto generation = mutations_.Rollback({policy::Origin::kOperator, caller.uid});
    if (!generation.ok()) return generation.error();
    report.now = fmt::format("generation {} is live, with the bundle before it", generation->value);
  } else {
    return MakeError(Code::kFailedPrecondition, "not_reversible",
                     fmt::format("the last change (event {}, {}) cannot be reversed by a verb", last.seq.value,
                                 policy::EventTypeName(policy::EventType(last.change))));
  }
  if (!done.ok()) return done.error();
  log::Info("uid {} undid event {}: {}", caller.uid, last.seq.value, log::Escape(report.undone));
  return report;
}

}  // namespace pointsman::daemon
