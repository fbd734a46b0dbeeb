#include "admin/cli/operator_verbs.h"

#include <poll.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "admin/cli/admin_call.h"
#include "admin/cli/http_client.h"
#include "admin/cli/model_render.h"
#include "admin/cli/offline_transfer_verbs.h"
#include "admin/cli/operator_render.h"
#include "admin/cli/probe_file.h"
#include "admin/cli/render.h"
#include "admin/cli/rollout_verbs.h"
#include "admin/cli/watch_verbs.h"
#include "admin/json.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

constexpr char kGroup[] = "Operator verbs (HTTP on the admin socket)";
constexpr int kPollMillis = 200;

// A verb of `family` (or of the program) without arguments that GETs `path`.
void AddGet(CLI::App& parent, Context& context, const char* name, const char* help, const char* example,
            const char* path, Show show) {
  AddVerb(parent, context, name, help, example)->callback([&context, path, show] {
    context.exit = Get(context, path, show);
  });
}

struct PriceArguments {
  std::string name;
  double input = 0;
  double output = 0;
  std::uint32_t context_tokens = 0;
};

void AddPriceOptions(CLI::App& verb, PriceArguments& arguments) {
  verb.add_option("name", arguments.name, "The model's name")->required();
  verb.add_option("--input-price", arguments.input, "Dollars per million input tokens")->required();
  verb.add_option("--output-price", arguments.output, "Dollars per million output tokens")->required();
}

struct JoinArguments : PriceArguments {
  std::string family;
  std::optional<double> strength;
  std::string probe_file;
};

// Adds the model; then takes in the probes, which were read before anything was changed.
Exit Join(Context& context, const JoinArguments& arguments) {
  json body = {{"name", arguments.name},
               {"input_usd_per_million", arguments.input},
               {"output_usd_per_million", arguments.output},
               {"context_tokens", arguments.context_tokens}};
  if (!arguments.family.empty()) body["family"] = arguments.family;
  if (arguments.strength) body["strength"] = *arguments.strength;
  if (arguments.probe_file.empty()) return Post(context, "/v1/models", body, ShowModel);
  const auto probes = ReadProbes(context, arguments.probe_file, arguments.name);
  if (!probes.ok()) return context.Fail(probes.error());
  const auto added = AskAdmin(context, "POST", "/v1/models", admin::Dump(body));
  if (std::holds_alternative<Failed>(added)) return Finish(context, added, ShowModel);
  const Exit probed = Post(context, "/v1/models/" + PathPart(arguments.name) + "/probes", *probes, ShowProbes);
  if (probed != Exit::kOk) {
    context.err << "The model was added, without its probes; mend the file and run: pointsman models probe "
                << Printable(arguments.name) << " " << Printable(arguments.probe_file) << "\n";
  }
  return probed;
}

void AddJoining(CLI::App& family, Context& context) {
  CLI::App* add = AddVerb(family, context, "add", "Adds a model; on trial where the live bundle does not know it",
                          "pointsman models add small-1 --input-price 0.15 --output-price 0.6");
  auto added = std::make_shared<JoinArguments>();
  AddPriceOptions(*add, *added);
  add->add_option("--context-tokens", added->context_tokens, "Longest input it takes; 0: unknown");
  add->add_option("--family", added->family, "Part of the names of its kin; the nearest models give its prior");
  add->add_option("--strength", added->strength, "Expected quality over all queries, a public score say, 0 to 1");
  add->add_option("--probe", added->probe_file, "Scored answers (JSON lines), as of `models probe`");
  add->callback([&context, added] { context.exit = Join(context, *added); });

  CLI::App* probe = AddVerb(family, context, "probe",
                            "Takes in scored answers of a model to chosen queries: JSON lines {query, score}",
                            "pointsman models probe small-1 answers.jsonl");
  auto name = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  probe->add_option("name", *name, "The model's name")->required();
  probe->add_option("file", *file, "Lines of {\"query\" or \"embedding\", \"score\"}, or of a bootstrap table")
      ->required();
  probe->callback([&context, name, file] {
    const auto probes = ReadProbes(context, *file, *name);
    if (!probes.ok()) {
      context.exit = context.Fail(probes.error());
      return;
    }
    context.exit = Post(context, "/v1/models/" + PathPart(*name) + "/probes", *probes, ShowProbes);
  });
}

void AddModels(CLI::App& app, Context& context) {
  CLI::App* family = AddFamily(app, "models", "The pool: candidate models, prices, life cycle", kGroup);
  AddGet(*family, context, "list", "Lists the pool", "pointsman models list", "/v1/models", ShowModels);
  AddGet(*family, context, "tree", "Shows which models are skilled alike", "pointsman models tree", "/v1/model-tree",
         ShowModelTree);
  CLI::App* show = AddVerb(*family, context, "show", "Shows a model's niches: where it is best, or above its level",
                           "pointsman models show small-1");
  auto shown = std::make_shared<std::string>();
  show->add_option("name", *shown, "The model's name")->required();
  show->callback(
      [&context, shown] { context.exit = Get(context, "/v1/models/" + PathPart(*shown) + "/niches", ShowNiches); });

  AddJoining(*family, context);

  CLI::App* price = AddVerb(*family, context, "price", "Sets a model's price",
                            "pointsman models price small-1 --input-price 0.10 --output-price 0.4");
  auto priced = std::make_shared<PriceArguments>();
  AddPriceOptions(*price, *priced);
  price->callback([&context, priced] {
    context.exit =
        Post(context, "/v1/models/" + PathPart(priced->name) + "/price",
             {{"input_usd_per_million", priced->input}, {"output_usd_per_million", priced->output}}, ShowModel);
  });

  const auto add_state = [&](const char* verb_name, const char* state, const char* help, const char* example) {
    CLI::App* verb = AddVerb(*family, context, verb_name, help, example);
    auto name = std::make_shared<std::string>();
    verb->add_option("name", *name, "The model's name")->required();
    verb->callback([&context, name, state] {
      context.exit = Post(context, "/v1/models/" + PathPart(*name) + "/state", {{"state", state}}, ShowModel);
    });
  };
  add_state("drain", "draining", "Chooses a model no more; late feedback counts", "pointsman models drain small-1");
  add_state("activate", "active", "Lets a draining model be chosen again; ends a trial",
            "pointsman models activate small-1");
  add_state("retire", "retired", "Takes a model out of the pool for good", "pointsman models retire small-1");
}

void AddClusters(CLI::App& app, Context& context) {
  CLI::App* family = AddFamily(app, "clusters", "Regions of queries in which the models rank alike", kGroup);
  AddGet(*family, context, "list", "Lists the clusters", "pointsman clusters list", "/v1/clusters", ShowClusters);
  CLI::App* show = AddVerb(*family, context, "show", "Shows one cluster's cells", "pointsman clusters show 3");
  auto number = std::make_shared<std::uint32_t>(0);
  show->add_option("number", *number, "The cluster; 0 is the background")->required();
  show->callback(
      [&context, number] { context.exit = Get(context, "/v1/clusters/" + std::to_string(*number), ShowCluster); });
}

void AddGenerations(CLI::App& app, Context& context) {
  CLI::App* family = AddFamily(app, "generations", "Bundles that were or are live", kGroup);
  AddGet(*family, context, "list", "Lists the generations", "pointsman generations list", "/v1/generations",
         ShowGenerations);
  CLI::App* show = AddVerb(*family, context, "show", "Shows one generation", "pointsman generations show 2");
  auto shown = std::make_shared<std::string>();
  show->add_option("target", *shown, "Its number, or 8 or more digits of its bundle's hash")->required();
  show->callback(
      [&context, shown] { context.exit = Get(context, "/v1/generation-details/" + PathPart(*shown), ShowGeneration); });
  CLI::App* diff = AddVerb(*family, context, "diff",
                           "Compares two: clusters, priors, what either would have chosen on the log and its value",
                           "pointsman generations diff 1 2");
  auto from = std::make_shared<std::string>();
  auto to = std::make_shared<std::string>();
  diff->add_option("from", *from, "A generation's number, or its bundle's hash")->required();
  diff->add_option("to", *to, "The other one; a bundle that was never live by its whole hash")->required();
  diff->callback([&context, from, to] {
    context.exit = Get(context, "/v1/generation-diffs/" + PathPart(*from + ".." + *to), ShowDiff);
  });
  CLI::App* activate = AddVerb(*family, context, "activate", "Makes a bundle live under a new number",
                               "pointsman generations activate 2");
  auto target = std::make_shared<std::string>();
  activate->add_option("target", *target, "A generation's number, or 8 or more digits of a bundle's hash")->required();
  activate->callback([&context, target] {
    context.exit = Post(context, "/v1/generations/activate", {{"target", *target}}, ShowGeneration);
  });
  AddVerb(*family, context, "rollback", "Goes back to the bundle before the live one", "pointsman generations rollback")
      ->callback(
          [&context] { context.exit = Post(context, "/v1/generations/rollback", json::object(), ShowGeneration); });
}

// Asks for the job's state until it ends; shows how far it is on stderr.
Exit WaitForBootstrap(Context& context) {
  Progress progress(context.err, context.err_is_terminal);
  for (;;) {
    const auto answer = AskAdmin(context, "GET", "/v1/bootstrap", "");
    if (!std::holds_alternative<json>(answer)) {
      progress.Finish();
      return Finish(context, answer, ShowBootstrap);
    }
    const json& report = std::get<json>(answer);
    const std::string state = FieldText(report, "state");
    const double cost = FieldNumber(report, "cost_usd");
    progress.Show(state == "done" ? 1.0 : FieldNumber(report, "progress"),
                  FieldText(report, "stage") + (cost > 0 ? ", " + Fixed(cost, 4) + " dollars" : ""));
    if (state == "running") {
      ::poll(nullptr, 0, kPollMillis);
      continue;
    }
    progress.Finish();
    const Exit shown = Finish(context, answer, ShowBootstrap);
    if (shown != Exit::kOk) return shown;
    return state == "done" ? Exit::kOk : Exit::kNegative;
  }
}

struct BootstrapArguments {
  std::string table;
  std::string plan;
  std::string labels = "consensus";
  std::string method = "shared";
  std::string filter = "none";
  std::string recogniser = "linear";
  std::uint32_t clusters = 32;
  std::uint64_t seed = 0;
  bool no_activate = false;
  bool force = false;
  bool refit_embedder = false;
  std::string embedder = "lsa";
  bool wait = false;
};

// As the daemon will read it.
std::string AbsolutePath(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failed);
  return failed ? path : absolute.lexically_normal().string();
}

Exit RunBootstrap(Context& context, const BootstrapArguments& arguments) {
  if (arguments.table.empty() == arguments.plan.empty()) {
    return context.Fail(MakeError(Code::kInvalidArgument, "table_or_plan", "give --table or --plan"), Exit::kUsage);
  }
  const bool planned = !arguments.plan.empty();
  const std::string path = AbsolutePath(planned ? arguments.plan : arguments.table);
  const json body = {{planned ? "plan_path" : "table_path", path},
                     {"labels", arguments.labels},
                     {"method", arguments.method},
                     {"filter", arguments.filter},
                     {"recogniser", arguments.recogniser},
                     {"clusters_max", arguments.clusters},
                     {"seed", arguments.seed},
                     {"refit_embedder", arguments.refit_embedder},
                     {"embedder", arguments.embedder},
                     {"activate", !arguments.no_activate},
                     {"force", arguments.force}};
  const auto answer = AskAdmin(context, "POST", "/v1/bootstrap", admin::Dump(body));
  if (!arguments.wait || !std::holds_alternative<json>(answer)) return Finish(context, answer, ShowBootstrap);
  return WaitForBootstrap(context);
}

void AddBootstrap(CLI::App& app, Context& context) {
  CLI::App* family = AddFamily(app, "bootstrap", "Makes a new bundle while the daemon serves", kGroup);
  CLI::App* plan = AddVerb(*family, context, "plan", "Shows what a plan would ask for and cost; asks nobody",
                           "pointsman bootstrap plan first.toml");
  auto planned = std::make_shared<std::string>();
  plan->add_option("plan", *planned, "The plan; the daemon must be able to read it")->required();
  plan->callback([&context, planned] {
    context.exit = Post(context, "/v1/bootstrap/plan", {{"plan_path", AbsolutePath(*planned)}}, ShowPlan);
  });
  CLI::App* run = AddVerb(*family, context, "run", "Builds a bundle from a table or by a plan and makes it live",
                          "pointsman bootstrap run --table answers.jsonl.gz --wait");
  auto arguments = std::make_shared<BootstrapArguments>();
  run->add_option("--table", arguments->table, "JSON lines, plain or gzip; the daemon must be able to read it");
  run->add_option("--plan", arguments->plan,
                  "Instead of a table: a plan (TOML) by which queries and answers are bought; run it again to go on "
                  "where it stopped, nothing is paid twice");
  run->add_option("--labels", arguments->labels, "Where quality comes from: consensus or scores")
      ->check(CLI::IsMember({"consensus", "scores"}));
  run->add_option("--method", arguments->method,
                  "Where clusters come from: shared (one k-means), scaled (merged where models rank alike) or cascal "
                  "(as published)")
      ->check(CLI::IsMember({"shared", "scaled", "cascal"}));
  run->add_option("--filter", arguments->filter,
                  "Rows that the consensus leaves out (junk: lets count less); `bootstrap report` tells when that pays")
      ->check(CLI::IsMember({"none", "plurality", "above-chance", "not-by-chance", "junk"}));
  run->add_option("--recogniser", arguments->recogniser, "What recognises task types: linear or dual")
      ->check(CLI::IsMember({"linear", "dual"}));
  run->add_option("--clusters", arguments->clusters, "Most clusters to make")->check(CLI::Range(1, 4096));
  run->add_option("--seed", arguments->seed, "Seed of the fit");
  run->add_flag("--no-activate", arguments->no_activate, "Store the bundle; activate it later");
  run->add_flag("--force", arguments->force, "Activate although the gate refuses it");
  run->add_flag("--refit-embedder", arguments->refit_embedder, "Make the embedder anew");
  run->add_option("--embedder", arguments->embedder,
                  "Of the first bundle, or with --refit-embedder: lsa, static:/file/of/vectors, or "
                  "http:URL|MODEL|KEY_ENV");
  run->add_flag("--wait", arguments->wait, "Wait for the end and show progress");
  run->callback([&context, arguments] { context.exit = RunBootstrap(context, *arguments); });
  AddGet(*family, context, "status", "Shows the running or last job", "pointsman bootstrap status", "/v1/bootstrap",
         ShowBootstrap);
  AddVerb(*family, context, "cancel", "Stops the running job", "pointsman bootstrap cancel")->callback([&context] {
    context.exit = Post(context, "/v1/bootstrap/cancel", json::object(), ShowBootstrap);
  });
}

void AddExplain(CLI::App& app, Context& context) {
  CLI::App* verb =
      AddVerb(app, context, "explain", "Shows why a decision was made and what came back", "pointsman explain d1_...");
  verb->group(kGroup);
  auto decision = std::make_shared<std::string>();
  verb->add_option("decision", *decision, "A token as route printed it, or the decision's hexadecimal id")->required();
  verb->callback(
      [&context, decision] { context.exit = Get(context, "/v1/explain/" + PathPart(*decision), ShowExplanation); });
}

void AddRefit(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "refit",
                           "Fits over the log what each rating source is off by, and installs it as its usual bias",
                           "pointsman refit --dry-run");
  verb->group(kGroup);
  auto learner = std::make_shared<std::string>("r");
  auto base = std::make_shared<std::string>("ridge");
  auto dry_run = std::make_shared<bool>(false);
  verb->add_option("--learner", *learner, "R- or DR-learner of Meta-Router")
      ->check(CLI::IsMember({"r", "dr"}))
      ->capture_default_str();
  verb->add_option("--base", *base, "What the nuisances are fitted by")
      ->check(CLI::IsMember({"ridge", "forest"}))
      ->capture_default_str();
  verb->add_flag("--dry-run", *dry_run, "Show what would be installed");
  verb->callback([&context, learner, base, dry_run] {
    context.exit =
        Post(context, "/v1/refit", {{"learner", *learner}, {"base", *base}, {"dry_run", *dry_run}}, ShowRefit);
  });
}

void ShowExclusion(Context& context, const json& answer) {
  context.out << "subject " << FieldText(answer, "subject")
              << (answer.value("before", false) ? " was excluded before\n" : " counts no more\n");
  if (FieldNumber(answer, "reports") > 0) {
    context.out << "Its " << FieldText(answer, "reports")
                << " reports are in the log. Those before the exclusion go on counting and fade; `pointsman forget "
                   "--subject "
                << FieldText(answer, "subject") << "` takes them out (with the daemon stopped).\n";
  }
}

void ShowInclusion(Context& context, const json& answer) {
  context.out << "subject " << FieldText(answer, "subject") << " counts again, from here on\n";
  if (FieldNumber(answer, "missed") > 0) {
    context.out << "Its " << FieldText(answer, "missed")
                << " reports since the exclusion stay out; who rates such an answer anew does not bring them back.\n";
  }
}

// A verb about one subject.
void AddSubject(CLI::App& app, Context& context, const std::string& name, const char* help,
                void (*show)(Context&, const json&)) {
  CLI::App* verb = AddVerb(app, context, name, help, "pointsman " + name + " --subject alice --tenant shop");
  verb->group(kGroup);
  auto subject = std::make_shared<SubjectArguments>();
  AddSubjectOptions(*verb, "--subject", "Whose reports", subject.get());
  verb->get_option("--subject")->required();
  verb->callback([&context, subject, name, show] {
    json body = {{"subject", subject->subject}};
    if (!subject->tenant.empty()) body["tenant"] = subject->tenant;
    context.exit = Post(context, "/v1/subjects/" + name, body, show);
  });
}

void ShowCompaction(Context& context, const json& answer) {
  context.out << "compacted in " << Fixed(FieldNumber(answer, "seconds"), 1)
              << " s: " << Fixed(FieldNumber(answer, "bytes_before") / 1e6, 1) << " MB became "
              << Fixed(FieldNumber(answer, "bytes_after") / 1e6, 1) << " MB\n";
}

void AddCompact(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, context, "compact",
                           "Writes the running daemon's store anew, without what was dropped; routing goes on",
                           "pointsman compact --json");
  verb->group(kGroup);
  verb->callback([&context] { context.exit = Post(context, "/v1/compact", json::object(), ShowCompaction); });
}

void AddLearning(CLI::App& app, Context& context, const char* name, bool frozen, const char* help,
                 const char* example) {
  CLI::App* verb = AddVerb(app, context, name, help, example);
  verb->group(kGroup);
  verb->callback([&context, frozen] {
    context.exit = Post(context, "/v1/learning", {{"frozen", frozen}}, ShowLearning);
  });
}

}  // namespace

void AddOperatorVerbs(CLI::App& app, Context& context) {
  AddGet(app, context, "status", "Shows what the daemon does and how well", "pointsman status --json", "/status",
         ShowStatus);
  app.get_subcommand("status")->group(kGroup);
  AddModels(app, context);
  AddClusters(app, context);
  AddGenerations(app, context);
  AddBootstrap(app, context);
  AddExplain(app, context);
  AddRefit(app, context);
  AddSubject(app, context, "exclude", "Lets what a subject says count no more, from here on; it is stored still",
             ShowExclusion);
  AddSubject(app, context, "include", "Takes an exclusion back: what the subject says from here on counts again",
             ShowInclusion);
  AddCompact(app, context);
  AddLearning(app, context, "freeze", true, "Stops learning; feedback is stored and not folded", "pointsman freeze");
  AddLearning(app, context, "resume", false, "Learns again", "pointsman resume");
  AddRollout(app, context, kGroup);
  AddWatchVerbs(app, context, kGroup);
}

}  // namespace pointsman::cli
