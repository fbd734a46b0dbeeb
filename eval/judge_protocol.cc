#include "eval/judge_protocol.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/unit_draw.h"
#include "bootstrap/data/line_source.h"
#include "bootstrap/fit/meta_router.h"

namespace pointsman::eval {

namespace {

using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kNormal95 = 1.96;
constexpr std::size_t kAnswersLeast = 100;
constexpr std::uint64_t kLineBytesMax = 4U << 20;

// One answer on which both had a word.
struct Answer {
  std::uint64_t query = 0;
  std::string kind;  // what the bias may depend on: the model that answered
  double rating = 0;
  double gold = 0;
};
using Pairs = std::map<std::pair<std::string, std::string>, std::vector<Answer>>;

std::optional<double> Value(const json& value) {
  if (!value.is_number()) return std::nullopt;
  const double number = value.get<double>();
  if (!(number >= 0 && number <= 1)) return std::nullopt;
  return number;
}

void ReadRatings(const json& ratings, std::uint64_t query, Pairs& pairs) {
  for (const auto& [rater, said] : ratings.items()) {
    for (const auto& [other, held] : ratings.items()) {
      if (rater == other || !said.is_object() || !held.is_object()) continue;
      for (const auto& [model, value] : said.items()) {
        const auto rating = Value(value);
        const auto gold = held.contains(model) ? Value(held[model]) : std::nullopt;
        if (rating && gold) pairs[{rater, other}].push_back({query, model, *rating, *gold});
      }
    }
  }
}

void ReadVotes(const json& judges, const json& votes, std::uint64_t query, Pairs& pairs) {
  double sum = 0;
  for (const json& vote : votes) {
    const auto value = Value(vote);
    if (!value) return;
    sum += *value;
  }
  const auto first = judges.find("first");
  if (votes.empty() || first == judges.end() || !first->is_string()) return;
  for (const auto& [judge, value] : judges.items()) {
    const auto rating = Value(value);
    if (!rating) continue;
    pairs[{judge, std::string(kPeople)}].push_back(
        {query, first->get<std::string>(), *rating, sum / static_cast<double>(votes.size())});
  }
}

Result<Pairs> ReadPairs(const std::string& path) {
  bootstrap::LineSource source(path, kLineBytesMax);
  if (!source.opened()) return MakeError(Code::kNotFound, "no_file", "cannot read " + path);
  Pairs pairs;
  std::string line;
  std::uint64_t query = 0;
  for (;; ++query) {
    const auto got = source.Next(line);
    if (got == bootstrap::LineSource::Got::kEnd || got == bootstrap::LineSource::Got::kDamaged) break;
    if (got == bootstrap::LineSource::Got::kTooLong) continue;
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object()) continue;
    const auto ratings = row.find("ratings");
    if (ratings != row.end() && ratings->is_object()) ReadRatings(*ratings, query, pairs);
    const auto judges = row.find("judge");
    const auto votes = row.find("gold_votes_first");
    if (judges != row.end() && judges->is_object() && votes != row.end() && votes->is_array()) {
      ReadVotes(*judges, *votes, query, pairs);
    }
  }
  std::erase_if(pairs, [](const auto& pair) { return pair.second.size() < kAnswersLeast; });
  if (!pairs.empty()) return pairs;
  return MakeError(Code::kInvalidArgument, "no_judges",
                   path + ": no two judges had a word on the same " + std::to_string(kAnswersLeast) +
                       " answers; lines need \"ratings\" by two sources, or \"judge\" and \"gold_votes_first\"");
}

// Sums of gold - rating by query: answers to one query are not independent.
struct Difference {
  std::map<std::uint64_t, std::pair<double, double>> by_query;  // sum and count
  void Add(const Answer& answer) {
    auto& [sum, count] = by_query[answer.query];
    sum += answer.gold - answer.rating;
    count += 1;
  }
  std::pair<double, double> MeanAndError() const {
    double sum = 0;
    double count = 0;
    for (const auto& [query, total] : by_query) {
      sum += total.first;
      count += total.second;
    }
    const double mean = sum / count;
    double squares = 0;
    for (const auto& [query, total] : by_query) {
      const double left = total.first - total.second * mean;
      squares += left * left;
    }
    return {mean, std::sqrt(squares) / count};
  }
};

// One half of the queries, as a paired log.
struct Half {
  std::vector<float> features;
  std::vector<double> rating;
  std::vector<double> gold;
  std::vector<double> propensity;
  std::vector<std::uint64_t> unit;
  std::vector<std::size_t> all;
};

Status PlaySplit(const std::vector<Answer>& answers, const std::map<std::string, std::size_t>& kinds,
                 std::uint32_t seed, double share, JudgePair* pair) {
  SplitMix64 random(seed);
  std::vector<std::uint64_t> queries;
  for (const Answer& answer : answers) {
    if (queries.empty() || queries.back() != answer.query) queries.push_back(answer.query);
  }
  std::vector<std::uint8_t> chosen(queries.size());
  for (std::size_t q = 0; q < chosen.size(); ++q) chosen[q] = q % 2 == 0 ? 1 : 0;
  Shuffle(chosen, random);
  std::map<std::uint64_t, bool> fitted_on;
  for (std::size_t q = 0; q < chosen.size(); ++q) fitted_on[queries[q]] = chosen[q] != 0;
  Half half;
  Difference other;
  for (const Answer& answer : answers) {
    if (!fitted_on[answer.query]) {
      other.Add(answer);
      continue;
    }
    half.all.push_back(half.rating.size());
    const std::size_t at = half.features.size();
    half.features.resize(at + kinds.size(), 0);
    half.features[at + kinds.at(answer.kind)] = 1;
    half.rating.push_back(answer.rating);
    half.gold.push_back(random.Unit() < share ? answer.gold : kNone);
    half.propensity.push_back(share);
    half.unit.push_back(answer.query);
  }
  const bootstrap::Rows rows(half.features, kinds.size());
  const auto fit = bootstrap::FitPaired({rows, half.rating, half.gold, half.propensity, half.unit}, {});
  if (!fit.ok()) return fit.error();
  const auto estimate = fit->surface.MeanOver(rows, half.all);
  const auto [held_out, error] = other.MeanAndError();
  const bool holds = std::abs(estimate.value - held_out) <= kNormal95 * std::hypot(estimate.standard_error, error);
  pair->covered += holds ? 1 : 0;
  pair->estimate += (estimate.value - pair->estimate) / (pair->splits + 1);
  pair->error += (estimate.standard_error - pair->error) / (pair->splits + 1);
  ++pair->splits;
  return {};
}

}  // namespace

Result<std::vector<JudgePair>> RunJudges(const std::string& path, const JudgeProtocolOptions& options) {
  if (options.splits < 1 || options.splits > 1000 || !(options.gold > 0 && options.gold <= 1)) {
    return MakeError(Code::kOutOfRange, "option_range", "splits: 1 to 1000; gold: above 0, up to 1");
  }
  const auto pairs = ReadPairs(path);
  if (!pairs.ok()) return pairs.error();
  std::vector<JudgePair> judged;
  for (const auto& [names, answers] : *pairs) {
    JudgePair pair{.rater = names.first, .against = names.second, .answers = answers.size()};
    std::map<std::string, std::size_t> kinds;
    Difference all;
    for (const Answer& answer : answers) {
      kinds.try_emplace(answer.kind, kinds.size());
      all.Add(answer);
    }
    pair.queries = all.by_query.size();
    pair.bias = all.MeanAndError().first;
    for (std::uint32_t split = 1; split <= options.splits; ++split) {
      if (Status played = PlaySplit(answers, kinds, split, options.gold, &pair); !played.ok()) return played.error();
    }
    judged.push_back(std::move(pair));
  }
  return judged;
}

std::string ToJson(const std::vector<JudgePair>& pairs, const JudgeProtocolOptions& options) {
  json out = {{"protocol", "judges"}, {"splits", options.splits}, {"gold", options.gold}, {"pairs", json::array()}};
  for (const JudgePair& pair : pairs) {
    out["pairs"].push_back({{"rater", pair.rater},
                            {"against", pair.against},
                            {"answers", pair.answers},
                            {"queries", pair.queries},
                            {"bias", pair.bias},
                            {"estimate", pair.estimate},
                            {"error", pair.error},
                            {"splits", pair.splits},
                            {"covered", pair.covered}});
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string ToTable(const std::vector<JudgePair>& pairs) {
  const auto line = [](const char* format, auto... values) {
    char text[160];
    std::snprintf(text, sizeof text, format, values...);
    return std::string(text) + "\n";
  };
  std::string out = line("%-20s %-20s %7s %8s %9s %7s  %s", "rater", "against", "answers", "bias", "estimate", "error",
                         "within the interval");
  for (const JudgePair& pair : pairs) {
    out += line("%-20.20s %-20.20s %7llu %+8.4f %+9.4f %7.4f  %u of %u splits", pair.rater.c_str(),
                pair.against.c_str(), static_cast<unsigned long long>(pair.answers), pair.bias, pair.estimate,
                pair.error, pair.covered, pair.splits);
  }
  return out;
}

}  // namespace pointsman::eval
