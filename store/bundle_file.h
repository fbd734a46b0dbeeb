// Bundle files: the bytes of a bundle, sections with lengths and checksums.
//
// Layout: docs/RECORDS.md, "Bundle file". The content hash (BLAKE2b-256 over the
// sections) is the bundle's identity: same content, same hash, same bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "policy/world/bundle.h"

namespace pointsman::store {

// Canonical bytes; the bundle must be valid. Sets nothing.
std::string EncodeBundle(const policy::Bundle& bundle);
// Decodes, checks checksums, hash and ValidateBundle; sets `hash`.
// Errors: DATA_LOSS with the section; FAILED_PRECONDITION newer_format.
Result<policy::Bundle> DecodeBundle(std::string_view bytes);

// Temporary file, sync, rename, sync of the directory. Sets bundle.hash.
// Errors: UNAVAILABLE for I/O, with the path.
Status WriteBundleFile(const std::string& path, policy::Bundle& bundle);
// Errors: NOT_FOUND, and as DecodeBundle. At most 1 GiB is read.
Result<policy::Bundle> ReadBundleFile(const std::string& path);

}  // namespace pointsman::store
