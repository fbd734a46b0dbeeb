// Log events as JSON for export: every field, under the names of policy/learning/event.h.
//
// Decision ids, subjects' keyed hashes and bundle hashes are hexadecimal; names of
// subjects are not in the log and so never here. Sequences as in admin/json.h.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "policy/learning/event.h"

namespace pointsman::cli {

// {"seq", "at_us", "origin", "actor_uid", "type", "event": {...}}
nlohmann::json EventJson(const policy::Event& event);

std::string HexBytes(std::span<const std::uint8_t> bytes);

}  // namespace pointsman::cli
