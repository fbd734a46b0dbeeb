// What a client may ask over HTTP, as plain values: the same requests that go as
// frames over the route socket (proto/wire.proto has the meaning of every field,
// docs/WIRE.md the errors). The daemon checks ranges; here is only shape.
//
// Tokens are in text form, "d1_...".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/result.h"

namespace pointsman::admin {

struct RouteAsk {
  std::string text;
  std::vector<float> embedding;  // instead of the text
  std::string preset;            // "cost", "balanced", "quality"; or:
  struct Weights {
    double quality = 0, cost = 0;
  };
  std::optional<Weights> weights;
  std::vector<std::string> allowed;  // empty: all models
  double cost_cap_usd = 0;           // 0: none
  double quality_floor = 0;          // [0,1]
  std::uint32_t tokens_in = 0;       // 0: estimated
  bool no_explore = false;
  double latency_cap_ms = 0;         // 0: none
  std::string incumbent;             // the model that answered this conversation so far
  double switch_cost = 0;            // in utility
  std::string observed;              // the caller uses this model; the answer says what would have been played
  std::string tenant;                // empty: the peer's uid
  std::uint32_t explain = 0;         // clusters and task types to name, at most 8
  std::uint32_t candidates_max = 0;  // 0: 8
};

struct RouteAnswer {
  std::string token;
  std::string model;
  std::uint32_t model_epoch = 0;
  double propensity = 0;
  struct Ranked {
    std::string name;
    double quality = 0, quality_deviation = 0, cost_usd = 0, utility = 0, probability = 0;
  };
  std::vector<Ranked> ranked;
  bool gold_wanted = false;
  double gold_probability = 0;
  bool audit = false, forced = false, observed = false;
  std::string advised;    // where observed
  bool followed = false;  // the incumbent answers, under a rollout
  std::uint32_t generation = 0;
  std::uint32_t durability = 0;  // 0 none, 1 process, 2 synced
  struct Named {
    std::uint32_t number = 0;
    std::string name;
    double weight = 0;
  };
  std::vector<Named> clusters, tasks;
  std::int64_t expires_at_us = 0;
};

struct OutcomeAsk {
  std::string token;
  std::uint32_t tokens_in = 0, tokens_out = 0;
  double latency_ms = 0;
  bool failed = false;
  std::string verdict;  // "", "too_weak", "too_costly", "failed"
  std::optional<double> cost_usd;
  std::uint32_t revision = 0;
  std::string tenant;
};

// One opinion. `source` "gold" is a trusted label, all else a rating source.
struct FeedbackAsk {
  std::string token;
  std::string source;
  double value = 0;     // [0,1]
  std::string subject;  // who rated
  std::uint32_t revision = 0;
  std::string tenant;
};

struct PreferenceAsk {
  std::string winner, loser;
  bool tie = false;
  std::string source;
  std::string subject;
  std::uint32_t revision = 0;
  std::string tenant;
};

// Takes back what `subject` said through `source`.
struct RetractAsk {
  std::string token;
  std::string source;
  std::string subject;
  std::uint32_t revision = 0;
  std::string tenant;
};

struct Acknowledgement {
  Code code = Code::kOk;  // or kDuplicateOk
  std::uint64_t sequence = 0;
  std::uint32_t durability = 0;
};

struct VoteAsk {
  std::string token;
  struct Answer {
    std::string text;
    std::string model;
    std::optional<double> confidence;
  };
  std::vector<Answer> answers;
  std::string kind;  // "letter", "number", "text"; empty: what most answers are
  std::string tenant;
};

struct VoteAnswer {
  std::uint32_t chosen = 0;
  std::string answer;
  std::string model;
  double agreement = 0;
  bool escalate = false;
  std::vector<std::vector<std::uint32_t>> groups;
  std::string kind;
};

}  // namespace pointsman::admin
