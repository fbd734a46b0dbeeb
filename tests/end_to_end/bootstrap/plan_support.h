// A plan by which a daemon's job buys a small world from the stand-in endpoint, and the
// job's report. One test's thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/daemon_process.h"
#include "tests/support/llm/llm_server.h"

namespace pointsman::testing {

inline constexpr std::size_t kRows = 120;
inline const std::vector<std::string> kModels{"cook", "historian", "mixed", "novice", "physicist"};

inline LlmServerOptions StandIn(bool idempotency) {
  LlmServerOptions options;
  options.table = SmallWorld(kRows, 1);
  options.key = "sesame";
  options.idempotency = idempotency;
  return options;
}

// Twenty questions a level, two levels a domain.
inline std::string PlanText(const LlmServer& server) {
  const auto endpoint = [&](const std::string& model) {
    return "model = \"" + model + "\"\nbase_url = \"" + server.base_url() +
           "\"\nkey_env = \"STAND_IN_KEY\"\ninput_usd_per_million = 1\noutput_usd_per_million = 4\n";
  };
  std::string text = "name = \"small\"\nqueries = \"synthesise\"\n[limits]\nbudget_usd = 1\nconcurrency = 2\n" +
                     ("[generator]\nmax_tokens = 4000\n" + endpoint("writer")) +
                     "[synthesise]\ntaxonomy = \"grow\"\ndomains = [\"cooking\", \"history\", \"physics\"]\n"
                     "new_domains = 0\nper_node = 20\nbatch = 5\n";
  for (const std::string& model : kModels) text += "[[models]]\nname = \"" + model + "\"\n" + endpoint(model);
  return text;
}

inline std::string Pool() {
  std::string text;
  for (const std::string& model : kModels) text += "[[models]]\nname = \"" + model + "\"\n";
  return text;
}

inline const std::vector<std::pair<std::string, std::string>> kKey{{"STAND_IN_KEY", "sesame"}};

inline nlohmann::json WaitForEnd(const DaemonProcess& daemon) {
  // The job has idle priority: on a loaded machine it waits for everybody.
  nlohmann::json report;
  for (int patience = 0; patience < 5; ++patience) {
    const bool ended = Eventually([&] {
      report = nlohmann::json::parse(Http(daemon.admin_path(), "GET", "/v1/bootstrap").body, nullptr, false);
      return report.is_object() && report["state"] != "running";
    });
    if (ended) break;
  }
  return report;
}

inline nlohmann::json Start(const DaemonProcess& daemon, const nlohmann::json& body) {
  return nlohmann::json::parse(Http(daemon.admin_path(), "POST", "/v1/bootstrap", body.dump()).body, nullptr, false);
}

inline wire::Route TextRoute(const std::string& text) {
  wire::Route route;
  route.set_text(text);
  return route;
}

}  // namespace pointsman::testing
