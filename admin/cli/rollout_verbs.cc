#include "admin/cli/rollout_verbs.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "admin/cli/admin_call.h"
#include "admin/cli/http_client.h"
#include "admin/cli/operator_render.h"
#include "admin/cli/render.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

std::string IncumbentOf(const json& rollout) {
  const std::string name = rollout.value("incumbent", "");
  return name.empty() ? "the incumbent that each request names" : name;
}

void ShowLook(Context& context, const json& rollout) {
  const json look = rollout.value("look", json::object());
  if (FieldNumber(look, "number") > 0) {
    context.out << "\nlook " << FieldText(look, "number") << ", at " << FieldText(look, "labels")
                << " gold labels: " << Printable(FieldText(look, "verdict")) << "\n";
    if (FieldNumber(look, "decisions") > 0) {
      context.out << "gain in utility " << Fixed(FieldNumber(look, "gain"), 4) << " +- "
                  << Fixed(FieldNumber(look, "gain_error"), 4) << ", in quality "
                  << Fixed(FieldNumber(look, "quality_gain"), 4) << ", over " << FieldText(look, "decisions")
                  << " decisions; chance of error " << Fixed(FieldNumber(look, "chance"), 5) << ", at most "
                  << Fixed(FieldNumber(look, "level"), 5) << " is asked for\n";
    }
  }
  if (FieldText(rollout, "mode") == "apprentice") {
    context.out << "\nThe next look comes with gold label " << FieldText(rollout, "next_look_labels") << "; there are "
                << FieldText(rollout, "labels") << " since the rollout began.\n";
  }
}

void ShowRollout(Context& context, const json& rollout) {
  Table table({{"WHAT"}, {"VALUE"}});
  table.Row({"mode", FieldText(rollout, "mode")});
  table.Row({"router's share", Fixed(100 * FieldNumber(rollout, "share"), 1) + " %"});
  table.Row({"incumbent", IncumbentOf(rollout)});
  const auto since = rollout.find("since_us");
  if (FieldNumber(rollout, "since_sequence") > 0 && since != rollout.end()) {
    table.Row({"since", UtcTime(since->get<std::int64_t>()) + ", event " + FieldText(rollout, "since_sequence")});
    table.Row({"set by", FieldText(rollout, "set_by") + ": " + FieldText(rollout, "reason")});
  }
  table.Row({"decisions", FieldText(rollout, "routed") + " followed the router, " + FieldText(rollout, "followed") +
                              " the incumbent"});
  table.Print(context.out, context.colour);
  ShowLook(context, rollout);
}

struct RolloutArguments {
  double share = 0.1;
  std::string incumbent;
};

}  // namespace

std::string RolloutLine(const json& rollout) {
  const std::string mode = FieldText(rollout, "mode");
  if (mode == "full") return "full: every decision is the router's";
  return mode + ": " + Fixed(100 * FieldNumber(rollout, "share"), 1) + " % follow the router, the rest " +
         IncumbentOf(rollout);
}

void AddRollout(CLI::App& app, Context& context, const std::string& group) {
  CLI::App* family = AddFamily(app, "rollout", "How much of the traffic follows the router, and whom the rest", group);
  AddVerb(*family, context, "show", "Shows the rollout in force, and how an apprentice does", "pointsman rollout show")
      ->callback([&context] { context.exit = Get(context, "/v1/rollout", ShowRollout); });
  const auto add = [&](const char* mode, const char* help, const char* example) {
    CLI::App* verb = AddVerb(*family, context, mode, help, example);
    auto arguments = std::make_shared<RolloutArguments>();
    verb->add_option("--share", arguments->share, "Share of decisions that follow the router")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    verb->add_option("--incumbent", arguments->incumbent,
                     "The model whom the rest follow where a request names no incumbent");
    verb->callback([&context, arguments, mode] {
      context.exit =
          Post(context, "/v1/rollout",
               {{"mode", mode}, {"share", arguments->share}, {"incumbent", arguments->incumbent}}, ShowRollout);
    });
  };
  add("canary", "A share of decisions follow the router, the rest the incumbent",
      "pointsman rollout canary --share 0.1 --incumbent large");
  add("apprentice", "A canary until the router's choices are known to be better; then every decision is the router's",
      "pointsman rollout apprentice --share 0.2 --incumbent large");
  AddVerb(*family, context, "full", "Every decision is the router's", "pointsman rollout full")->callback([&context] {
    context.exit = Post(context, "/v1/rollout", {{"mode", "full"}}, ShowRollout);
  });
}

}  // namespace pointsman::cli
