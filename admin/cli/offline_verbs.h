// Offline verbs: what opens a store's files itself. They refuse with exit code 75
// while a daemon holds the store's lock, and change nothing on disk.
#pragma once

#include "admin/cli/context.h"
#include "admin/cli/offline_replay_what_if.h"

namespace pointsman::cli {

inline constexpr char kOfflineGroup[] = "Offline verbs (files; no daemon needed)";

// Adds replay, export and the verbs of offline_store_verbs.h to `app`.
void AddOfflineVerbs(CLI::App& app, Context& context, const OptionsReader& read);

}  // namespace pointsman::cli
