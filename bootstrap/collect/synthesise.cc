#include "bootstrap/collect/synthesise.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "embed/answer_groups.h"
#include "embed/text.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kExtraCalls = 10;
constexpr std::size_t kSamplesShown = 5;
constexpr std::size_t kQuestionBytesMax = 16U << 10;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// The text between one of two tags and the next known tag, or the block's end.
std::string_view Part(std::string_view block, std::string_view tag, std::string_view short_tag) {
  std::size_t at = block.find(tag);
  std::size_t length = tag.size();
  if (at == std::string_view::npos) {
    at = block.find(short_tag);
    length = short_tag.size();
  }
  if (at == std::string_view::npos) return {};
  std::string_view rest = block.substr(at + length);
  std::size_t end = rest.size();
  for (const std::string_view next : {"[Question]", "[Options]", "[Answer]", "[Q]", "[O]", "[A]"}) {
    end = std::min(end, rest.find(next));
  }
  return Trimmed(rest.substr(0, end));
}

// Lines "A. text", "B) text", ...; nothing unless they come in order.
std::vector<std::string> ParseOptions(std::string_view text) {
  std::vector<std::string> options;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::size_t letter = line.front() == '(' ? 1 : 0;
    const bool fits = line.size() > letter + 2 && line[letter] == static_cast<char>('A' + options.size()) &&
                      (line[letter + 1] == '.' || line[letter + 1] == ')' || line[letter + 1] == ':');
    if (!fits) return {};
    options.emplace_back(Trimmed(line.substr(letter + 2)));
  }
  return options;
}

bool ReadBlock(std::string_view block, AnswerStyle style, std::size_t options, GeneratedQuestion* question) {
  question->question = Part(block, "[Question]", "[Q]");
  question->answer = Part(block, "[Answer]", "[A]");
  const bool usable = !question->question.empty() && !question->answer.empty() &&
                      question->question.size() <= kQuestionBytesMax && embed::IsUtf8(block);
  if (!usable || style == AnswerStyle::kOpen) return usable;
  question->options = ParseOptions(Part(block, "[Options]", "[O]"));
  const std::int16_t letter = embed::LetterOfResponse(question->answer);
  const auto count = static_cast<std::int16_t>(question->options.size());
  if (question->options.size() < 2 || question->options.size() > std::max<std::size_t>(options, 10)) return false;
  if (letter < 0 || letter >= count) return false;
  question->answer = std::string(1, static_cast<char>('A' + letter));
  return true;
}

SetQuery ToQuery(GeneratedQuestion question, std::string id, const std::string& generator) {
  SetQuery query;
  query.id = std::move(id);
  query.text = std::move(question.question);
  for (std::size_t o = 0; o < question.options.size(); ++o) {
    query.text += fmt::format("\n{}. {}", static_cast<char>('A' + o), question.options[o]);
  }
  query.reference = std::move(question.answer);
  query.generator = generator;
  query.options = static_cast<std::uint32_t>(question.options.size());
  return query;
}

struct NodeQuestions {
  std::vector<GeneratedQuestion> kept;
  std::size_t dropped = 0;  // too similar
};

Status FillNode(const TaxonomyNode& node, const SynthesisOptions& options, ChatClient& generator,
                NodeQuestions* found) {
  const std::size_t calls = options.per_node / options.batch + kExtraCalls;
  for (std::size_t call = 0; call < calls && found->kept.size() < options.per_node; ++call) {
    ChatQuestion question;
    question.text = QuestionPrompt(node, options, call);
    const auto answer = generator.Ask(question);
    if (!answer.ok() && ConcernsOneQuestion(answer.error())) continue;
    if (!answer.ok()) return answer.error();
    for (GeneratedQuestion& one : ParseQuestions(answer->text, options.style, options.options)) {
      if (found->kept.size() == options.per_node) break;
      const bool similar = std::any_of(found->kept.begin(), found->kept.end(), [&](const GeneratedQuestion& kept) {
        return embed::NgramSimilarity(kept.question, one.question) > kTooSimilar;
      });
      if (similar) {
        ++found->dropped;
      } else {
        found->kept.push_back(std::move(one));
      }
    }
  }
  return {};
}

}  // namespace

std::vector<GeneratedQuestion> ParseQuestions(std::string_view reply, AnswerStyle style, std::size_t options) {
  std::vector<GeneratedQuestion> questions;
  while (!reply.empty()) {
    const std::size_t end = std::min(reply.find("#####"), reply.size());
    GeneratedQuestion question;
    if (ReadBlock(reply.substr(0, end), style, options, &question)) questions.push_back(std::move(question));
    reply.remove_prefix(std::min(reply.find_first_not_of('#', end), reply.size()));
  }
  return questions;
}

std::string QuestionPrompt(const TaxonomyNode& node, const SynthesisOptions& options, std::size_t batch_number) {
  const bool choice = options.style == AnswerStyle::kChoice;
  std::string prompt = "You write questions with which language models are compared.\n";
  prompt += fmt::format("Domain: {}\n", node.domain);
  if (!node.domain_definition.empty()) prompt += fmt::format("Domain definition: {}\n", node.domain_definition);
  prompt += fmt::format("Subcategory: {}\n", node.subcategory);
  if (!node.subcategory_definition.empty()) {
    prompt += fmt::format("Subcategory definition: {}\n", node.subcategory_definition);
  }
  prompt += fmt::format("Difficulty: {}\nDifficulty definition: {}\nExample: {}\n", node.level, node.level_definition,
                        node.example);
  if (!options.samples.empty()) {
    prompt += "Users of this service ask like this:\n";
    for (std::size_t s = 0; s < std::min(kSamplesShown, options.samples.size()); ++s) {
      prompt += "- " + options.samples[(batch_number * kSamplesShown + s) % options.samples.size()] + "\n";
    }
  }
  prompt += fmt::format("Give {} diverse questions of this domain, subcategory and difficulty, each with its answer.\n",
                        options.batch);
  if (choice) {
    prompt += fmt::format("Each question has {} options of which exactly one is right.\n", options.options);
  } else {
    prompt += "Each answer is short: a number, a name or one sentence.\n";
  }
  prompt +=
      fmt::format("This is batch {}: do not write what would come to mind first in another batch.\n", batch_number + 1);
  prompt += "Write each in exactly this form, and nothing else:\n[Question]\nthe question\n";
  if (choice) prompt += "[Options]\nA. first option\nB. second option\n";
  prompt += choice ? "[Answer]\nthe letter\n#####" : "[Answer]\nthe answer\n#####";
  return prompt;
}

Result<QuerySet> Synthesise(const std::vector<TaxonomyNode>& nodes, const SynthesisOptions& options,
                            std::size_t queries_max, ChatClient& generator, Meter& meter,
                            const StageProgress& progress) {
  std::vector<NodeQuestions> found(nodes.size());
  Stage stage("synthesise", nodes.size(), meter, progress);
  const Status done = stage.Run(nodes.size(), generator.options().concurrency, true,
                                [&](std::size_t n) { return FillNode(nodes[n], options, generator, &found[n]); });
  if (!done.ok()) return done.error();
  QuerySet set;
  std::vector<std::uint32_t> node;
  std::set<std::string> texts;
  std::size_t empty = 0;
  std::size_t dropped = 0;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    empty += found[n].kept.empty() ? 1 : 0;
    dropped += found[n].dropped;
  }
  // Round by round over the nodes, so that a limit cuts all of them alike.
  for (std::size_t k = 0; k < options.per_node; ++k) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (k >= found[n].kept.size() || (queries_max > 0 && set.queries.size() == queries_max)) continue;
      SetQuery query =
          ToQuery(std::move(found[n].kept[k]), fmt::format("n{}.{}", n + 1, k + 1), generator.options().name);
      if (!texts.insert(embed::NormalisedText(query.text)).second) {
        ++dropped;
        continue;
      }
      set.queries.push_back(std::move(query));
      node.push_back(static_cast<std::uint32_t>(n));
    }
  }
  if (nodes.empty() || empty * 10 > nodes.size()) {
    return MakeError(Code::kFailedPrecondition, "generator_unusable",
                     fmt::format("generator: {} of {} nodes got no question in the asked form; take another model, or "
                                 "raise its max_tokens",
                                 empty, nodes.size()));
  }
  if (empty > 0) set.warnings.push_back(fmt::format("{} of {} nodes got no question", empty, nodes.size()));
  if (dropped > 0) set.warnings.push_back(fmt::format("{} questions were too similar to another one", dropped));
  NameTasks(nodes, node, set);
  return set;
}

}  // namespace pointsman::bootstrap
