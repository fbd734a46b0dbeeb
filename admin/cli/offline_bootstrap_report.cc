#include "admin/cli/offline_bootstrap_report.h"

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "admin/cli/render.h"
#include "bootstrap/job/report.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

json NumberOrNull(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json GroupJson(const bootstrap::GroupReport& group) {
  return {{"generator", group.generator},
          {"task", group.task},
          {"rows", group.rows},
          {"kept", group.kept},
          {"duplicates", group.duplicates},
          {"agreement", NumberOrNull(group.agreement)},
          {"agreement_variance", NumberOrNull(group.agreement_variance)},
          {"model_variance", NumberOrNull(group.model_variance)},
          {"unanimous", NumberOrNull(group.unanimous)},
          {"chaotic", NumberOrNull(group.chaotic)},
          {"junk", NumberOrNull(group.junk)},
          {"reference_agreement", NumberOrNull(group.reference_agreement)},
          {"self_consistency", NumberOrNull(group.self_consistency)}};
}

json ReportJson(const bootstrap::BootstrapReport& report) {
  json generators = json::array();
  for (const auto& group : report.generators) generators.push_back(GroupJson(group));
  json groups = json::array();
  for (const auto& group : report.groups) groups.push_back(GroupJson(group));
  return {{"table", report.table},
          {"models", report.models},
          {"total", GroupJson(report.total)},
          {"generators", std::move(generators)},
          {"groups", std::move(groups)},
          {"warnings", report.warnings}};
}

void PrintGroups(Context& context, const std::vector<bootstrap::GroupReport>& groups, bool with_generator) {
  using Align = Table::Align;
  Table table({{with_generator ? "GENERATOR / TASK" : "TASK"},
               {"ROWS", Align::kRight},
               {"KEPT", Align::kRight},
               {"TWICE", Align::kRight},
               {"AGREE", Align::kRight},
               {"VARIANCE", Align::kRight},
               {"ALL ONE", Align::kRight},
               {"CHAOTIC", Align::kRight},
               {"JUNK", Align::kRight},
               {"REFERENCE", Align::kRight},
               {"SELF", Align::kRight}});
  for (const auto& group : groups) {
    std::string name = group.task.empty() ? "all" : group.task;
    if (with_generator && !group.generator.empty()) name = group.generator + " / " + name;
    table.Row({Printable(name), std::to_string(group.rows), std::to_string(group.kept),
               std::to_string(group.duplicates), Fixed(group.agreement, 3), Fixed(group.agreement_variance, 3),
               Fixed(group.unanimous, 2), Fixed(group.chaotic, 2), Fixed(group.junk, 2),
               Fixed(group.reference_agreement, 2), Fixed(group.self_consistency, 2)});
  }
  table.Print(context.out, context.colour);
}

Exit Report(Context& context, const std::string& path, const bootstrap::ReportOptions& options) {
  const auto table = bootstrap::ReadTable(path);
  if (!table.ok()) return context.Fail(table.error());
  const auto report = bootstrap::MakeBootstrapReport(table.value(), options);
  if (!report.ok()) return context.Fail(report.error());
  if (context.json) return context.Print(ReportJson(report.value()));
  context.out << Printable(report->table) << ": " << report->total.rows << " rows, " << report->models.size()
              << " models with answers\n\n";
  std::vector<bootstrap::GroupReport> lines{report->total};
  lines.insert(lines.end(), report->generators.begin(), report->generators.end());
  const bool generators = !report->generators.empty();
  if (generators || report->groups.size() > 1) {
    lines.insert(lines.end(), report->groups.begin(), report->groups.end());
  }
  PrintGroups(context, lines, generators);
  context.out
      << "\nKEPT: at least half of the models agree, but not all (the filter). ALL ONE, CHAOTIC: shares of rows.\n"
      << "JUNK: share of rows that look like chaos, or like one answer from all for no reason (--filter junk).\n"
      << "REFERENCE: the plurality is the table's reference. SELF: the generator answers its own reference.\n";
  for (const std::string& warning : report->warnings) context.out << "warning: " << Printable(warning) << "\n";
  return Exit::kOk;
}

}  // namespace

void AddBootstrapReport(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(*app.get_subcommand("bootstrap"), context, "report",
                           "Tells what a table of answers is worth to the consensus; needs no daemon",
                           "pointsman bootstrap report --data answers.jsonl.gz");
  auto path = std::make_shared<std::string>();
  auto options = std::make_shared<bootstrap::ReportOptions>();
  verb->add_option("--data", *path, "The table: JSON lines, plain or gzip")->required();
  verb->add_option("--models", options->models, "Only these models, apart by commas; default: all")->delimiter(',');
  verb->callback([&context, path, options] { context.exit = Report(context, *path, *options); });
}

}  // namespace pointsman::cli
