// json.h, a subject's exclusion and its end, and the store's compaction.
#include <nlohmann/json.hpp>

#include "admin/json.h"
#include "admin/json_fields.h"

namespace pointsman::admin {

using nlohmann::json;

json ToJson(const ExclusionReport& report) {
  return {{"subject", report.subject}, {"reports", Number64(report.reports)}, {"before", report.before}};
}

json ToJson(const InclusionReport& report) {
  return {{"subject", report.subject}, {"missed", Number64(report.missed)}};
}

json ToJson(const CompactReport& report) {
  return {{"bytes_before", Number64(report.bytes_before)},
          {"bytes_after", Number64(report.bytes_after)},
          {"seconds", report.seconds}};
}

Result<SubjectBody> ParseSubject(std::string_view body) {
  return ParseInto<SubjectBody>(body, [](Fields& fields, SubjectBody& out) {
    fields.Text("subject", &out.subject, true);
    fields.Text("tenant", &out.tenant, false);
  });
}

}  // namespace pointsman::admin
