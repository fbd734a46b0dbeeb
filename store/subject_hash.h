// Subjects: who rated, as a keyed hash. The name itself is never stored.
//
// Keyed BLAKE2b (libsodium), cut to 64 bits, over the tenant's length, the tenant
// and the subject: the same name under two tenants is two subjects. Without the
// key a hash cannot be tried against a list of names.
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/ids.h"
#include "store/decision_token.h"

namespace pointsman::store {

// An empty subject gives 0, which stands for the decision itself; no other
// subject does.
SubjectHash HashSubject(const TokenKey& key, std::string_view tenant, std::string_view subject);

// A hash as people see it, "0x" and 16 hexadecimal digits; nothing for any other text
// and for 0.
std::optional<SubjectHash> ParseSubjectHash(std::string_view text);

}  // namespace pointsman::store
