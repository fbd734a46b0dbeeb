// AdminPorts::Explain: one decision, from its row and its event.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "base/log.h"
#include "daemon/admin_ports.h"
#include "daemon/hex.h"

namespace pointsman::daemon {
namespace {

using Names = std::map<ModelId, std::string>;

std::string NameOf(const Names& names, ModelId id) {
  const auto found = names.find(id);
  return found == names.end() ? fmt::format("model {}", id.value) : found->second;
}

void FillContext(const policy::DecisionContext& context, const policy::Bundle* bundle, const Names& names,
                 admin::Explanation* out) {
  out->decided_at_us = context.decided_at_us;
  out->generation = context.generation.value;
  out->chosen = NameOf(names, context.model);
  out->propensity = context.propensity;
  out->audit = context.audit;
  out->prior = context.prior;
  out->predicted_quality = context.predicted_quality;
  out->predicted_deviation = std::sqrt(std::max(context.predicted_variance, 0.0));
  for (const policy::ClusterWeight& cluster : context.clusters) {
    const std::uint32_t number = cluster.cluster.value;
    std::string name = number == 0 ? "background" : fmt::format("cluster {}", number);
    if (bundle != nullptr && number >= 1 && number <= bundle->cluster_count()) {
      name = bundle->cluster_names[number - 1];
    }
    out->clusters.push_back({number, std::move(name), cluster.weight});
  }
}

void FillEvent(const policy::DecisionMade& event, const policy::Bundle* bundle, const Names& names,
               admin::Explanation* out) {
  out->forced = event.forced;
  out->gold_wanted = event.gold_wanted;
  if (event.incumbent.value != 0) out->incumbent = NameOf(names, event.incumbent);
  out->followed = event.followed;
  out->observed = event.observed;
  if (event.observed) out->advised = NameOf(names, event.advised);
  out->router_share = event.router_share;
  for (const policy::LoggedCandidate& candidate : event.candidates) {
    out->candidates.push_back({NameOf(names, candidate.model), candidate.probability, candidate.quality,
                               candidate.cost_usd, candidate.utility});
  }
  for (const policy::TaskProbability& task : event.tasks) {
    const bool named = bundle != nullptr && task.task < bundle->task_count();
    out->tasks.push_back(
        {task.task, named ? bundle->task_names[task.task] : fmt::format("task {}", task.task), task.probability});
  }
}

void FillFeedback(const policy::DecisionRow& row, const std::vector<std::string>& sources, admin::Explanation* out) {
  for (const policy::SubjectValue& value : row.values) {
    const std::size_t source = value.channel;
    std::string name = source == 0 ? "gold" : fmt::format("source {}", source);
    if (source >= 1 && source <= sources.size()) name = sources[source - 1];
    out->channels.push_back({std::move(name), value.value, value.revision, value.retracted});
  }
  if (!row.outcome) return;
  out->outcome_known = true;
  out->tokens_out = row.outcome->tokens_out;
  out->latency_ms = row.outcome->latency_ms;
  out->failed = row.outcome->failed;
}

}  // namespace

Result<DecisionId> ParseDecision(const std::string& text) {
  DecisionId id;
  if (ParseHex(text, id.bytes)) return id;
  const auto token = store::ParseTokenText(text);
  if (!token.ok()) {
    return MakeError(Code::kInvalidArgument, "bad_decision",
                     "a decision is named by its token (d1_...) or by 32 hexadecimal digits");
  }
  std::memcpy(id.bytes.data(), token->data(), id.bytes.size());
  return id;
}

void AdminPorts::AwaitLog() const {
  const Status turn = context_.queue.RunExclusive([](store::Store&) { return Status(); });
  if (!turn.ok()) log::Debug("the log is read as it is: {}", turn.error().message);
}

Result<admin::Explanation> AdminPorts::Explain(const std::string& decision) const {
  const auto id = ParseDecision(decision);
  if (!id.ok()) return id.error();
  auto row = context_.store.FindDecision(id.value());
  if (!row.ok() && row.error().code == Code::kNotFound) {
    AwaitLog();
    row = context_.store.FindDecision(id.value());
  }
  if (!row.ok()) {
    if (row.error().code != Code::kNotFound) return row.error();
    return MakeError(Code::kNotFound, "unknown_decision",
                     "no open decision has this id: it was never logged, or its time for feedback is over");
  }
  Names names;
  for (const admin::ModelReport& model : Models()) names[ModelId{model.id}] = model.name;
  const auto bundle = context_.store.Find(row->context.bundle);
  const policy::Bundle* known = bundle.ok() ? bundle.value().get() : nullptr;

  admin::Explanation out;
  out.token_id = Hex(id->bytes);
  out.sequence = row->decided_seq.value;
  out.open = context_.clock.WallMicros() < row->expires_at_us;
  FillContext(row->context, known, names, &out);
  const Status read = context_.store.ReadLog(row->decided_seq, 1, [&](const policy::Event& event) {
    if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) FillEvent(*made, known, names, &out);
    return Status();
  });
  if (!read.ok()) return read.error();
  FillFeedback(row.value(), context_.cell.Load()->snapshot->options.sources, &out);
  return out;
}

}  // namespace pointsman::daemon
