// AdminPorts::ExcludeSubject and IncludeSubject.
#include <fmt/format.h>

#include <optional>
#include <set>

#include "base/log.h"
#include "daemon/admin_ports.h"
#include "store/subject_hash.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kLookLimit{10};

SubjectHash SubjectOf(const policy::Event& event) {
  if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) return rating->subject;
  if (const auto* preference = std::get_if<policy::PreferenceGiven>(&event.payload)) return preference->subject;
  return {};
}

// The subject of a name and its tenant, or of its hash.
Result<SubjectHash> Named(const store::TokenKey& key, const std::string& subject, const std::string& tenant) {
  const auto hash =
      tenant.empty() ? store::ParseSubjectHash(subject) : std::optional(store::HashSubject(key, tenant, subject));
  if (hash && hash->value != 0) return *hash;
  return MakeError(Code::kInvalidArgument, "no_tenant",
                   "give the subject's name and its tenant (the client's uid where it named none), or without a "
                   "tenant its hash as `pointsman status` shows it");
}

}  // namespace

Result<admin::ExclusionReport> AdminPorts::ExcludeSubject(const admin::Caller& caller, const std::string& subject,
                                                          const std::string& tenant) {
  const auto hash = Named(context_.subject_key, subject, tenant);
  if (!hash.ok()) return hash.error();
  admin::ExclusionReport report;
  report.subject = fmt::format("{:#018x}", hash->value);
  const auto before =
      learner_.Query<bool>(kLookLimit, [&hash](const policy::State& state) { return state.excluded.contains(*hash); });
  if (!before.ok()) return before.error();
  report.before = before.value();
  const Status read = context_.store.ForEachLasting(LogSeq{context_.store.Statistics().last_seq.value + 1},
                                                    [&](const policy::Event& event) -> Status {
                                                      report.reports += SubjectOf(event) == *hash ? 1 : 0;
                                                      return {};
                                                    });
  if (!read.ok()) return read.error();
  if (report.before) return report;
  // What it says until somebody notices is lost, so a name with a slip of the pen excludes nobody.
  if (report.reports == 0) {
    return MakeError(
        Code::kNotFound, "unknown_subject",
        fmt::format("no rating or preference of {} ({}) is in the log; nobody was excluded. Is it the right "
                    "tenant?",
                    log::Escape(subject), report.subject));
  }
  const Status done = mutations_.Exclude({policy::Origin::kOperator, caller.uid}, *hash);
  if (!done.ok()) return done.error();
  log::Info("uid {} excluded subject {} after {} reports", caller.uid, report.subject, report.reports);
  return report;
}

Result<admin::InclusionReport> AdminPorts::IncludeSubject(const admin::Caller& caller, const std::string& subject,
                                                          const std::string& tenant) {
  const auto hash = Named(context_.subject_key, subject, tenant);
  if (!hash.ok()) return hash.error();
  // The last exclusion is the one that is in force, or there is none.
  admin::InclusionReport report;
  const Status read = context_.store.ForEachLasting(
      LogSeq{context_.store.Statistics().last_seq.value + 1}, [&](const policy::Event& event) -> Status {
        const auto* excluded = std::get_if<policy::SubjectExcluded>(&event.payload);
        if (excluded != nullptr && excluded->subject == *hash) report.missed = 0;
        report.missed += SubjectOf(event) == *hash ? 1 : 0;
        return {};
      });
  if (!read.ok()) return read.error();
  const Status done = mutations_.Include({policy::Origin::kOperator, caller.uid}, *hash);
  if (!done.ok()) return done.error();
  report.subject = fmt::format("{:#018x}", hash->value);
  log::Info("uid {} included subject {} again, without {} reports", caller.uid, report.subject, report.missed);
  return report;
}

}  // namespace pointsman::daemon
