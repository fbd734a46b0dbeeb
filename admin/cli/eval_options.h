// Options of the verb `eval`, told apart by protocol.
//
// All protocols share one verb and most share options such as --data and --seeds,
// each with its own meaning, default and range. A protocol declares those that it
// takes; what the user gave is read only by the protocol that runs, and an option
// that it does not take is refused by name.
//
// Threads: one.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace pointsman::cli {

class EvalOptions {
 public:
  // `verb` must outlive this.
  explicit EvalOptions(CLI::App& verb) : verb_(verb) {}

  // What follows belongs to `protocol`. Targets keep their value (the default,
  // shown in the help) where the user gives none, and must outlive this.
  void Begin(const std::string& protocol) { current_ = protocol; }
  void Text(const std::string& name, std::string& target, const std::string& help);
  void OneOf(const std::string& name, std::string& target, const std::vector<std::string>& words,
             const std::string& help);
  void List(const std::string& name, std::vector<std::string>& target, const std::string& help);  // comma-separated
  void Number(const std::string& name, double& target, double least, double most, const std::string& help);
  void Count(const std::string& name, std::uint32_t& target, std::uint64_t least, std::uint64_t most,
             const std::string& help);
  void Count(const std::string& name, std::uint64_t& target, std::uint64_t least, std::uint64_t most,
             const std::string& help);
  // Sets `target` to `value` when given.
  void Flag(const std::string& name, bool& target, bool value, const std::string& help);
  // The last option declared must be given.
  void Require();

  // After the last declaration: help texts that say which protocols take what.
  void Describe();
  // Reads what was given for `protocol`. Errors: INVALID_ARGUMENT (option_not_taken,
  // option_missing, option_value), OUT_OF_RANGE (option_range); all faults in one message.
  Status Read(const std::string& protocol) const;

 private:
  struct Declared {
    std::string protocol;
    std::string name;
    std::string help;
    std::string preset;  // shown; empty: none
    bool required = false;
    // Gives what is wrong with `text`, or nothing.
    std::function<std::string(const std::string& text)> set;
  };

  void Add(const std::string& name, const std::string& help, const std::string& preset, bool flag,
           std::function<std::string(const std::string&)> set);
  template <typename Integer>
  void AddCount(const std::string& name, Integer& target, std::uint64_t least, std::uint64_t most,
                const std::string& help);
  // Comma-separated names of what `protocol` takes.
  std::string Taken(const std::string& protocol) const;

  CLI::App& verb_;
  std::string current_;
  std::vector<Declared> declared_;
  std::map<std::string, CLI::Option*> options_;  // by name, shared between protocols
};

}  // namespace pointsman::cli
