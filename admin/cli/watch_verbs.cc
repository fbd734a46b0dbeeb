#include "admin/cli/watch_verbs.h"

#include <poll.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <ostream>

#include "admin/cli/admin_call.h"
#include "admin/cli/dashboard_bridge.h"
#include "admin/cli/http_client.h"
#include "admin/cli/operator_render.h"
#include "admin/cli/render.h"
#include "admin/cli/rollout_verbs.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;
using Align = Table::Align;

// What one round of `top` shows.
struct Frame {
  json status;
  json traffic;
  json models;
  double at_seconds = 0;
};

std::variant<Frame, Failed> TakeFrame(Context& context) {
  Frame frame;
  for (const auto& [path, place] : {std::pair{"/status", &frame.status}, std::pair{"/v1/traffic", &frame.traffic},
                                    std::pair{"/v1/models", &frame.models}}) {
    auto answer = AskAdmin(context, "GET", path, "");
    if (const Failed* failed = std::get_if<Failed>(&answer)) return *failed;
    *place = std::move(std::get<json>(answer));
  }
  frame.at_seconds = static_cast<double>(context.clock.MonotonicNanos()) * 1e-9;
  return frame;
}

// Events a second between two frames; NaN for the first.
double Rate(const Frame& now, const std::optional<Frame>& before, const char* name) {
  if (!before) return std::nan("");
  const double seconds = now.at_seconds - before->at_seconds;
  const double more = FieldNumber(now.status, name) - FieldNumber(before->status, name);
  return seconds > 0 && more >= 0 ? more / seconds : std::nan("");
}

std::string Bar(double share, std::size_t width) {
  const auto filled = static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width)));
  return std::string(filled, '#') + std::string(width - filled, '.');
}

void ShowRates(Context& context, const Frame& frame, const std::optional<Frame>& before) {
  const json& status = frame.status;
  Table table({{"TRAFFIC"}, {"TOTAL", Align::kRight}, {"PER SECOND", Align::kRight}});
  for (const char* name : {"decisions", "audits", "outcomes", "ratings", "gold", "preferences", "refused"}) {
    table.Row({name, FieldText(status, name), Fixed(Rate(frame, before, name), 1)});
  }
  table.Print(context.out, context.colour);
  context.out << "\nqueues  commit " << FieldText(status, "commit_waiting") << ", not yet learnt "
              << Fixed(FieldNumber(status, "last_sequence") - FieldNumber(status, "learned_sequence"), 0)
              << ", open decisions " << FieldText(status, "open_decisions") << ", connections "
              << FieldText(status, "connections") << "\ndrift   " << FieldText(status, "alarms") << " of models, "
              << FieldText(status, "cell_alarms") << " of cells, " << FieldText(status, "judge_alarms")
              << " of judges\n\n";
}

void ShowShares(Context& context, const Frame& frame) {
  const json& traffic = frame.traffic;
  const double decisions = FieldNumber(traffic, "decisions");
  context.out << "last " << Fixed(decisions, 0) << " decisions: predicted quality "
              << Fixed(FieldNumber(traffic, "quality"), 3) << ", cost " << Dollars(FieldNumber(traffic, "cost_usd"))
              << " a request\n\n";
  Table table({{"MODEL"}, {"SHARE"}, {"", Align::kRight}, {"QUALITY", Align::kRight}, {"COST", Align::kRight}});
  for (const json& model : traffic.value("models", json::array())) {
    const double share = decisions > 0 ? FieldNumber(model, "decisions") / decisions : 0;
    table.Row({FieldText(model, "model"), Bar(share, 24), Fixed(100 * share, 1) + "%",
               Fixed(FieldNumber(model, "quality"), 3), Dollars(FieldNumber(model, "cost_usd"))});
  }
  table.Print(context.out, context.colour);
  const json observed = traffic.value("observed", json::object());
  if (FieldNumber(observed, "decisions") > 0) {
    context.out << "\nobserved " << FieldText(observed, "decisions")
                << " of them: the callers chose. The router agreed in " << FieldText(observed, "agreed")
                << "; it would have had quality " << Fixed(FieldNumber(observed, "advised_quality"), 3) << " at "
                << Dollars(FieldNumber(observed, "advised_cost_usd")) << " instead of "
                << Fixed(FieldNumber(observed, "quality"), 3) << " at " << Dollars(FieldNumber(observed, "cost_usd"))
                << " (predicted)\n";
  }
}

void ShowBias(Context& context, const Frame& frame) {
  Table sources({{"SOURCE"}, {"REPORTS", Align::kRight}, {"BIAS", Align::kRight}, {"+-", Align::kRight}});
  for (const json& source : frame.status.value("sources", json::array())) {
    sources.Row({FieldText(source, "name"), FieldText(source, "reports"), Fixed(FieldNumber(source, "bias"), 3),
                 Fixed(FieldNumber(source, "bias_deviation"), 3)});
  }
  context.out << "\n";
  sources.Print(context.out, context.colour);
  const json budgets = frame.status.value("budgets", json::array());
  if (!budgets.empty()) {
    Table spend({{"BUDGET OF"}, {"A REQUEST", Align::kRight}, {"MEAN", Align::kRight}, {"SPENT", Align::kRight}});
    for (const json& budget : budgets) {
      const std::string tenant = budget.value("tenant", "");
      spend.Row({tenant.empty() ? "everybody" : tenant, Dollars(FieldNumber(budget, "usd_per_request")),
                 Dollars(FieldNumber(budget, "mean_cost_usd")), Dollars(FieldNumber(budget, "spent_usd"))});
    }
    context.out << "\n";
    spend.Print(context.out, context.colour);
  }
  for (const json& warning : frame.status.value("warnings", json::array())) {
    if (warning.is_string()) context.out << "\n! " << Printable(warning.get<std::string>());
  }
  context.out << "\n";
}

void ShowFrame(Context& context, const Frame& frame, const std::optional<Frame>& before) {
  context.out << "pointsmand " << FieldText(frame.status, "version") << ", generation "
              << FieldText(frame.status, "generation") << ", up "
              << Duration(FieldNumber(frame.status, "uptime_seconds")) << ", "
              << (frame.status.value("frozen", false) ? "learning FROZEN" : "learning") << "\nrollout "
              << Printable(RolloutLine(frame.status.value("rollout", json::object()))) << "\n\n";
  ShowRates(context, frame, before);
  ShowShares(context, frame);
  ShowBias(context, frame);
}

struct TopArguments {
  double seconds = 2;
  std::uint64_t rounds = 0;
};

// On a terminal until the end of the process, or `rounds` times; elsewhere once.
Exit Top(Context& context, const TopArguments& arguments) {
  std::uint64_t rounds = arguments.rounds;
  if (rounds == 0 && (!context.out_is_terminal || context.json)) rounds = 1;
  std::optional<Frame> before;
  for (std::uint64_t round = 0; rounds == 0 || round < rounds; ++round) {
    if (round > 0) ::poll(nullptr, 0, static_cast<int>(arguments.seconds * 1000));
    auto taken = TakeFrame(context);
    if (const Failed* failed = std::get_if<Failed>(&taken)) {
      // A restart is no reason to go away; a first try that fails is.
      if (!before || rounds != 0) return context.Fail(failed->error, failed->exit);
      context.out << "\x1b[H\x1b[J" << Printable(failed->error.message) << "\ntrying again ...\n" << std::flush;
      continue;
    }
    Frame& frame = std::get<Frame>(taken);
    if (context.json) {
      context.Print({{"status", frame.status}, {"traffic", frame.traffic}, {"models", frame.models["models"]}});
    } else {
      if (context.out_is_terminal && rounds != 1) context.out << "\x1b[H\x1b[J";
      ShowFrame(context, frame, before);
    }
    context.out.flush();
    if (!context.out.good()) return Exit::kIo;
    before = std::move(frame);
  }
  return Exit::kOk;
}

Exit Dashboard(Context& context, std::uint16_t port) {
  auto alive = AskAdmin(context, "GET", "/health", "");
  if (const Failed* failed = std::get_if<Failed>(&alive)) return context.Fail(failed->error, failed->exit);
  auto bridge = DashboardBridge::Start(context.admin_socket, port);
  if (!bridge.ok()) return context.Fail(bridge.error());
  if (context.json) {
    context.Print({{"link", bridge.value()->Link()}});
  } else {
    context.out << bridge.value()->Link() << "\n";
    context.err << "Open this link in a browser of this machine; it works once. End with Ctrl-C.\n";
  }
  context.out.flush();
  bridge.value()->Wait();
  return Exit::kOk;
}

void ShowUndo(Context& context, const json& answer) {
  context.out << "undone: " << Printable(FieldText(answer, "undone")) << " (event "
              << FieldText(answer, "undone_sequence") << ")\nnow:    " << Printable(FieldText(answer, "now")) << "\n";
}

// The name of the cluster that a decision mostly fell into.
std::string MainCluster(const json& task) {
  std::string name = "-";
  double most = -1;
  for (const json& cluster : task.value("clusters", json::array())) {
    if (FieldNumber(cluster, "weight") <= most) continue;
    most = FieldNumber(cluster, "weight");
    name = FieldText(cluster, "name");
  }
  return name;
}

void ShowQueue(Context& context, const json& decisions) {
  if (decisions.empty()) context.out << "no decision waits for a label; learning.gold_rate says how many ask for one\n";
  Table table({{"DECISION"},
               {"MODEL"},
               {"ABOUT"},
               {"WHY"},
               {"WORTH", Align::kRight},
               {"ASKED WITH", Align::kRight},
               {"PREDICTED", Align::kRight},
               {"+-", Align::kRight}});
  for (const json& task : decisions) {
    table.Row({FieldText(task, "decision"), FieldText(task, "model"), MainCluster(task),
               task.value("audit", false) ? "audit" : "asked", Significant(FieldNumber(task, "worth")),
               Fixed(FieldNumber(task, "gold_probability"), 4), Fixed(FieldNumber(task, "predicted_quality"), 2),
               Fixed(FieldNumber(task, "predicted_deviation"), 2)});
  }
  if (!decisions.empty()) table.Print(context.out, context.colour);
}

Exit GoldNext(Context& context, std::size_t count) {
  auto answer = AskAdmin(context, "GET", "/v1/gold/next", "");
  if (const Failed* failed = std::get_if<Failed>(&answer)) return context.Fail(failed->error, failed->exit);
  json decisions = std::get<json>(answer).value("decisions", json::array());
  if (decisions.size() > count)
    decisions.erase(decisions.begin() + static_cast<std::ptrdiff_t>(count), decisions.end());
  if (context.json) return context.Print({{"decisions", std::move(decisions)}});
  ShowQueue(context, decisions);
  return Exit::kOk;
}

// Verbs below the client verb `gold`: what waits for a label, and a label by decision.
void AddGoldQueue(CLI::App& gold, Context& context) {
  CLI::App* next = AddVerb(gold, context, "next", "Lists decisions that wait for a gold label, in their drawn order",
                           "pointsman gold next --count 20");
  auto count = std::make_shared<std::size_t>(20);
  next->add_option("--count", *count, "How many at most, 1 to 200")->check(CLI::Range(1, 200))->capture_default_str();
  next->callback([&context, count] { context.exit = GoldNext(context, *count); });
  CLI::App* give = AddVerb(gold, context, "give", "Gives a gold label by decision, as an administrator",
                           "pointsman gold give 00112233445566778899aabbccddeeff 1");
  struct Given {
    std::string decision;
    double value = 0;
    std::uint32_t revision = 0;
  };
  auto given = std::make_shared<Given>();
  give->add_option("decision", given->decision, "The decision's hexadecimal id, or its token")->required();
  give->add_option("value", given->value, "In [0,1]; 1 is best")->required();
  give->add_option("--revision", given->revision, "Higher than before to change what was said");
  give->callback([&context, given] {
    context.exit = Post(context, "/v1/gold",
                        {{"decision", given->decision}, {"value", given->value}, {"revision", given->revision}},
                        [](Context& to, const json& ack) {
                          to.out << (ack.value("code", "") == "OK" ? "recorded" : "had been recorded before")
                                 << " (sequence " << FieldText(ack, "sequence") << ")\n";
                        });
  });
}

}  // namespace

void AddWatchVerbs(CLI::App& app, Context& context, const std::string& group) {
  CLI::App* top = AddVerb(app, context, "top", "Shows live figures: traffic, shares, quality, spend, bias, queues",
                          "pointsman top --interval 1");
  top->group(group);
  auto arguments = std::make_shared<TopArguments>();
  top->add_option("--interval", arguments->seconds, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  top->add_option("--rounds", arguments->rounds, "How many looks; 0: until Ctrl-C on a terminal, else one");
  top->callback([&context, arguments] { context.exit = Top(context, *arguments); });

  CLI::App* dashboard = AddVerb(app, context, "dashboard", "Opens the dashboard to a browser of this machine",
                                "pointsman dashboard --port 8765");
  dashboard->group(group);
  auto port = std::make_shared<std::uint16_t>(0);
  dashboard->add_option("--port", *port, "Port of 127.0.0.1; 0: any free one");
  dashboard->callback([&context, port] { context.exit = Dashboard(context, *port); });

  CLI::App* undo = AddVerb(app, context, "undo", "Reverses the last change of an operator, by an event of its own",
                           "pointsman undo");
  undo->group(group);
  undo->callback([&context] { context.exit = Post(context, "/v1/undo", json::object(), ShowUndo); });
  AddGoldQueue(*app.get_subcommand("gold"), context);
}

}  // namespace pointsman::cli
