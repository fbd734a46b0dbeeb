// Tidy: the rules of style and layering that a program can check.
//
// CheckTree reads the sources below a root as text and returns what breaks a
// rule: include arrows and third-party headers by folder (DESIGN 3), link lines,
// banned calls with their replacement, words that mark unfinished work, paths of
// one machine, long files and functions, headers without a contract.
#pragma once

#include <string>
#include <vector>

namespace pointsman::tidy {

struct Finding {
  std::string place;  // file:line
  std::string message;
};

// `root` holds the top-level folders. Files outside the known folders are left
// alone. Order: by file, then line.
std::vector<Finding> CheckTree(const std::string& root);

}  // namespace pointsman::tidy
