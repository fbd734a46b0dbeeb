// The invented constants of the simulated world: models and context sentences.
// simulated_world.h says what they mean.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace pointsman::eval {

inline constexpr std::size_t kSimulatedModels = 8;
inline constexpr std::size_t kSimulatedDomains = 11;
inline constexpr std::size_t kSimulatedFamilies = 5;  // the last is ember-reason's alone

struct SimulatedSkill {
  std::string_view name;
  std::size_t family;
  double price_in;  // US dollars per million tokens
  double price_out;
  double ability;  // the following five in logits
  double level_slope;
  double plain;
  double trap;
  std::array<double, kSimulatedDomains> affinity;  // by kSimulatedDomainNames
  double crowd;                                    // probability that a wrong answer is the popular one
  double tokens_out;                               // median length of an answer at level 0
};

// Domains of the starter set; any other has affinity 0.
inline constexpr std::array<std::string_view, kSimulatedDomains> kSimulatedDomainNames = {
    "math", "code", "writing", "law", "medicine", "science", "history", "business", "data", "language", "planning"};
// How people call them.
inline constexpr std::array<std::string_view, kSimulatedDomains> kSimulatedDomainWords = {
    "mathematics", "programming", "writing",       "law",      "medicine", "science",
    "history",     "business",    "data analysis", "language", "planning"};

// Ascending by name.
std::span<const SimulatedSkill, kSimulatedModels> SimulatedSkills();

// Context sentences. The plain ones, and only they, name a reader who is a layperson.
std::span<const std::string_view> OpeningSentences();
std::span<const std::string_view> PlainSentences();
// With %d for the domain's word and %t for the topic.
std::span<const std::string_view> TopicSentences();
std::span<const std::string_view> ClosingSentences();
std::span<const std::string_view> JoiningPhrases();

}  // namespace pointsman::eval
