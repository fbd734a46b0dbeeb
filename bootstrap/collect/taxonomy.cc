#include "bootstrap/collect/taxonomy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/unit_draw.h"
#include "embed/text.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::uint32_t kTriesOfForm = 3;
constexpr std::size_t kEntryBytesMax = 2048;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r*-";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r*") - begin + 1);
}

std::string Shown(const std::vector<TaxonomyEntry>& entries) {
  std::string text = "BEGIN\n";
  for (const TaxonomyEntry& entry : entries) {
    text += fmt::format("Name: {}\nDefinition: {}\nExample: {}\n", entry.name, entry.definition, entry.example);
  }
  return text + "END";
}

// What one level is made of.
struct LevelPrompts {
  std::string what;    // "domains"
  std::string parent;  // lines that describe the parent
  std::string task;    // what to list
  std::string rules;
  std::size_t most = 0;
};

constexpr std::string_view kForm =
    "Answer in exactly this form, three lines for each entry:\nBEGIN\nName: short name\nDefinition: one sentence\n"
    "Example: one example query\nEND";

std::string GeneratePrompt(const LevelPrompts& level) {
  return fmt::format("You build a taxonomy of queries for a router of language models.\n{}{}\nRules: {}\n{}",
                     level.parent, level.task, level.rules, kForm);
}

std::string RevisePrompt(const LevelPrompts& level, const std::vector<TaxonomyEntry>& set) {
  return fmt::format(
      "You check a taxonomy of queries for a router of language models.\n{}These are its {}:\n{}\nRules: {}\n"
      "Check the set against the rules (overlap, vagueness, gaps), then give a revised set of at most {} {}.\n{}",
      level.parent, level.what, Shown(set), level.rules, level.most, level.what, kForm);
}

std::string PickPrompt(const LevelPrompts& level, const std::vector<TaxonomyEntry>& a,
                       const std::vector<TaxonomyEntry>& b) {
  return fmt::format(
      "You compare two sets of {} of a taxonomy of queries for a router of language models.\n{}Set A:\n{}\nSet B:\n{}\n"
      "Rules: {}\nWhich set is better in keeping the rules, clarity, distinctness, coverage and use for routing? "
      "Give a reason, then end with one line \"Choice: A\" or \"Choice: B\".",
      level.what, level.parent, Shown(a), Shown(b), level.rules);
}

// Asks until the reply has the form. Empty: it never had.
Result<std::vector<TaxonomyEntry>> AskEntries(ChatClient& generator, const std::string& prompt, std::uint32_t round,
                                              std::size_t most) {
  for (std::uint32_t i = 0; i < kTriesOfForm; ++i) {
    ChatQuestion question;
    question.text = prompt;
    question.attempt = round * kTriesOfForm + i;
    const auto reply = generator.Ask(question);
    if (!reply.ok()) return reply.error();
    auto entries = ParseEntries(reply->text, most);
    if (!entries.empty()) return entries;
  }
  return std::vector<TaxonomyEntry>{};
}

Result<std::vector<TaxonomyEntry>> GrowSet(const LevelPrompts& level, const SynthesisOptions& options,
                                           std::uint64_t seed, ChatClient& generator) {
  auto set = AskEntries(generator, GeneratePrompt(level), 0, level.most);
  if (!set.ok()) return set.error();
  if (set->empty()) {
    return MakeError(Code::kFailedPrecondition, "generator_unusable",
                     fmt::format("generator: {} tries gave no {} in the asked form for: {}", kTriesOfForm, level.what,
                                 log::Escape(level.parent.substr(0, 200))));
  }
  SplitMix64 random(seed);
  std::uint32_t stable = 0;
  for (std::uint32_t round = 0; round < options.rounds && stable < options.stable_rounds; ++round) {
    const auto revised = AskEntries(generator, RevisePrompt(level, set.value()), round, level.most);
    if (!revised.ok()) return revised.error();
    const bool first_is_new = random.Below(2) == 0;
    bool wins = false;
    if (!revised->empty() && revised.value() != set.value()) {
      ChatQuestion question;
      question.text = first_is_new ? PickPrompt(level, revised.value(), set.value())
                                   : PickPrompt(level, set.value(), revised.value());
      question.attempt = round;
      const auto pick = generator.Ask(question);
      if (!pick.ok()) return pick.error();
      wins = ParsePick(pick->text) == (first_is_new ? 'A' : 'B');
    }
    stable = wins ? 0 : stable + 1;
    if (wins) set = revised.value();
  }
  return set;
}

std::string Describe(std::string_view what, const TaxonomyEntry& entry) {
  return fmt::format("{}: {}\n{} definition: {}\n", what, entry.name, what, entry.definition);
}

LevelPrompts DomainPrompts(const SynthesisOptions& options) {
  LevelPrompts level;
  level.what = "domains";
  level.parent = "Seed domains:\n";
  for (const PlanDomain& domain : options.domains) {
    level.parent += fmt::format("- {}{}{}\n", domain.name, domain.description.empty() ? "" : ": ", domain.description);
  }
  if (!options.samples.empty()) level.parent += "Users of this service ask like this:\n";
  for (std::size_t s = 0; s < std::min<std::size_t>(options.samples.size(), 20); ++s) {
    level.parent += "- " + options.samples[s] + "\n";
  }
  level.most = options.domains.size() + options.new_domains;
  level.task = fmt::format("List the seed domains and at most {} further ones.", options.new_domains);
  level.rules =
      "domains are broad, do not overlap, and occur in real use; every seed domain stays; one sentence and one example "
      "each.";
  return level;
}

LevelPrompts SubcategoryPrompts(const TaxonomyEntry& domain, std::uint32_t most) {
  return {"subcategories", Describe("Domain", domain),
          fmt::format("List at most {} subcategories: kinds of task of this domain.", most),
          "no overlap; common in practice; general enough to cover many queries and specific enough to change which "
          "model one would take.",
          most};
}

LevelPrompts LevelPromptsOf(const TaxonomyEntry& domain, const TaxonomyEntry& subcategory, std::uint32_t most) {
  return {"difficulty levels", Describe("Domain", domain) + Describe("Subcategory", subcategory),
          fmt::format("List at most {} levels of difficulty, easiest first.", most),
          "one scale from easy to hard, each level defined for this subcategory; ordered, mutually exclusive, jointly "
          "exhaustive; levels differ in the reasoning or capability needed, not merely in length.",
          most};
}

}  // namespace

std::vector<TaxonomyEntry> ParseEntries(std::string_view reply, std::size_t most) {
  const std::size_t begin = reply.find("BEGIN");
  const std::size_t end = reply.rfind("END");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + 5) return {};
  reply = reply.substr(begin + 5, end - begin - 5);
  std::vector<TaxonomyEntry> entries;
  std::set<std::string> names;
  std::size_t field = 0;
  while (!reply.empty()) {
    const std::size_t stop = std::min(reply.find('\n'), reply.size());
    const std::string_view line = Trimmed(reply.substr(0, stop));
    reply.remove_prefix(std::min(stop + 1, reply.size()));
    constexpr std::string_view kFields[] = {"Name:", "Definition:", "Example:"};
    const bool known = std::any_of(std::begin(kFields), std::end(kFields),
                                   [&](std::string_view name) { return line.starts_with(name); });
    if (!known) continue;
    if (!line.starts_with(kFields[field])) return {};
    const std::string value(Trimmed(line.substr(kFields[field].size())));
    if (value.empty() || value.size() > kEntryBytesMax || !embed::IsUtf8(value)) return {};
    if (field == 0 && !names.insert(value).second) return {};
    if (field == 0) entries.emplace_back();
    (field == 0 ? entries.back().name : field == 1 ? entries.back().definition : entries.back().example) = value;
    field = (field + 1) % 3;
  }
  if (field != 0 || entries.size() > most) return {};
  return entries;
}

char ParsePick(std::string_view reply) {
  const std::size_t at = reply.rfind("Choice:");
  if (at == std::string_view::npos) return 0;
  const std::size_t letter = reply.find_first_not_of(" \t*\"(", at + 7);
  if (letter == std::string_view::npos) return 0;
  return reply[letter] == 'A' || reply[letter] == 'B' ? reply[letter] : '\0';
}

Result<std::vector<TaxonomyNode>> GrowTaxonomy(const SynthesisOptions& options, std::uint64_t seed,
                                               ChatClient& generator, Meter& meter, const StageProgress& progress) {
  Stage domain_stage("taxonomy", 1, meter, progress);
  std::vector<TaxonomyEntry> domains;
  const Status grown = domain_stage.Run(1, 1, true, [&](std::size_t) -> Status {
    auto set = GrowSet(DomainPrompts(options), options, seed, generator);
    if (!set.ok()) return set.error();
    domains = std::move(set).value();
    return {};
  });
  if (!grown.ok()) return grown.error();
  std::vector<std::vector<TaxonomyEntry>> subcategories(domains.size());
  Stage stage("taxonomy", domains.size(), meter, progress);
  const std::size_t threads = generator.options().concurrency;
  Status done = stage.Run(domains.size(), threads, true, [&](std::size_t d) -> Status {
    auto set = GrowSet(SubcategoryPrompts(domains[d], options.subcategories), options, seed + d + 1, generator);
    if (set.ok()) subcategories[d] = std::move(set).value();
    return set.ok() ? Status() : set.error();
  });
  if (!done.ok()) return done.error();
  std::vector<TaxonomyNode> parents;
  std::vector<std::pair<std::size_t, std::size_t>> of_parent;
  for (std::size_t d = 0; d < domains.size(); ++d) {
    for (std::size_t s = 0; s < subcategories[d].size(); ++s) {
      parents.push_back({domains[d].name, domains[d].definition, subcategories[d][s].name,
                         subcategories[d][s].definition, "", "", ""});
      of_parent.emplace_back(d, s);
    }
  }
  std::vector<std::vector<TaxonomyEntry>> levels(parents.size());
  Stage level_stage("taxonomy", parents.size(), meter, progress);
  done = level_stage.Run(parents.size(), threads, true, [&](std::size_t p) -> Status {
    const auto& [d, s] = of_parent[p];
    auto set =
        GrowSet(LevelPromptsOf(domains[d], subcategories[d][s], options.levels), options, seed + 1000 + p, generator);
    if (set.ok()) levels[p] = std::move(set).value();
    return set.ok() ? Status() : set.error();
  });
  if (!done.ok()) return done.error();
  std::vector<TaxonomyNode> nodes;
  for (std::size_t p = 0; p < parents.size(); ++p) {
    for (const TaxonomyEntry& level : levels[p]) {
      nodes.push_back(parents[p]);
      nodes.back().level = level.name;
      nodes.back().level_definition = level.definition;
      nodes.back().example = level.example;
    }
  }
  return nodes;
}

}  // namespace pointsman::bootstrap
