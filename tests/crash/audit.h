// What a store holds, seen through the `pointsman` program: nothing of the store's
// code runs in the process that judges it.
// Threads: any. Errors are told in `fault`, empty when all went well.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace pointsman::testing {

// Feedback that counts now, and how often each report lies in the log.
struct Exported {
  struct Word {
    double value = 0;
    std::uint32_t revision = 0;
  };
  // (kind, decision, source or the loser's decision), as the oracle names them.
  std::map<std::tuple<int, std::string, std::string>, Word> live;
  std::map<std::string, std::uint64_t> events;  // "type decision channel subject revision" -> how often
  std::map<std::string, std::uint64_t> decisions;
  std::string fault;
};
Exported Export(const std::string& store);

// `pointsman replay --verify` on one instruction set.
struct Replayed {
  bool equal = false;
  std::string state_hash;
  std::uint64_t events = 0;
  std::string fault;
};
Replayed Replay(const std::string& store, const std::string& isa);

// Runs a program of ours with arguments; its standard output and exit code.
struct Ran {
  int exit = -1;
  std::string out;
};
Ran RunProgram(const std::string& program, const std::vector<std::string>& arguments,
               const std::vector<std::pair<std::string, std::string>>& environment = {});

}  // namespace pointsman::testing
