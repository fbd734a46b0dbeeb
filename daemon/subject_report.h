// What people see of who rates: for the status, its warnings and the metrics.
// Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "admin/ports.h"
#include "policy/learning/subject_book.h"

namespace pointsman::daemon {

admin::StatusReport::Subjects ReportOf(const policy::SubjectBook& book);
void AddSubjectWarnings(const admin::StatusReport::Subjects& subjects, std::vector<std::string>* warnings);

}  // namespace pointsman::daemon
