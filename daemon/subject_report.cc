#include "daemon/subject_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace pointsman::daemon {
namespace {

using Subjects = admin::StatusReport::Subjects;

constexpr std::size_t kConspicuousMax = 8;
// In standard errors; of hundreds of subjects one or two reach it by chance.
constexpr double kDeviates = 3;

Subjects::Subject ReportOf(SubjectHash subject, const policy::SubjectRecord& record) {
  Subjects::Subject report;
  report.subject = fmt::format("{:#018x}", subject.value);
  report.reports = record.reports;
  report.trust = policy::TrustOf(record);
  report.pairs = record.pairs;
  if (record.reports > 0) {
    const auto reports = static_cast<double>(record.reports);
    report.mean_weight = record.weight / reports;
    report.deviation = record.residuals / std::sqrt(reports);
  }
  return report;
}

bool IsConspicuous(const Subjects::Subject& one) {
  return one.trust < 1 || one.mean_weight < 0.9 || std::abs(one.deviation) >= kDeviates;
}

}  // namespace

Subjects ReportOf(const policy::SubjectBook& book) {
  const policy::SubjectTotals& totals = book.totals;
  Subjects report;
  report.capped = book.capped;
  report.reports = totals.named;
  report.lessened = totals.lessened;
  report.withheld = totals.withheld;
  report.watched = book.records.size();
  report.excluded = book.excluded.size();
  report.likeness = policy::LikenessOf(totals);
  report.group_alarm = totals.alarm;
  report.group_since = totals.since.value;
  report.group_alarms = totals.alarms;
  for (const auto& [subject, record] : book.records) {
    const Subjects::Subject one = ReportOf(subject, record);
    report.distrusted += one.trust < 1 ? 1 : 0;
    if (IsConspicuous(one)) report.conspicuous.push_back(one);
  }
  const auto rank = [](const Subjects::Subject& one) {
    return std::tuple(one.trust, -std::abs(one.deviation), one.mean_weight, one.subject);
  };
  std::sort(report.conspicuous.begin(), report.conspicuous.end(),
            [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
  if (report.conspicuous.size() > kConspicuousMax) report.conspicuous.resize(kConspicuousMax);
  return report;
}

void AddSubjectWarnings(const Subjects& subjects, std::vector<std::string>* warnings) {
  if (subjects.group_alarm) {
    warnings->push_back(fmt::format(
        "since event {} some of those who rate say the same whatever the answer (likeness {:.2f}): a group may be "
        "steering the choice; see subjects.conspicuous, and `pointsman replay --without`",
        subjects.group_since, subjects.likeness));
  }
  if (subjects.distrusted > 0) {
    warnings->push_back(fmt::format("gold contradicts {} of {} watched subjects; what they say weighs less",
                                    subjects.distrusted, subjects.watched));
  }
  if (!subjects.capped) {
    warnings->push_back("no subject's influence is bounded: learning.subject_cap is off");
  }
}

}  // namespace pointsman::daemon
