#include "admin/routes.h"

#include <array>
#include <charconv>
#include <exception>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "admin/client_handlers.h"
#include "admin/dashboard.h"
#include "admin/json.h"
#include "admin/openapi.h"
#include "admin/rollout_json.h"
#include "base/log.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

RouteReply Reply(const json& value, int status = 200) {
  return RouteReply{status, "application/json", Dump(value), ""};
}

template <typename T>
RouteReply ReplyWith(const Result<T>& result) {
  return result.ok() ? Reply(ToJson(result.value())) : Refuse(result.error());
}

template <typename T>
RouteReply ReplyList(const char* name, const std::vector<T>& items) {
  json list = json::array();
  for (const T& item : items) list.push_back(ToJson(item));
  return Reply({{name, std::move(list)}});
}

RouteReply Health(Ports& ports, const RouteRequest&) {
  if (ports.Alive()) return Reply({{"status", "ok"}});
  return Refuse(MakeError(Code::kUnavailable, "not_alive", "a thread of the daemon has stopped; restart it"));
}

RouteReply Ready(Ports& ports, const RouteRequest&) {
  const Status ready = ports.Ready();
  return ready.ok() ? Reply({{"status", "ready"}}) : Refuse(ready.error());
}

RouteReply GetStatus(Ports& ports, const RouteRequest&) { return Reply(ToJson(ports.GetStatus())); }

RouteReply Metrics(Ports& ports, const RouteRequest&) {
  return RouteReply{200, "text/plain; version=0.0.4; charset=utf-8", ports.MetricsText(), ""};
}

RouteReply ListModels(Ports& ports, const RouteRequest&) { return ReplyList("models", ports.Models()); }

RouteReply AddModel(Ports& ports, const RouteRequest& request) {
  const Result<NewModel> body = ParseAddModel(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.AddModel(request.caller, *body));
}

RouteReply ProbeModel(Ports& ports, const RouteRequest& request) {
  const Result<std::vector<ProbeAsk>> body = ParseProbes(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.ProbeModel(request.caller, request.capture, *body));
}

RouteReply SetPrice(Ports& ports, const RouteRequest& request) {
  const Result<PriceBody> body = ParsePrice(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.SetPrice(request.caller, request.capture, body->price));
}

RouteReply SetState(Ports& ports, const RouteRequest& request) {
  const Result<StateBody> body = ParseState(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.SetModelState(request.caller, request.capture, body->state));
}

RouteReply ShowModelTree(Ports& ports, const RouteRequest&) { return ReplyWith(MakeModelTree(ports)); }

RouteReply ShowNiches(Ports& ports, const RouteRequest& request) {
  return ReplyWith(MakeModelProfile(ports, request.capture));
}

RouteReply ListClusters(Ports& ports, const RouteRequest&) { return ReplyList("clusters", ports.Clusters()); }

RouteReply ShowCluster(Ports& ports, const RouteRequest& request) {
  std::uint32_t number = 0;
  const char* const end = request.capture.data() + request.capture.size();
  const auto [stop, error] = std::from_chars(request.capture.data(), end, number);
  if (error != std::errc() || stop != end) {
    const std::string given = "'" + log::Escape(request.capture) + "'";
    return Refuse(MakeError(Code::kInvalidArgument, "cluster_number",
                            given + " is not a cluster number; GET /v1/clusters has them"));
  }
  return ReplyWith(ports.Cluster(number));
}

RouteReply ShowTraffic(Ports& ports, const RouteRequest&) { return ReplyWith(ports.Traffic()); }

RouteReply ListGenerations(Ports& ports, const RouteRequest&) { return ReplyList("generations", ports.Generations()); }

RouteReply ShowGeneration(Ports& ports, const RouteRequest& request) {
  return ReplyWith(ports.Generation(request.capture));
}

// The capture is FROM..TO.
RouteReply DiffGenerations(Ports& ports, const RouteRequest& request) {
  const std::size_t dots = request.capture.find("..");
  if (dots == std::string::npos) {
    return Refuse(MakeError(Code::kInvalidArgument, "from_to", "give two generations as FROM..TO, for example 1..2"));
  }
  return ReplyWith(ports.DiffGenerations(request.capture.substr(0, dots), request.capture.substr(dots + 2)));
}

RouteReply Activate(Ports& ports, const RouteRequest& request) {
  const Result<ActivateBody> body = ParseActivate(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.Activate(request.caller, body->target));
}

RouteReply Rollback(Ports& ports, const RouteRequest& request) {
  if (const Status body = ParseNothing(request.body); !body.ok()) return Refuse(body.error());
  return ReplyWith(ports.Rollback(request.caller));
}

RouteReply StartBootstrap(Ports& ports, const RouteRequest& request) {
  const Result<BootstrapRequest> body = ParseBootstrap(request.body);
  if (!body.ok()) return Refuse(body.error());
  const Result<BootstrapReport> started = ports.StartBootstrap(request.caller, body.value());
  return started.ok() ? Reply(ToJson(started.value()), 202) : Refuse(started.error());
}

RouteReply BootstrapStatus(Ports& ports, const RouteRequest&) { return Reply(ToJson(ports.BootstrapStatus())); }

RouteReply PlanBootstrap(Ports& ports, const RouteRequest& request) {
  const Result<std::string> path = ParsePlanPath(request.body);
  if (!path.ok()) return Refuse(path.error());
  const Result<std::string> estimate = ports.PlanBootstrap(path.value());
  if (!estimate.ok()) return Refuse(estimate.error());
  return RouteReply{200, "application/json", estimate.value() + "\n", ""};
}

RouteReply Refit(Ports& ports, const RouteRequest& request) {
  const Result<RefitRequest> body = ParseRefit(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.Refit(request.caller, body.value()));
}

RouteReply CancelBootstrap(Ports& ports, const RouteRequest& request) {
  if (const Status body = ParseNothing(request.body); !body.ok()) return Refuse(body.error());
  return ReplyWith(ports.CancelBootstrap(request.caller));
}

RouteReply Explain(Ports& ports, const RouteRequest& request) { return ReplyWith(ports.Explain(request.capture)); }

RouteReply SetLearning(Ports& ports, const RouteRequest& request) {
  const Result<LearningBody> body = ParseLearning(request.body);
  if (!body.ok()) return Refuse(body.error());
  if (const Status set = ports.SetFrozen(request.caller, body->frozen); !set.ok()) return Refuse(set.error());
  return Reply({{"frozen", body->frozen}});
}

RouteReply ExcludeSubject(Ports& ports, const RouteRequest& request) {
  const Result<SubjectBody> body = ParseSubject(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.ExcludeSubject(request.caller, body->subject, body->tenant));
}

RouteReply IncludeSubject(Ports& ports, const RouteRequest& request) {
  const Result<SubjectBody> body = ParseSubject(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.IncludeSubject(request.caller, body->subject, body->tenant));
}

RouteReply Compact(Ports& ports, const RouteRequest& request) {
  if (const Status body = ParseNothing(request.body); !body.ok()) return Refuse(body.error());
  return ReplyWith(ports.Compact(request.caller));
}

RouteReply ShowRollout(Ports& ports, const RouteRequest&) { return Reply(ToJson(ports.GetRollout())); }

RouteReply SetRollout(Ports& ports, const RouteRequest& request) {
  const Result<policy::Rollout> body = ParseRollout(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.SetRollout(request.caller, body.value()));
}

RouteReply WhatIf(Ports& ports, const RouteRequest& request) {
  const Result<WhatIfBody> body = ParseWhatIf(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.WhatIf(body->target, body->events));
}

RouteReply OpenApi(Ports&, const RouteRequest&) { return Reply(OpenApiDocument(Routes())); }

RouteReply Help(Ports&, const RouteRequest&) {
  json rows = json::array();
  for (const RouteRow& row : Routes()) {
    rows.push_back({{"method", std::string(row.method)},
                    {"path", std::string(row.path)},
                    {"help", std::string(row.help)},
                    {"mutates", row.effect != Effect::kReads},
                    {"socket", row.role == Role::kApi ? "api" : "admin"}});
  }
  return Reply({{"routes", std::move(rows)}});
}

constexpr auto kReads = Effect::kReads;
constexpr auto kReports = Effect::kReports;
constexpr auto kChanges = Effect::kChanges;
constexpr auto kApi = Role::kApi;
constexpr auto kAdmin = Role::kAdmin;

// clang-format off
constexpr std::array kRoutes = {
    RouteRow{"GET", "/", "The dashboard.", kReads, kAdmin, DashboardPage, "", ""},
    RouteRow{"GET", "/ui/{file}", "Files of the dashboard.", kReads, kAdmin, DashboardFile, "", ""},
    RouteRow{"GET", "/health", "The process is alive.", kReads, kApi, Health, "", "State"},
    RouteRow{"GET", "/ready", "The daemon takes traffic; otherwise why not.", kReads, kApi, Ready, "", "State"},
    RouteRow{"GET", "/status", "Sequences, counters, calibration, warnings.", kReads, kApi, GetStatus, "", "Status"},
    RouteRow{"GET", "/metrics", "Prometheus text format.", kReads, kApi, Metrics, "", ""},
    RouteRow{"GET", "/v1/help", "This table.", kReads, kApi, Help, "", "Help"},
    RouteRow{"GET", "/v1/openapi.json", "This interface as OpenAPI 3.1.", kReads, kApi, OpenApi, "", "OpenApi"},
    RouteRow{"POST", "/v1/route", "Which model should answer: text, messages or embedding.", kReports, kApi, PostRoute,
             "RouteRequest", "Route"},
    RouteRow{"POST", "/v1/route/batch", "1 to 256 route requests at once; each has its own reply or error.", kReports,
             kApi, PostRouteBatch, "RouteBatchRequest", "RouteBatch"},
    RouteRow{"POST", "/v1/outcome", "What the call cost: tokens, latency, failure.", kReports, kApi, PostOutcome,
             "OutcomeRequest", "Acknowledgement"},
    RouteRow{"POST", "/v1/feedback", "A rating, a gold label (source gold), or a preference (winner, loser).", kReports,
             kApi, PostFeedback, "FeedbackRequest", "Acknowledgement"},
    RouteRow{"POST", "/v1/retract", "Takes back what a subject said through a source.", kReports, kApi, PostRetract,
             "RetractRequest", "Acknowledgement"},
    RouteRow{"POST", "/v1/vote", "Which of several answers to one query speaks for most of them.", kReports, kApi,
             PostVote, "VoteRequest", "Vote"},
    RouteRow{"GET", "/v1/models", "The pool with prices and what was learnt.", kReads, kApi, ListModels, "", "Models"},
    RouteRow{"GET", "/v1/models/{name}/niches", "Clusters in which a model is the best, or well above its level.",
             kReads, kApi, ShowNiches, "", "ModelProfile"},
    RouteRow{"GET", "/v1/model-tree", "Which models are skilled alike: a dendrogram.", kReads, kApi, ShowModelTree, "",
             "ModelTree"},
    RouteRow{"POST", "/v1/models", "Adds a model; on trial where the live bundle does not know it.", kChanges, kAdmin,
             AddModel, "AddModelRequest", "Model"},
    RouteRow{"POST", "/v1/models/{name}/probes", "Takes in scored answers of a model to chosen queries.", kChanges,
             kAdmin, ProbeModel, "ProbesRequest", "Probes"},
    RouteRow{"POST", "/v1/models/{name}/price", "Sets the price.", kChanges, kAdmin, SetPrice, "Price", "Model"},
    RouteRow{"POST", "/v1/models/{name}/state", "Sets the state: active, draining or retired.", kChanges, kAdmin,
             SetState, "StateRequest", "Model"},
    RouteRow{"GET", "/v1/clusters", "Clusters with their leading model and evidence.", kReads, kApi, ListClusters, "",
             "Clusters"},
    RouteRow{"GET", "/v1/clusters/{n}", "One cluster with its cells, best first.", kReads, kApi, ShowCluster, "",
             "ClusterDetail"},
    RouteRow{"GET", "/v1/traffic", "The last decisions: shares, quality, cost, savings.", kReads, kApi, ShowTraffic, "",
             "Traffic"},
    RouteRow{"GET", "/v1/generations", "Every generation that was activated.", kReads, kApi, ListGenerations, "",
             "Generations"},
    RouteRow{"GET", "/v1/generation-details/{target}", "One generation, by number or bundle hash.", kReads, kApi,
             ShowGeneration, "", "Generation"},
    RouteRow{"GET", "/v1/generation-diffs/{from..to}",
             "Two generations: clusters, priors, predicted shares and value on the log.", kReads, kAdmin,
             DiffGenerations, "", "GenerationDiff"},
    RouteRow{"POST", "/v1/generations/activate", "Makes a bundle live: generation number or bundle hash.", kChanges,
             kAdmin, Activate, "ActivateRequest", "Generation"},
    RouteRow{"POST", "/v1/generations/rollback", "Back to the previous bundle, under a new number.", kChanges, kAdmin,
             Rollback, "Nothing", "Generation"},
    RouteRow{"GET", "/v1/bootstrap", "State of the bootstrap job.", kReads, kAdmin, BootstrapStatus, "", "Bootstrap"},
    RouteRow{"POST", "/v1/bootstrap", "Starts a job that makes a bundle from a table or by a plan.", kChanges, kAdmin,
             StartBootstrap, "BootstrapRequest", "Bootstrap", 202},
    RouteRow{"POST", "/v1/bootstrap/plan", "What a plan would ask for and cost; asks nobody.", kReads, kAdmin,
             PlanBootstrap, "PlanRequest", "PlanEstimate"},
    RouteRow{"POST", "/v1/bootstrap/cancel", "Stops the running job.", kChanges, kAdmin, CancelBootstrap, "Nothing",
             "Bootstrap"},
    RouteRow{"GET", "/v1/explain/{decision}", "Why a decision was made and what came back.", kReads, kAdmin, Explain,
             "", "Explanation"},
    RouteRow{"GET", "/v1/gold/next", "Decisions that wait for the gold label they asked for, in their drawn order.", kReads, kAdmin, GetGoldQueue, "",
             "GoldQueue"},
    RouteRow{"POST", "/v1/gold", "A gold label by an administrator, by decision.", kChanges, kAdmin, PostGold,
             "GoldRequest", "Acknowledgement"},
    RouteRow{"POST", "/v1/refit", "Fits what each rating source is off by over the log, and installs it.", kChanges,
             kAdmin, Refit, "RefitRequest", "Refit"},
    RouteRow{"POST", "/v1/learning", "Freezes or resumes learning.", kChanges, kAdmin, SetLearning, "LearningRequest",
             "Learning"},
    RouteRow{"POST", "/v1/subjects/exclude", "What a subject says counts no more, from here on.", kChanges, kAdmin,
             ExcludeSubject, "SubjectRequest", "Exclusion"},
    RouteRow{"POST", "/v1/subjects/include", "What an excluded subject says counts again, from here on.", kChanges,
             kAdmin, IncludeSubject, "SubjectRequest", "Inclusion"},
    RouteRow{"GET", "/v1/rollout", "How much of the traffic follows the router, and how an apprentice does.", kReads,
             kApi, ShowRollout, "", "Rollout"},
    RouteRow{"POST", "/v1/rollout", "Sets it: full, canary or apprentice.", kChanges, kAdmin, SetRollout,
             "RolloutRequest", "Rollout"},
    RouteRow{"POST", "/v1/whatif", "What another policy would have earned on the log; one judgement at a time.", kReads,
             kAdmin, WhatIf, "WhatIfRequest", "WhatIf"},
    RouteRow{"POST", "/v1/compact", "Writes the store's files anew while all goes on; answers when done.", kChanges,
             kAdmin, Compact, "Nothing", "Compaction"},
    RouteRow{"POST", "/v1/undo", "Reverses the last change of an operator.", kChanges, kAdmin, PostUndo, "Nothing",
             "Undo"},
};
// clang-format on

// The {...} part of `path` when it fits `pattern`; names may hold slashes, so
// only what stands before and after the braces counts.
std::optional<std::string> Fit(std::string_view pattern, std::string_view path) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, open);
  const std::string_view after = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= before.size() + after.size()) return std::nullopt;
  if (!path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
  return std::string(path.substr(before.size(), path.size() - before.size() - after.size()));
}

}  // namespace

std::span<const RouteRow> Routes() { return kRoutes; }

Status CheckRoutes(std::span<const RouteRow> rows) {
  std::set<std::string> seen;
  for (const RouteRow& row : rows) {
    const std::string name = std::string(row.method) + " " + std::string(row.path);
    const auto bad = [&](const char* why) {
      return MakeError(Code::kInvalidArgument, "route_table", name + ": " + why);
    };
    if (row.method != "GET" && row.method != "POST") return bad("the method must be GET or POST");
    if (row.method == "GET" && row.effect != Effect::kReads) return bad("GET must not mutate");
    if (row.effect == Effect::kChanges && row.role != Role::kAdmin) return bad("changes are for the admin socket");
    for (const std::string_view schema : {row.takes, row.gives}) {
      if (!schema.empty() && !HasSchema(schema)) return bad("names a schema that does not exist");
    }
    if (row.handler == nullptr || row.help.empty()) return bad("handler and help are needed");
    if (!seen.insert(name).second) return bad("is there twice");
  }
  return {};
}

Matched Match(std::span<const RouteRow> rows, Role role, std::string_view method, std::string_view path) {
  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  Matched matched;
  std::string methods;
  for (const RouteRow& row : rows) {
    std::optional<std::string> capture = Fit(row.path, path);
    if (!capture) continue;
    if (row.method == wanted) {
      if (row.role == Role::kAdmin && role != Role::kAdmin) {
        matched.refusal = Refuse(
            MakeError(Code::kPermissionDenied, "admin_socket_only",
                      std::string(row.method) + " " + std::string(row.path) + " is served on the admin socket only"));
        return matched;
      }
      matched.row = &row;
      matched.capture = std::move(*capture);
      return matched;
    }
    const bool served = role == Role::kAdmin || row.role == Role::kApi;
    if (served) methods += (methods.empty() ? "" : ", ") + std::string(row.method);
  }
  if (methods.empty()) {
    matched.refusal = Refuse(
        MakeError(Code::kNotFound, "unknown_path", "no such path: " + log::Escape(path) + "; GET /v1/help lists all"));
    return matched;
  }
  matched.refusal = Refuse(MakeError(Code::kInvalidArgument, "method_not_allowed",
                                     log::Escape(path) + " takes " + methods + ", not " + log::Escape(method)),
                           405);
  matched.refusal.allow = methods;
  return matched;
}

RouteReply Serve(const RouteRow& row, Ports& ports, const RouteRequest& request) {
  try {
    return row.handler(ports, request);
  } catch (const std::exception& caught) {
    log::Failure("{} {} threw: {}", row.method, row.path, log::Escape(caught.what()));
  } catch (...) {
    log::Failure("{} {} threw something that is no exception", row.method, row.path);
  }
  return Refuse(MakeError(Code::kInternal, "handler_failed", "our bug: the handler failed; the daemon's log says how"));
}

RouteReply Refuse(const Error& error, std::optional<int> status) {
  const int http = status.value_or(HttpStatus(error.code));
  return RouteReply{http, "application/problem+json", Dump(ProblemJson(error, http)), ""};
}

}  // namespace pointsman::admin
