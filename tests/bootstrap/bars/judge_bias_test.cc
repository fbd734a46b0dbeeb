// What one judge is off by against another, and against people, on real answers: the
// interval of the estimate holds what the other half of the answers shows.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/fit/meta_router.h"

namespace pointsman::bootstrap {
namespace {

using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kGoldShare = 0.3;
constexpr int kSplits = 25;

// One answer that both judges saw.
struct Answer {
  std::uint64_t query = 0;
  std::string kind;  // what the bias may depend on
  double rating = 0;
  double gold = 0;
};

std::vector<json> Lines(const std::string& name) {
  const char* folder = std::getenv("POINTSMAN_DATA");
  if (folder == nullptr) return {};
  gzFile file = gzopen((std::string(folder) + "/" + name).c_str(), "rb");
  std::vector<json> lines;
  if (file == nullptr) return lines;
  std::string line;
  std::vector<char> chunk(1 << 16);
  while (gzgets(file, chunk.data(), static_cast<int>(chunk.size())) != nullptr) {
    line += chunk.data();
    if (line.empty() || line.back() != '\n') continue;
    lines.push_back(json::parse(line));
    line.clear();
  }
  gzclose(file);
  return lines;
}

struct Judged {
  int covered = 0;
  int splits = 0;
  double bias = 0;   // gold - rating, mean of the estimates
  double error = 0;  // mean standard error
};

// Fits on half of the queries, of which a part has gold, and looks at the other half.
Judged HeldOut(const std::vector<Answer>& answers, std::uint64_t queries) {
  std::map<std::string, std::size_t> kinds;
  for (const Answer& answer : answers) kinds.try_emplace(answer.kind, kinds.size());
  Judged judged;
  for (int split = 0; split < kSplits; ++split) {
    SplitMix64 random(static_cast<std::uint64_t>(split) + 1);
    std::vector<std::uint8_t> train(queries, 0);
    for (std::size_t q = 0; q < queries; ++q) train[q] = q % 2 == 0 ? 1 : 0;
    Shuffle(train, random);
    std::vector<float> features;
    std::vector<double> rating;
    std::vector<double> gold;
    std::vector<double> propensity;
    std::vector<std::uint64_t> unit;
    std::vector<std::size_t> all;
    std::map<std::uint64_t, std::pair<double, double>> other;  // by query: sum and count of gold - rating
    for (const Answer& answer : answers) {
      if (train[answer.query] == 0) {
        other[answer.query].first += answer.gold - answer.rating;
        other[answer.query].second += 1;
        continue;
      }
      all.push_back(rating.size());
      const std::size_t at = features.size();
      features.resize(at + kinds.size(), 0);
      features[at + kinds[answer.kind]] = 1;
      rating.push_back(answer.rating);
      gold.push_back(random.Unit() < kGoldShare ? answer.gold : kNone);
      propensity.push_back(kGoldShare);
      unit.push_back(answer.query);
    }
    const Rows rows(features, kinds.size());
    const auto fit = FitPaired({rows, rating, gold, propensity, unit}, {});
    EXPECT_TRUE(fit.ok()) << fit.error().message;
    if (!fit.ok()) continue;
    const Estimate estimate = fit->surface.MeanOver(rows, all);
    double sum = 0;
    double count = 0;
    for (const auto& [query, total] : other) {
      sum += total.first;
      count += total.second;
    }
    const double held_out = sum / count;
    double squares = 0;
    for (const auto& [query, total] : other) {
      const double left = total.first - total.second * held_out;
      squares += left * left;
    }
    const double own = std::sqrt(squares) / count;
    const double error = std::hypot(estimate.standard_error, own);
    judged.covered += std::abs(estimate.value - held_out) <= 1.96 * error ? 1 : 0;
    judged.bias += estimate.value / kSplits;
    judged.error += estimate.standard_error / kSplits;
    ++judged.splits;
  }
  return judged;
}

void Print(const std::string& what, const Judged& judged) {
  std::cout << what << ": bias " << judged.bias << " +- " << judged.error << ", held-out half within the interval in "
            << judged.covered << " of " << judged.splits << " splits\n";
}

TEST(JudgeBias, OfOneJudgeAgainstAnotherLiesInItsIntervalOnTheOtherHalf) {
  const std::vector<json> lines = Lines("paretobandit_val.jsonl.gz");
  if (lines.empty()) GTEST_SKIP() << "POINTSMAN_DATA is not set";
  const std::vector<std::string> judges = {"r1", "claude", "gpt_mini"};
  int covered = 0;
  int splits = 0;
  for (const std::string& rater : judges) {
    for (const std::string& gold : judges) {
      if (rater == gold) continue;
      std::vector<Answer> answers;
      std::uint64_t queries = 0;
      for (const json& line : lines) {
        if (!line.contains("ratings") || !line["ratings"].contains(rater) || !line["ratings"].contains(gold)) continue;
        for (const auto& [model, value] : line["ratings"][rater].items()) {
          if (!line["ratings"][gold].contains(model)) continue;
          answers.push_back({queries, model, value.get<double>(), line["ratings"][gold][model].get<double>()});
        }
        ++queries;
      }
      ASSERT_GT(answers.size(), 200U);
      const Judged judged = HeldOut(answers, queries);
      Print(rater + " against " + gold, judged);
      covered += judged.covered;
      splits += judged.splits;
    }
  }
  EXPECT_GE(covered, splits * 9 / 10);
}

TEST(JudgeBias, OfJudgesAgainstPeopleLiesInItsIntervalOnTheOtherHalf) {
  const std::vector<json> lines = Lines("pandalm_judge.jsonl.gz");
  if (lines.empty()) GTEST_SKIP() << "POINTSMAN_DATA is not set";
  for (const std::string judge : {"gpt-3.5-turbo", "pandalm-7b"}) {
    std::vector<Answer> answers;
    std::uint64_t query = 0;
    for (const json& line : lines) {
      if (!line["judge"].contains(judge) || !line["judge"][judge].is_number()) continue;
      double votes = 0;
      for (const json& vote : line["gold_votes_first"]) votes += vote.get<double>();
      const double gold = votes / static_cast<double>(line["gold_votes_first"].size());
      answers.push_back({query++, line["judge"]["first"].get<std::string>(), line["judge"][judge].get<double>(), gold});
    }
    ASSERT_GT(answers.size(), 800U);
    const Judged judged = HeldOut(answers, query);
    Print(judge + " against people", judged);
    EXPECT_GE(judged.covered, judged.splits * 9 / 10);
  }
}

}  // namespace
}  // namespace pointsman::bootstrap
