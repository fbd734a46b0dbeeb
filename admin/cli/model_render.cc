#include "admin/cli/model_render.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "admin/cli/operator_render.h"
#include "admin/cli/render.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;
using Align = Table::Align;

constexpr std::size_t kTreeColumns = 40;

const json& List(const json& object, const char* name) {
  static const json kEmpty = json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

std::string Number(const json& object, const char* name, int decimals) {
  return Fixed(FieldNumber(object, name), decimals);
}

std::string Signed(const json& object, const char* name) {
  const double value = FieldNumber(object, name);
  return (value > 0 ? "+" : "") + Fixed(value, 3);
}

std::size_t Node(const json& join, const char* name) {
  const auto found = join.find(name);
  return found != join.end() && found->is_number_unsigned() ? found->get<std::size_t>() : SIZE_MAX;
}

void Put(std::string& line, std::size_t at, char mark) {
  if (line.size() <= at) line.resize(at + 1, ' ');
  if (line[at] == ' ' || mark == '+') line[at] = mark;
}

}  // namespace

std::vector<std::string> DrawTree(std::size_t leaves, const std::vector<DrawnJoin>& joins, std::size_t columns) {
  struct Branch {
    std::size_t row = 0;
    std::size_t column = 0;
  };
  std::vector<std::string> lines(leaves);
  std::vector<Branch> nodes;
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) nodes.push_back({leaf, 0});
  double most = 0;
  for (const DrawnJoin& join : joins) most = std::isfinite(join.distance) ? std::max(most, join.distance) : most;
  for (const DrawnJoin& join : joins) {
    if (join.left >= nodes.size() || join.right >= nodes.size()) break;
    const Branch left = nodes[join.left];
    const Branch right = nodes[join.right];
    const double share = most > 0 && join.distance > 0 ? join.distance / most : 0;
    const auto wanted = static_cast<std::size_t>(std::lround(share * static_cast<double>(columns)));
    const std::size_t column = std::max({wanted, left.column + 1, right.column + 1});
    for (const Branch& branch : {left, right}) {
      for (std::size_t at = branch.column; at < column; ++at) Put(lines[branch.row], at, '-');
      Put(lines[branch.row], column, '+');
    }
    const auto [top, bottom] = std::minmax(left.row, right.row);
    for (std::size_t row = top + 1; row < bottom; ++row) Put(lines[row], column, '|');
    nodes.push_back({top + (bottom - top) / 2, column});
  }
  return lines;
}

void ShowModelTree(Context& context, const json& tree) {
  const json& leaves = List(tree, "leaves");
  const double clusters = FieldNumber(tree, "clusters");
  if (leaves.empty() || !(clusters >= 2)) {
    context.out << "nothing tells the models apart yet: the live generation has fewer than two clusters "
                   "(`pointsman bootstrap run` makes some)\n";
    return;
  }
  std::vector<DrawnJoin> joins;
  double most = 0;
  for (const json& join : List(tree, "joins")) {
    joins.push_back({Node(join, "left"), Node(join, "right"), FieldNumber(join, "distance")});
    most = std::max(most, joins.back().distance);
  }
  const std::vector<std::string> lines = DrawTree(leaves.size(), joins, kTreeColumns);
  Table table({{"FAMILY", Align::kRight}, {"MODEL"}, {"0 to " + Fixed(most, 2) + " apart"}});
  for (std::size_t at = 0; at < leaves.size(); ++at) {
    table.Row({FieldText(leaves[at], "family"), FieldText(leaves[at], "model"), lines[at]});
  }
  table.Print(context.out, context.colour);
  context.out << "\nApart: 1 - correlation of two models' skills over " << FieldText(tree, "clusters")
              << " clusters, their own level and each cluster's\ndifficulty taken out. Below 0.5 they are one "
                 "family.\n";
}

void ShowNiches(Context& context, const json& profile) {
  const json model = profile.value("model", json::object());
  context.out << Printable(FieldText(model, "name")) << "  (" << Printable(FieldText(model, "state")) << ", epoch "
              << FieldText(model, "epoch") << ")\nexpected quality " << Number(profile, "mean_quality", 3)
              << " over the clusters, the best in " << FieldText(profile, "best_in") << " of "
              << FieldText(profile, "clusters") << "\nlearnt from " << FieldText(model, "gold") << " gold, "
              << FieldText(model, "ratings") << " ratings; level " << Signed(model, "level") << " +- "
              << Number(model, "level_deviation", 3) << " against the bootstrap\n";
  for (const json& bias : List(model, "biases")) {
    context.out << "ratings of '" << Printable(FieldText(bias, "source")) << "' are off by " << Signed(bias, "bias")
                << " +- " << Number(bias, "deviation", 3) << "\n";
  }
  context.out << "\n";
  const json& niches = List(profile, "niches");
  if (niches.empty()) {
    context.out << "no niche: nowhere the best, nowhere well above its level\n";
    return;
  }
  Table table({{"CLUSTER", Align::kRight},
               {"TERMS"},
               {"SIZE", Align::kRight},
               {"RANK", Align::kRight},
               {"QUALITY", Align::kRight},
               {"+-", Align::kRight},
               {"LEAD", Align::kRight},
               {"SKILL", Align::kRight},
               {"GOLD", Align::kRight},
               {"RATINGS", Align::kRight},
               {"NOTE"}});
  for (const json& niche : niches) {
    const auto conflict = niche.find("conflict");
    const bool doubted = conflict != niche.end() && conflict->is_boolean() && conflict->get<bool>();
    table.Row({FieldText(niche, "cluster"), FieldText(niche, "terms"), FieldText(niche, "size"),
               FieldText(niche, "rank"), Number(niche, "quality", 3), Number(niche, "quality_deviation", 3),
               Signed(niche, "lead"), Signed(niche, "skill"), Number(niche, "gold_weight", 1),
               Number(niche, "rating_weight", 1), doubted ? "gold contradicts ratings" : ""});
  }
  table.Print(context.out, context.colour);
  context.out << "\nLead: over the best other model. Skill: above its own level and the cluster's difficulty.\n";
}

}  // namespace pointsman::cli
