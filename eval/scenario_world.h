// One seed of a scenario's world: queries, and the truth about every answer.
//
// Nothing here depends on what a router does: every coin is drawn from (seed, decision,
// model, purpose), so that two routers, or a router with and without a fault, meet the
// same queries, answers and users.
// Threads: immutable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/router_target.h"
#include "eval/scenario.h"

namespace pointsman::eval {

class ScenarioWorld {
 public:
  // Simulates the rows, fits a bundle on the models' unlabelled answers to the first
  // `bootstrap_rows`, draws the deviations. `scenario` must outlive the world.
  // Errors: of the starter set and of BuildBundle.
  static Result<std::unique_ptr<ScenarioWorld>> Create(const Scenario& scenario, std::uint64_t seed,
                                                       const std::string& starter_directory);
  ~ScenarioWorld();

  TargetSetup Setup() const;
  std::size_t models() const;
  std::size_t Column(const std::string& model) const;
  RouterQuery Query(std::uint64_t decision) const;
  // Probability that the answer is right, with what has happened to the model by then.
  double Quality(std::uint64_t decision, std::size_t model) const;
  // Whether it is.
  bool Right(std::uint64_t decision, std::size_t model) const;
  RouterOutcome Outcome(std::uint64_t decision, std::size_t model) const;
  // Probability that an honest user gives thumbs up.
  double ThumbsUp(std::uint64_t decision, std::size_t model) const;
  // In [0,1). Purposes below 16 are the world's own.
  double Coin(std::uint64_t decision, std::uint64_t purpose) const;

 private:
  struct Impl;
  explicit ScenarioWorld(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::eval
