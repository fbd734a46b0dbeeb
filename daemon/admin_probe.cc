// AdminPorts::ProbeModel: scored answers of a model to chosen queries.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "daemon/admin_ports.h"
#include "daemon/route_service.h"
#include "policy/choice/probe.h"

namespace pointsman::daemon {

Result<admin::ProbeReport> AdminPorts::ProbeModel(const admin::Caller& caller, const std::string& name,
                                                  const std::vector<admin::ProbeAsk>& asked) {
  const auto view = context_.cell.Load();
  const policy::Snapshot& snapshot = *view->snapshot;
  if (asked.size() > policy::kProbeRowsMax) {
    return MakeError(Code::kResourceExhausted, "too_many_probes",
                     fmt::format("{} probes; at most {} are taken: send 5 to 8 for each cluster", asked.size(),
                                 policy::kProbeRowsMax));
  }
  std::vector<policy::Probe> probes;
  for (const admin::ProbeAsk& one : asked) {
    wire::Route query;
    query.set_text(one.text);
    query.mutable_embedding()->Add(one.embedding.begin(), one.embedding.end());
    policy::Probe& probe = probes.emplace_back();
    probe.score = one.score;
    if (const Status embedded = EmbeddingOf(*view, query, true, &probe.embedding); !embedded.ok()) {
      Error error = embedded.error();
      error.message = fmt::format("probe {}: {}", probes.size(), error.message);
      return error;
    }
  }
  auto made = policy::MakeProbes(snapshot, name, probes, context_.clock.WallMicros());
  if (!made.ok()) return made.error();
  const Actor actor{policy::Origin::kOperator, caller.uid};
  if (const Status taken = mutations_.Probe(actor, std::move(made->event)); !taken.ok()) return taken.error();
  log::Info("uid {} gave {} probes of {}", caller.uid, probes.size(), log::Escape(name));
  auto model = ReportOf(name);
  if (!model.ok()) return model.error();
  admin::ProbeReport report;
  report.model = std::move(model).value();
  report.probes = probes.size();
  for (const ClusterId cluster : made->thin) {
    const std::string& terms =
        cluster.value == 0 ? std::string("background") : snapshot.bundle->cluster_names[cluster.value - 1];
    report.thin.push_back(fmt::format("{} ({})", cluster.value, terms));
  }
  return report;
}

}  // namespace pointsman::daemon
