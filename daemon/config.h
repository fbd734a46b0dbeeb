// The daemon's configuration: one TOML file, read at start and on SIGHUP.
//
// Every fault in the file is reported at once, each with its line and, for an
// unknown key, the nearest known one. Every key has a default that works, so an
// empty file is a valid configuration. Nothing is read from the environment.
//
// What changes the fold (learning options, models) is only a way to write
// events: the log is the truth (DESIGN 6). daemon/config_diff.h has the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"
#include "policy/world/query.h"
#include "policy/world/rollout.h"

namespace pointsman::daemon {

struct ConfiguredModel {
  std::string name;
  policy::Price price;
  std::uint32_t context_tokens = 0;  // 0: no limit known
  bool operator==(const ConfiguredModel&) const = default;
};

struct Limits {
  std::uint32_t io_threads = 0;              // 0: one per core, at most 8; [0, 64]
  std::uint32_t connections = 1024;          // of the route socket, [1, 16384]
  std::uint32_t connections_per_uid = 256;   // [1, 16384]
  std::uint64_t commit_queue = 65'536;       // requests waiting for the disk, [64, 2^20]
  std::uint64_t open_decisions = 1'000'000;  // decisions that still take feedback, [1000, 10^8]
  std::uint64_t free_space_min_mib = 64;     // below this nothing is written, [16, 2^20]
  std::uint64_t log_quota_mib = 0;           // of decisions in the log; 0: no bound; [0, 2^20]
  std::uint64_t spare_bundles = 8;           // that were never live and are kept, [1, 1000]
  std::uint64_t checkpoint_events = 10'000;  // [1, 10^9]
  std::uint32_t checkpoint_seconds = 60;     // [1, 86400]
  bool operator==(const Limits&) const = default;
};

struct Config {
  // [store]
  std::string store_directory = "/var/lib/pointsman";
  // [sockets]; absolute paths of at most 107 bytes; empty api or admin: not served.
  std::string route_socket = "/run/pointsman/route.sock";
  std::string api_socket = "/run/pointsman/api.sock";
  std::string admin_socket = "/run/pointsman/admin.sock";
  std::string group;                        // of route and api sockets; empty: the daemon's own
  std::vector<std::uint32_t> gold_uids;     // besides root and the daemon's own uid
  std::vector<std::uint32_t> subject_uids;  // likewise; empty: everybody
  // [http]: a port of 127.0.0.1 that serves what the api socket does; 0: none.
  std::uint16_t loopback_port = 0;
  std::string token_file;  // with the bearer token; needed with a port
  // [routing]
  policy::Weights default_weights;               // of requests that name none
  std::uint32_t decision_ttl_minutes = 24 * 60;  // [1, 525600]
  std::string first_bundle;                      // file for generation 1; empty: start cold
  // [learning]
  policy::Options options;        // fallback_model comes from [routing]
  std::uint64_t refit_every = 0;  // reports between re-fits of biases (daemon/job_refitter.h); 0: on demand alone
  // gold_choice: labels are asked for where they are worth most (policy/judgement/gold_planner.h).
  bool planned_gold = false;
  // [rollout]
  policy::Rollout rollout;
  // [[models]]
  std::vector<ConfiguredModel> models;
  // [limits]
  Limits limits;
};

// Errors: INVALID_ARGUMENT config_invalid with one line a fault
// ("name:line: section.key: what is wrong, what to write").
Result<Config> ParseConfig(std::string_view text, std::string_view name);

// Errors: NOT_FOUND (file, with the path), and as ParseConfig.
Result<Config> LoadConfig(const std::string& path);

// The bearer token: the file's first line. Errors: NOT_FOUND; PERMISSION_DENIED when
// others than its owner may read it.
Result<std::string> ReadTokenFile(const std::string& path);

}  // namespace pointsman::daemon
