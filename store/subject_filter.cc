#include "store/subject_filter.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "store/attribute_again.h"

namespace pointsman::store {

namespace {

Error DoesNotFollow(LogSeq seq, const std::string& why) {
  return MakeError(Code::kDataLoss, "event_does_not_follow",
                   "event " + std::to_string(seq.value) + " does not follow from those before it: " + why);
}

// One pass: the rows of the decisions that the subject spoke about, without its words.
class Pass {
 public:
  Pass(SubjectHash subject, const std::unordered_set<DecisionId>& touched) : subject_(subject), touched_(touched) {}

  Result<policy::Event> Take(const policy::Event& event) {
    if (const auto subject = SubjectOf(event.payload); subject && *subject == subject_) {
      policy::Event forgotten = event;
      forgotten.payload = policy::AdminNote{"a report that was taken out"};
      return forgotten;
    }
    const auto decision = DecisionOf(event.payload);
    if (!decision || !touched_.contains(*decision)) return event;
    if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) {
      rows_[*decision] = NewRow(*made, event.seq);
      return event;
    }
    // Pairs name no one's words but their own subject's, and outcomes are measured:
    // neither depends on what others said.
    if (OtherDecisionOf(event.payload) || std::holds_alternative<policy::OutcomeReported>(event.payload)) return event;
    const auto row = rows_.find(*decision);
    if (row == rows_.end()) return DoesNotFollow(event.seq, "its decision was never made");
    auto again = AttributeAgain(event, row->second, nullptr);
    if (!again.ok()) return DoesNotFollow(event.seq, again.error().message);
    if (!again->payload) return DoesNotFollow(event.seq, "it repeats an earlier report");
    row->second = std::move(again->row);
    policy::Event changed = event;
    changed.payload = std::move(*again->payload);
    return changed;
  }

 private:
  const SubjectHash subject_;
  const std::unordered_set<DecisionId>& touched_;
  std::unordered_map<DecisionId, policy::DecisionRow> rows_;
};

}  // namespace

Result<SubjectFilter> SubjectFilter::Make(const Store& store, SubjectHash subject) {
  if (subject.value == 0) {
    return MakeError(Code::kInvalidArgument, "no_subject",
                     "subject 0 stands for the decision itself; name the one whose words are meant");
  }
  SubjectFilter filter(store, subject);
  const Status read = store.ReadLog(LogSeq{1}, 0, [&filter, subject](const policy::Event& event) -> Status {
    const auto spoke = SubjectOf(event.payload);
    if (!spoke || *spoke != subject) return {};
    ++filter.events_;
    filter.touched_.insert(*DecisionOf(event.payload));
    return {};
  });
  if (!read.ok()) return read.error();
  return filter;
}

Status SubjectFilter::ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const {
  if (before.value == 1) return {};
  Pass pass(subject_, touched_);
  const std::uint64_t limit = before.value == 0 ? 0 : before.value - 1;
  return store_->ReadLog(LogSeq{1}, limit, [&](const policy::Event& event) -> Status {
    const auto changed = pass.Take(event);
    if (!changed.ok()) return changed.error();
    return visit(*changed);
  });
}

}  // namespace pointsman::store
