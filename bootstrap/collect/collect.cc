#include "bootstrap/collect/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <utility>

#include "base/log.h"
#include "base/unit_draw.h"
#include "embed/answer_groups.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kAnswerBytesMax = 2048;
constexpr std::uint32_t kFailuresInARow = 3;
constexpr double kReadableMin = 0.1;
constexpr std::size_t kRepliesToJudge = 20;
constexpr std::string_view kUnreadable = "N/A";

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kAround = " \t\r\n*_`";
  const std::size_t begin = text.find_first_not_of(kAround);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kAround) - begin + 1);
}

// At most kAnswerBytesMax bytes, cut at a code point's edge.
std::string Cut(std::string_view text) {
  if (text.size() <= kAnswerBytesMax) return std::string(text);
  std::size_t end = kAnswerBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

// One model's work: the queries it is asked, in order.
struct Lane {
  ChatClient* client = nullptr;
  std::size_t column = 0;
  std::vector<std::size_t> rows;
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint32_t> failed_in_a_row{0};
  std::atomic<std::uint64_t> holes{0};
};

class Collector {
 public:
  Collector(const QuerySet& set, Collected& collected) : set_(set), collected_(collected) {}

  // Asks one lane's next query. False when there is none left.
  Result<bool> Next(Lane& lane) {
    const std::size_t at = lane.next.fetch_add(1);
    if (at >= lane.rows.size()) return false;
    const std::size_t r = lane.rows[at];
    ChatQuestion question;
    question.text = CandidatePrompt(set_.queries[r]);
    auto reply = lane.client->Ask(question);
    if (!reply.ok()) {
      const std::string& reason = reply.error().reason;
      if (!ConcernsOneQuestion(reply.error()) && reason != "endpoint_down") return reply.error();
      ++lane.holes;
      // Refusals of single questions are the model's right; a dead endpoint is not.
      if (reason == "endpoint_down" && ++lane.failed_in_a_row >= kFailuresInARow) return reply.error();
      return true;
    }
    lane.failed_in_a_row = 0;
    TableCell& cell = collected_.table.rows[r].models[lane.column];
    cell.present = true;
    cell.answer = AnswerOf(set_.queries[r], reply->text);
    cell.cost_usd = reply->cost_usd;
    cell.tokens_in = reply->tokens_in;
    cell.tokens_out = reply->tokens_out;
    cell.log_probability = reply->log_probability;
    collected_.replies[r][lane.column] = std::move(reply->text);
    return true;
  }

 private:
  const QuerySet& set_;
  Collected& collected_;
};

}  // namespace

std::string CandidatePrompt(const SetQuery& query) {
  if (query.options > 0) {
    return query.text + "\n\nThink as briefly as you can, then end with one line: The answer is (X).";
  }
  return query.text + "\n\nAnswer briefly. End with one line that begins with \"Answer:\" and holds only the answer.";
}

std::string AnswerOf(const SetQuery& query, std::string_view reply) {
  if (query.options > 0) {
    const std::int16_t letter = embed::LetterOfResponse(reply);
    if (letter < 0 || static_cast<std::uint32_t>(letter) >= query.options) return std::string(kUnreadable);
    return std::string(1, static_cast<char>('A' + letter));
  }
  std::size_t at = std::string_view::npos;
  for (const std::string_view mark : {"Answer:", "answer:", "ANSWER:"}) {
    const std::size_t found = reply.rfind(mark);
    if (found != std::string_view::npos && (at == std::string_view::npos || found > at)) at = found;
  }
  std::string_view answer = Trimmed(at == std::string_view::npos ? reply : reply.substr(at + 7));
  if (at == std::string_view::npos && answer.rfind('\n') != std::string_view::npos) {
    answer = Trimmed(answer.substr(answer.rfind('\n') + 1));
  }
  return answer.empty() ? std::string(kUnreadable) : Cut(answer);
}

std::vector<std::size_t> Askees(std::size_t number, std::size_t models, std::size_t each, std::uint64_t seed) {
  std::vector<std::size_t> chosen(models);
  std::iota(chosen.begin(), chosen.end(), 0);
  if (each == 0 || each >= models) return chosen;
  // In blocks of `models` queries, each with an order of its own so that no pair of
  // models stays together: consecutive runs of `each` through the order, round and round.
  std::vector<std::size_t> order(models);
  std::iota(order.begin(), order.end(), 0);
  SplitMix64 random(seed + number / models);
  Shuffle(order, random);
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < each; ++i) picked.push_back(order[(number % models * each + i) % models]);
  std::sort(picked.begin(), picked.end());
  return picked;
}

Result<Collected> Collect(const std::string& name, const QuerySet& set,
                          const std::vector<std::unique_ptr<ChatClient>>& clients, std::size_t each, std::uint64_t seed,
                          Meter& meter, const StageProgress& progress) {
  Collected collected;
  Table& table = collected.table;
  table.name = name;
  for (const auto& client : clients) table.models.push_back(client->options().name);
  std::sort(table.models.begin(), table.models.end());
  std::vector<Lane> lanes(clients.size());
  for (std::size_t c = 0; c < clients.size(); ++c) {
    lanes[c].client = clients[c].get();
    const auto at = std::lower_bound(table.models.begin(), table.models.end(), clients[c]->options().name);
    lanes[c].column = static_cast<std::size_t>(at - table.models.begin());
  }
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::uint64_t total = 0;
  for (std::size_t q = 0; q < set.queries.size(); ++q) {
    const SetQuery& query = set.queries[q];
    table.rows.push_back({query.id,
                          query.text,
                          query.task,
                          query.reference,
                          query.generator,
                          query.options,
                          std::vector<TableCell>(clients.size(), TableCell{false, kNone, kNone, kNone, kNone, {}}),
                          {}});
    for (const std::size_t c : Askees(q, clients.size(), each, seed)) {
      lanes[c].rows.push_back(q);
      ++total;
    }
  }
  collected.replies.assign(set.queries.size(), std::vector<std::string>(clients.size()));
  // One task a thread of a lane; each takes queries until its lane is empty.
  std::vector<Lane*> tasks;
  for (Lane& lane : lanes) tasks.insert(tasks.end(), lane.client->options().concurrency, &lane);
  Stage stage("collect", total, meter, progress);
  Collector collector(set, collected);
  const Status done = stage.Run(tasks.size(), tasks.size(), false, [&](std::size_t t) -> Status {
    for (;;) {
      if (const Status stopped = meter.Reserve(0); !stopped.ok()) return stopped;
      const auto more = collector.Next(*tasks[t]);
      if (!more.ok()) return more.error();
      if (!more.value()) return {};
      stage.Step();
    }
  });
  if (!done.ok()) return done.error();
  for (const Lane& lane : lanes) {
    if (lane.holes == 0) continue;
    collected.warnings.push_back(fmt::format("{}: {} of {} questions got no answer", table.models[lane.column],
                                             lane.holes.load(), lane.rows.size()));
  }
  return collected;
}

void DropNonsense(Collected* collected) {
  Table& table = collected->table;
  const std::size_t models = table.models.size();
  std::vector<double> asked(models, 0);
  std::vector<double> read(models, 0);
  for (const TableRow& row : table.rows) {
    if (row.options == 0) continue;
    for (std::size_t m = 0; m < models; ++m) {
      if (!row.models[m].present) continue;
      ++asked[m];
      read[m] += row.models[m].answer != kUnreadable ? 1 : 0;
    }
  }
  const auto readable = [&](std::size_t m) { return read[m] >= kReadableMin * asked[m]; };
  const bool others = std::any_of(read.begin(), read.end(), [](double count) { return count > 0; });
  if (!others) return;
  for (std::size_t m = 0; m < models; ++m) {
    if (asked[m] < static_cast<double>(kRepliesToJudge) || readable(m)) continue;
    for (TableRow& row : table.rows) row.models[m].present = false;
    collected->warnings.push_back(
        fmt::format("model {} answers nonsense: {:.0f} of {:.0f} replies could be read; it is left out of the bundle",
                    log::Escape(table.models[m]), read[m], asked[m]));
  }
}

}  // namespace pointsman::bootstrap
