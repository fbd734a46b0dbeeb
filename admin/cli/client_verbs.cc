#include "admin/cli/client_verbs.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "admin/cli/render.h"
#include "admin/json.h"
#include "clients/cpp/client.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

constexpr char kGroup[] = "Client verbs (frames on the route socket)";

Error FromFailure(const client::Failure& failure) {
  const Code code =
      failure.code <= static_cast<std::uint32_t>(Code::kInternal) ? static_cast<Code>(failure.code) : Code::kInternal;
  return MakeError(code, failure.reason, failure.message);
}

// Connects, calls, and hands the reply on; a daemon that does not answer is 69.
template <typename Request, typename OnReply>
Exit Exchange(Context& context, const Request& request, OnReply on_reply) {
  auto connected = client::Client::Connect({.socket_path = context.route_socket});
  if (!connected.ok()) {
    const Error error = FromFailure(connected.failure());
    const bool theirs = error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded;
    if (theirs && ::access(context.route_socket.c_str(), W_OK) != 0 && errno == EACCES) {
      return context.Fail(error, Exit::kNotPermitted);
    }
    return context.Fail(error, theirs ? Exit::kUnreachable : ExitFor(error.code));
  }
  auto reply = connected->Call(request);
  if (!reply.ok()) {
    const Error error = FromFailure(reply.failure());
    return context.Fail(
        error, connected->closed() && error.code == Code::kUnavailable ? Exit::kUnreachable : ExitFor(error.code));
  }
  return on_reply(*reply);
}

const char* DurabilityName(std::uint32_t durability) {
  constexpr const char* kNames[] = {"none", "process", "synced"};
  return durability < 3 ? kNames[durability] : "unknown";
}

Exit PrintAck(Context& context, const wire::Ack& ack) {
  const bool duplicate = ack.code() == static_cast<std::uint32_t>(Code::kDuplicateOk);
  if (context.json) {
    return context.Print({{"code", duplicate ? "DUPLICATE_OK" : "OK"},
                          {"sequence", admin::Number64(ack.sequence())},
                          {"durability", DurabilityName(ack.durability())}});
  }
  context.out << (duplicate ? "had been recorded before" : "recorded") << " (sequence " << ack.sequence() << ", "
              << DurabilityName(ack.durability()) << ")\n";
  return Exit::kOk;
}

// Puts the 32 bytes of `text` into *out.
Status TakeToken(const std::string& text, std::string* out) {
  *out = client::TokenFromText(text);
  if (!out->empty()) return {};
  return MakeError(Code::kInvalidArgument, "malformed_token",
                   "a token looks like d1_ and 52 letters and digits, as `pointsman route` prints it");
}

// Numbers apart by commas, blanks or line ends, with or without [ ].
Result<std::vector<float>> ParseVector(const std::string& text) {
  std::vector<float> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    if (std::string_view(" \t\r\n,[]").find(*at) != std::string_view::npos) {
      ++at;
      continue;
    }
    float value = 0;
    const auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc() || !std::isfinite(value)) {
      return MakeError(Code::kInvalidArgument, "malformed_embedding",
                       "entry " + std::to_string(out.size() + 1) + " of the embedding is not a finite number");
    }
    out.push_back(value);
    at = stop;
  }
  if (out.empty()) return MakeError(Code::kInvalidArgument, "empty_embedding", "the embedding holds no number");
  return out;
}

struct RouteArguments {
  std::string text;
  std::string embedding_file;
  std::string preset;
  std::vector<double> weights;
  std::vector<std::string> allowed;
  double cost_cap = 0;
  double quality_floor = 0;
  std::uint32_t tokens_in = 0;
  bool no_explore = false;
  double latency_cap = 0;
  std::string incumbent;
  double switch_cost = 0;
  std::string observed;
  std::string tenant;
  std::uint32_t explain = 3;
  std::uint32_t candidates = 0;
};

Result<wire::Route> MakeRoute(Context& context, const RouteArguments& arguments) {
  wire::Route route;
  if (!arguments.embedding_file.empty()) {
    const Result<std::string> input = ReadInput(context, arguments.embedding_file);
    if (!input.ok()) return input.error();
    const Result<std::vector<float>> vector = ParseVector(input.value());
    if (!vector.ok()) return vector.error();
    route.mutable_embedding()->Add(vector->begin(), vector->end());
  } else if (arguments.text == "-") {
    Result<std::string> input = ReadInput(context, "-");
    if (!input.ok()) return input.error();
    route.set_text(std::move(input).value());
  } else {
    route.set_text(arguments.text);
  }
  route.set_preset(arguments.preset);
  if (!arguments.weights.empty()) {
    route.mutable_weights()->set_quality(arguments.weights[0]);
    route.mutable_weights()->set_cost(arguments.weights[1]);
  }
  for (const std::string& name : arguments.allowed) route.add_allowed(name);
  route.set_cost_cap_usd(arguments.cost_cap);
  route.set_quality_floor(arguments.quality_floor);
  route.set_tokens_in(arguments.tokens_in);
  route.set_no_explore(arguments.no_explore);
  route.set_latency_cap_ms(arguments.latency_cap);
  route.set_incumbent(arguments.incumbent);
  route.set_switch_cost(arguments.switch_cost);
  route.set_observed(arguments.observed);
  route.set_tenant(arguments.tenant);
  route.set_explain(arguments.explain);
  route.set_candidates_max(arguments.candidates);
  return route;
}

json NamedJson(const google::protobuf::RepeatedPtrField<wire::NamedWeight>& list) {
  json out = json::array();
  for (const auto& item : list) {
    out.push_back({{"number", item.number()}, {"name", item.name()}, {"weight", item.weight()}});
  }
  return out;
}

json RouteJson(const wire::RouteReply& reply) {
  json ranked = json::array();
  for (const auto& model : reply.ranked()) {
    ranked.push_back({{"name", model.name()},
                      {"quality", model.quality()},
                      {"quality_deviation", model.quality_deviation()},
                      {"cost_usd", model.cost_usd()},
                      {"utility", model.utility()},
                      {"probability", model.probability()}});
  }
  return {{"token", client::TokenToText(reply.token())},
          {"model", reply.model()},
          {"model_epoch", reply.model_epoch()},
          {"propensity", reply.propensity()},
          {"ranked", std::move(ranked)},
          {"gold_wanted", reply.gold_wanted()},
          {"gold_probability", reply.gold_probability()},
          {"audit", reply.audit()},
          {"forced", reply.forced()},
          {"observed", reply.observed()},
          {"advised", reply.advised()},
          {"followed", reply.followed()},
          {"generation", reply.generation()},
          {"durability", DurabilityName(reply.durability())},
          {"clusters", NamedJson(reply.clusters())},
          {"tasks", NamedJson(reply.tasks())},
          {"expires_at_us", reply.expires_at_us()}};
}

void PrintWhy(Context& context, const char* what, const google::protobuf::RepeatedPtrField<wire::NamedWeight>& list) {
  if (list.empty()) return;
  context.out << what;
  const char* separator = " ";
  for (const auto& item : list) {
    const std::string name = item.name().empty() ? "background" : Printable(item.name());
    context.out << separator << name << " (" << item.number() << ") " << Fixed(item.weight() * 100, 0) << "%";
    separator = ", ";
  }
  context.out << "\n";
}

Exit PrintRoute(Context& context, const wire::RouteReply& reply) {
  if (context.json) return context.Print(RouteJson(reply));
  context.out << "token  " << client::TokenToText(reply.token()) << "\n"
              << "model  " << Printable(reply.model());
  if (reply.audit()) context.out << "  (audit: drawn at random)";
  if (reply.forced()) context.out << "  (forced: no model was eligible)";
  if (reply.observed()) context.out << "  (observed; would have played " << Printable(reply.advised()) << ")";
  if (reply.followed()) context.out << "  (rollout: the incumbent is followed)";
  context.out << "\n\n";
  using Align = Table::Align;
  Table table({{"MODEL"},
               {"QUALITY", Align::kRight},
               {"+-", Align::kRight},
               {"COST", Align::kRight},
               {"UTILITY", Align::kRight},
               {"PROBABILITY", Align::kRight}});
  for (const auto& model : reply.ranked()) {
    table.Row({model.name(), Fixed(model.quality(), 3), Fixed(model.quality_deviation(), 3), Dollars(model.cost_usd()),
               Fixed(model.utility(), 4), Fixed(model.probability(), 4)});
  }
  table.Print(context.out, context.colour);
  context.out << "\n";
  PrintWhy(context, "clusters  ", reply.clusters());
  PrintWhy(context, "tasks     ", reply.tasks());
  context.out << "generation " << reply.generation() << ", propensity " << Fixed(reply.propensity(), 4)
              << (reply.durability() == 0 ? ", being logged" : ", logged")
              << (reply.gold_wanted() ? ", gold wanted" : "") << "\n";
  return Exit::kOk;
}

void AddRoute(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "route", "Asks which model should answer a query",
                           "pointsman route --preset balanced 'What is the capital of France?'");
  verb->group(kGroup);
  auto arguments = std::make_shared<RouteArguments>();
  auto* text = verb->add_option("text", arguments->text, "The query; - reads standard input");
  verb->add_option("--embedding", arguments->embedding_file, "File with the query's vector instead of text; - is stdin")
      ->excludes(text);
  auto* preset = verb->add_option("--preset", arguments->preset, "cost, balanced or quality");
  verb->add_option("--weights", arguments->weights, "Weights of quality and cost, for example 0.8,0.2")
      ->delimiter(',')
      ->expected(2)
      ->excludes(preset);
  verb->add_option("--allowed", arguments->allowed, "Models that may answer, apart by commas; default: all")
      ->delimiter(',');
  verb->add_option("--cost-cap", arguments->cost_cap, "Highest expected cost in dollars; 0: none");
  verb->add_option("--quality-floor", arguments->quality_floor, "Lowest predicted quality in [0,1]");
  verb->add_option("--tokens-in", arguments->tokens_in, "Length of the input in tokens; 0: estimated");
  verb->add_flag("--no-explore", arguments->no_explore, "Never audit or explore with this request");
  verb->add_option("--latency-cap", arguments->latency_cap,
                   "Leave out models whose latency (95 % quantile, learnt) is above so many ms; 0: none");
  auto* incumbent =
      verb->add_option("--incumbent", arguments->incumbent, "The model that answered this conversation so far");
  verb->add_option("--switch-cost", arguments->switch_cost,
                   "Another model than the incumbent must gain more utility than this")
      ->needs(incumbent);
  verb->add_option("--observe", arguments->observed,
                   "You use this model; the answer says what would have been played, and feedback is learnt from");
  verb->add_option("--tenant", arguments->tenant, "Who is served; default: your uid");
  verb->add_option("--explain", arguments->explain, "How many clusters and task types to name, at most 8")
      ->check(CLI::Range(0, 8));
  verb->add_option("--candidates", arguments->candidates, "Length of the ranked list; 0: 8");
  verb->callback([&context, arguments] {
    if (arguments->text.empty() && arguments->embedding_file.empty()) {
      throw CLI::RequiredError("text or --embedding");
    }
    const Result<wire::Route> route = MakeRoute(context, *arguments);
    context.exit = route.ok() ? Exchange(context, route.value(),
                                         [&](const wire::RouteReply& reply) { return PrintRoute(context, reply); })
                              : context.Fail(route.error());
  });
}

// The arguments that the feedback verbs share.
struct FeedbackArguments {
  std::string token;
  std::string other_token;
  double value = 0;
  bool tie = false;
  std::string source;
  std::string subject;
  std::uint32_t revision = 0;
  std::string tenant;
};

void AddRevisionAndTenant(CLI::App& verb, FeedbackArguments& arguments) {
  verb.add_option("--revision", arguments.revision, "Higher than before to change what was said");
  verb.add_option("--tenant", arguments.tenant, "The tenant that the route request named");
}
void AddSourceAndSubject(CLI::App& verb, FeedbackArguments& arguments, const char* source_help) {
  verb.add_option("--source", arguments.source, source_help)->required();
  verb.add_option("--subject", arguments.subject, "Who rated; only a keyed hash is stored");
}

// Sends `request` once `token` has been read; `fill` completes it.
template <typename Request, typename Fill>
Exit SendFeedback(Context& context, const FeedbackArguments& arguments, Fill fill) {
  Request request;
  request.set_revision(arguments.revision);
  request.set_tenant(arguments.tenant);
  if (Status filled = fill(request); !filled.ok()) return context.Fail(filled.error());
  return Exchange(context, request, [&](const wire::Ack& ack) { return PrintAck(context, ack); });
}

void AddRate(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "rate", "Reports a rating of one answer",
                           "pointsman rate d1_... 1 --source thumbs --subject alice");
  verb->group(kGroup);
  auto arguments = std::make_shared<FeedbackArguments>();
  verb->add_option("token", arguments->token, "The decision, as route printed it")->required();
  verb->add_option("value", arguments->value, "In [0,1]; 1 is best")->required();
  AddSourceAndSubject(*verb, *arguments, "Rating source, as the configuration names it");
  AddRevisionAndTenant(*verb, *arguments);
  verb->callback([&context, arguments] {
    context.exit = SendFeedback<wire::Rate>(context, *arguments, [&](wire::Rate& rate) {
      rate.set_source(arguments->source);
      rate.set_subject(arguments->subject);
      rate.set_value(arguments->value);
      return TakeToken(arguments->token, rate.mutable_token());
    });
  });
}

// `gold TOKEN VALUE`; `gold next` and `gold give` are operator verbs below it.
void AddGold(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "gold", "Reports a trusted label of one answer (permitted users only)",
                           "pointsman gold d1_... 0.5\n  pointsman gold next");
  verb->group(kGroup);
  auto arguments = std::make_shared<FeedbackArguments>();
  verb->add_option("token", arguments->token, "The decision, as route printed it");
  CLI::Option* value = verb->add_option("value", arguments->value, "In [0,1]; 1 is best");
  AddRevisionAndTenant(*verb, *arguments);
  verb->callback([&context, arguments, verb, value] {
    if (!verb->get_subcommands().empty()) return;
    if (value->count() == 0) {
      throw CLI::RequiredError(arguments->token.empty() ? "token" : "value");
    }
    context.exit = SendFeedback<wire::Gold>(context, *arguments, [&](wire::Gold& gold) {
      gold.set_value(arguments->value);
      return TakeToken(arguments->token, gold.mutable_token());
    });
  });
}

void AddPrefer(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "prefer", "Reports that one answer was better than another",
                           "pointsman prefer d1_WINNER d1_LOSER --source judge");
  verb->group(kGroup);
  auto arguments = std::make_shared<FeedbackArguments>();
  verb->add_option("winner", arguments->token, "The decision with the better answer")->required();
  verb->add_option("loser", arguments->other_token, "The decision with the other answer")->required();
  verb->add_flag("--tie", arguments->tie, "The answers were equal");
  AddSourceAndSubject(*verb, *arguments, "Rating source, as the configuration names it");
  AddRevisionAndTenant(*verb, *arguments);
  verb->callback([&context, arguments] {
    context.exit = SendFeedback<wire::Prefer>(context, *arguments, [&](wire::Prefer& prefer) {
      prefer.set_tie(arguments->tie);
      prefer.set_source(arguments->source);
      prefer.set_subject(arguments->subject);
      if (Status winner = TakeToken(arguments->token, prefer.mutable_winner()); !winner.ok()) return winner;
      return TakeToken(arguments->other_token, prefer.mutable_loser());
    });
  });
}

void AddRetract(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "retract", "Takes back what a subject said about a decision",
                           "pointsman retract d1_... --source thumbs --subject alice --revision 1");
  verb->group(kGroup);
  auto arguments = std::make_shared<FeedbackArguments>();
  verb->add_option("token", arguments->token, "The decision, as route printed it")->required();
  AddSourceAndSubject(*verb, *arguments, "Rating source; gold for a gold label");
  AddRevisionAndTenant(*verb, *arguments);
  verb->callback([&context, arguments] {
    context.exit = SendFeedback<wire::Retract>(context, *arguments, [&](wire::Retract& retract) {
      retract.set_source(arguments->source);
      retract.set_subject(arguments->subject);
      return TakeToken(arguments->token, retract.mutable_token());
    });
  });
}

struct OutcomeArguments {
  FeedbackArguments common;
  std::uint32_t tokens_in = 0;
  std::uint32_t tokens_out = 0;
  double latency_ms = 0;
  bool failed = false;
  std::uint32_t verdict = 0;
  double cost_usd = 0;
};

void AddOutcome(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "outcome", "Reports what the model's call cost",
                           "pointsman outcome d1_... --tokens-in 20 --tokens-out 180 --latency-ms 950");
  verb->group(kGroup);
  auto arguments = std::make_shared<OutcomeArguments>();
  verb->add_option("token", arguments->common.token, "The decision, as route printed it")->required();
  verb->add_option("--tokens-in", arguments->tokens_in, "Tokens of the input");
  verb->add_option("--tokens-out", arguments->tokens_out, "Tokens of the answer");
  verb->add_option("--latency-ms", arguments->latency_ms, "Duration of the call");
  verb->add_flag("--failed", arguments->failed, "The call gave no answer");
  verb->add_option("--verdict", arguments->verdict, "none, too_weak, too_costly or failed")
      ->transform(CLI::CheckedTransformer(std::vector<std::pair<std::string, std::uint32_t>>{
          {"none", 0}, {"too_weak", 1}, {"too_costly", 2}, {"failed", 3}}));
  auto* cost = verb->add_option("--cost-usd", arguments->cost_usd, "Measured cost in dollars");
  AddRevisionAndTenant(*verb, arguments->common);
  verb->callback([&context, arguments, cost] {
    context.exit = SendFeedback<wire::Outcome>(context, arguments->common, [&](wire::Outcome& outcome) {
      outcome.set_tokens_in(arguments->tokens_in);
      outcome.set_tokens_out(arguments->tokens_out);
      outcome.set_latency_ms(arguments->latency_ms);
      outcome.set_failed(arguments->failed);
      outcome.set_verdict(arguments->verdict);
      if (cost->count() > 0) outcome.set_cost_usd(arguments->cost_usd);
      return TakeToken(arguments->common.token, outcome.mutable_token());
    });
  });
}

struct VoteArguments {
  std::string token;
  std::vector<std::string> answers;
  std::vector<std::string> models;
  std::vector<double> confidence;
  std::string kind;
  std::string tenant;
};

Result<wire::Vote> MakeVote(const VoteArguments& arguments) {
  wire::Vote vote;
  if (Status token = TakeToken(arguments.token, vote.mutable_token()); !token.ok()) return token.error();
  for (const auto& [name, count] :
       {std::pair{"--models", arguments.models.size()}, std::pair{"--confidence", arguments.confidence.size()}}) {
    if (count == 0 || count == arguments.answers.size()) continue;
    return MakeError(Code::kInvalidArgument, "vote_lists",
                     std::string(name) + " has " + std::to_string(count) + " entries for " +
                         std::to_string(arguments.answers.size()) + " answers; give one for each");
  }
  for (std::size_t i = 0; i < arguments.answers.size(); ++i) {
    wire::VoteAnswer* answer = vote.add_answers();
    answer->set_text(arguments.answers[i]);
    if (!arguments.models.empty()) answer->set_model(arguments.models[i]);
    if (!arguments.confidence.empty()) answer->set_confidence(arguments.confidence[i]);
  }
  vote.set_kind(arguments.kind);
  vote.set_tenant(arguments.tenant);
  return vote;
}

Exit PrintVote(Context& context, const wire::VoteReply& reply) {
  if (context.json) {
    json groups = json::array();
    for (const auto& group : reply.groups()) groups.push_back(group.answers());
    return context.Print({{"chosen", reply.chosen()},
                          {"answer", reply.answer()},
                          {"model", reply.model()},
                          {"agreement", reply.agreement()},
                          {"escalate", reply.escalate()},
                          {"groups", std::move(groups)},
                          {"kind", reply.kind()}});
  }
  context.out << Printable(reply.answer()) << "\n";
  if (!reply.model().empty()) context.out << "answered by " << Printable(reply.model()) << "; ";
  context.out << Fixed(reply.agreement() * 100, 0) << " % agree, " << reply.groups_size() << " different, compared as "
              << Printable(reply.kind()) << (reply.escalate() ? "\nescalate: no two answers agree" : "") << "\n";
  return Exit::kOk;
}

void AddVote(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "vote", "Asks which of several models' answers they agree on",
                           "pointsman vote d1_... B C B --kind letter");
  verb->group(kGroup);
  auto arguments = std::make_shared<VoteArguments>();
  verb->add_option("token", arguments->token, "The decision, as route printed it")->required();
  verb->add_option("answers", arguments->answers, "Answers of the ranked models, the best-ranked first")->required();
  verb->add_option("--models", arguments->models, "Their models, apart by commas")->delimiter(',');
  verb->add_option("--confidence", arguments->confidence, "Their standardised log-probabilities, apart by commas")
      ->delimiter(',');
  verb->add_option("--kind", arguments->kind, "letter, number or text; default: what most answers are");
  verb->add_option("--tenant", arguments->tenant, "Who is served; default: your uid");
  verb->callback([&context, arguments] {
    const Result<wire::Vote> vote = MakeVote(*arguments);
    context.exit = vote.ok() ? Exchange(context, vote.value(),
                                        [&](const wire::VoteReply& reply) { return PrintVote(context, reply); })
                             : context.Fail(vote.error());
  });
}

void AddPing(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "ping", "Measures one round trip to the daemon", "pointsman ping");
  verb->group(kGroup);
  verb->callback([&context] {
    wire::Ping ping;
    ping.set_payload("pointsman");
    const std::int64_t start = context.clock.MonotonicNanos();
    context.exit = Exchange(context, ping, [&](const wire::Ping&) {
      const double micros = static_cast<double>(context.clock.MonotonicNanos() - start) / 1000.0;
      if (context.json) return context.Print({{"micros", micros}});
      context.out << "the daemon answered in " << Fixed(micros, 0) << " us (connection included)\n";
      return Exit::kOk;
    });
  });
}

}  // namespace

void AddClientVerbs(CLI::App& app, Context& context) {
  AddRoute(app, context);
  AddOutcome(app, context);
  AddRate(app, context);
  AddPrefer(app, context);
  AddGold(app, context);
  AddRetract(app, context);
  AddVote(app, context);
  AddPing(app, context);
}

}  // namespace pointsman::cli
