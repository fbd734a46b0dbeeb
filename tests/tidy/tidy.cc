#include "tests/tidy/tidy.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace pointsman::tidy {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileLinesMax = 600;
constexpr std::size_t kFunctionLinesMax = 70;
constexpr std::size_t kMainLinesMax = 40;

// Which of our folders or headers a folder may include. An entry with a slash at
// the end allows the folder; one without allows that header.
const std::map<std::string, std::vector<std::string>> kArrows = {
    {"base", {}},
    {"policy", {"base/"}},
    {"embed", {"base/", "policy/"}},
    {"store", {"base/", "policy/"}},
    {"clients", {}},
    {"bootstrap", {"base/", "policy/", "embed/", "store/store.h"}},
    {"eval", {"base/", "policy/", "embed/", "bootstrap/", "clients/"}},
    {"admin", {"base/", "policy/"}},
    {"admin/cli", {"base/", "policy/", "admin/", "clients/"}},
    {"admin/cli/offline_verbs", {"base/", "policy/", "admin/", "clients/", "store/", "bootstrap/", "eval/"}},
    {"daemon", {"base/", "policy/", "embed/", "admin/ports.h", "store/store.h", "store/commit_queue.h",
                "store/decision_token.h", "store/judge_log.h", "store/subject_hash.h"}},
};
// Parts of base that the pure folders may not see.
const std::set<std::string> kImpure = {"base/clock.h", "base/log.h", "base/fault_point.h"};
// Composition roots may see all.
const std::regex kRoots("daemon/(app|job|main)[a-z_]*\\.(h|cc)|admin/cli/(app|main|demo|eval)[a-z0-9_]*\\.(h|cc)");

struct ThirdParty {
  std::regex header;
  std::regex files;  // that may include it
  const char* what;
};
const std::vector<ThirdParty>& ThirdParties() {
  static const std::vector<ThirdParty> rules = {
      {std::regex("spdlog/.*"), std::regex("base/log\\.cc"), "spdlog belongs to base/log.cc"},
      {std::regex("rocksdb/.*"), std::regex("store/.*|tests/store/.*|tests/crash/.*|bench/.*"), "RocksDB belongs to store/"},
      {std::regex("sodium\\.h|xxhash\\.h"), std::regex("store/.*|tests/store/.*"), "libsodium and xxhash belong to store/"},
      {std::regex("Eigen/.*"), std::regex("(embed|bootstrap|eval)/.*|tests/.*|bench/.*"), "Eigen stays out of the fold"},
      {std::regex("httplib\\.h"), std::regex("(admin|bootstrap|embed)/[a-z_/]*http[a-z_]*\\.(cc|h)|tests/.*"),
       "httplib belongs to one http file a folder"},
      {std::regex("boost/.*"), std::regex("daemon/.*|tests/daemon/.*|bench/.*"), "Asio belongs to daemon/"},
      {std::regex("prometheus/.*"), std::regex("daemon/.*"), "prometheus-cpp belongs to daemon/"},
      {std::regex("toml\\+\\+/.*"), std::regex("daemon/.*"), "TOML belongs to daemon/"},
      {std::regex("simdjson\\.h"), std::regex("(embed|bootstrap|eval|daemon)/.*|tests/.*"), "simdjson belongs to embed/, bootstrap/ and eval/"},
      {std::regex("nlohmann/.*"), std::regex("(admin|eval|daemon)/.*|tests/.*|bench/.*"), "nlohmann-json belongs to admin/, eval/ and the job's report"},
      {std::regex("CLI/.*"), std::regex("admin/cli/.*|daemon/(app|main)\\.(cc|h)|bench/.*"), "CLI11 belongs to the two programs"},
      {std::regex("record\\.pb\\.h"), std::regex("store/.*|tests/store/.*"), "record.proto belongs to store/"},
      {std::regex("wire\\.pb\\.h"), std::regex("(daemon|clients|eval|admin/cli)/.*|tests/.*|bench/.*"), "wire.proto is for the socket's two ends"},
      {std::regex("fmt/.*"), std::regex("(base|store|embed|bootstrap|eval|daemon|admin)/.*|tests/.*|bench/.*"), "policy/ is std only"},
  };
  return rules;
}

struct Ban {
  std::regex pattern;
  std::regex except;  // files that may
  const char* advice;
};
const std::vector<Ban>& Bans() {
  static const std::vector<Ban> bans = {
      {std::regex("\\bstd::rand\\b|\\bsrand\\("), std::regex("$^"), "use SplitMix64 (base/unit_draw.h): seeded, the same everywhere"},
      {std::regex("std::random_device"), std::regex("$^"), "use libsodium for secrets, SplitMix64 with a passed seed for the rest"},
      {std::regex("std::shuffle\\("), std::regex("$^"), "use Shuffle (base/unit_draw.h): std::shuffle differs between libraries"},
      {std::regex("(system|steady|high_resolution)_clock::now"), std::regex("base/clock\\.cc|tests/.*|bench/.*|clients/.*"),
       "take a Clock (base/clock.h)"},
      {std::regex("sleep_for|sleep_until|\\busleep\\(|\\bsleep\\("), std::regex("$^"), "wait on what you wait for: a condition variable, poll, a deadline"},
      {std::regex("\\bsystem\\(|\\bpopen\\("), std::regex("tests/admin/.*"), "use posix_spawn with an argument list"},
      {std::regex("[^_:.a-zA-Z]exit\\(|std::exit\\("), std::regex("tests/.*"), "return an Exit from main; _exit in a forked child"},
      {std::regex("\\.detach\\(\\)"), std::regex("$^"), "own your threads and join them"},
      {std::regex("using namespace (?!std::literals|std::string_literals|std::chrono_literals)"), std::regex("$^"), "name what you use"},
      {std::regex("ffast-math"), std::regex("$^"), "it breaks NaN checks and bit equality"},
      {std::regex("mergeOperator|merge_operator"), std::regex("$^"), "floating-point sums are not associative: fold in log order"},
  };
  return bans;
}

struct File {
  std::string path;  // relative to the root
  std::vector<std::string> lines;
};

std::string Folder(const std::string& path) { return path.substr(0, path.find('/')); }

bool Matches(const std::string& text, const std::regex& pattern) { return std::regex_match(text, pattern); }

std::string Place(const File& file, std::size_t index) { return file.path + ":" + std::to_string(index + 1); }

// The line without its // comment and without the content of string literals.
std::string Code(const std::string& line) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
        out += c;
      }
      continue;
    }
    if (c == '/' && i + 1 < line.size() && line[i + 1] == '/') break;
    if (c == '\'' && i + 2 < line.size() && (line[i + 2] == '\'' || line[i + 1] == '\\')) {
      i += line[i + 1] == '\\' ? 3 : 2;
      continue;
    }
    if (c == '"') in_string = true;
    out += c;
  }
  return out;
}

std::vector<std::string> AllowedFor(const std::string& path) {
  std::string key = Folder(path);
  if (path.rfind("admin/cli/", 0) == 0) key = path.rfind("admin/cli/offline", 0) == 0 ? "admin/cli/offline_verbs" : "admin/cli";
  std::vector<std::string> allowed = kArrows.at(key);
  allowed.push_back(Folder(path) + "/");
  return allowed;
}

void CheckIncludes(const File& file, std::vector<Finding>* findings) {
  static const std::regex kInclude("^\\s*#include [\"<]([^\">]+)[\">].*");
  const bool ours = kArrows.count(Folder(file.path)) != 0;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_match(file.lines[i], match, kInclude)) continue;
    const std::string header = match[1];
    for (const ThirdParty& rule : ThirdParties()) {
      if (Matches(header, rule.header) && !Matches(file.path, rule.files)) {
        findings->push_back({Place(file, i), std::string(rule.what) + ": <" + header + ">"});
      }
    }
    const bool internal = kArrows.count(Folder(header)) != 0 && header.find('/') != std::string::npos;
    if (!ours || !internal || Matches(file.path, kRoots)) continue;
    const auto allowed = AllowedFor(file.path);
    const bool fits = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
      return entry.back() == '/' ? header.rfind(entry, 0) == 0 : header == entry;
    });
    if (!fits) findings->push_back({Place(file, i), "arrow against the house: " + Folder(file.path) + " may not include " + header});
    if (Folder(file.path) == "policy" && kImpure.count(header) != 0) {
      findings->push_back({Place(file, i), "policy is pure: no " + header});
    }
  }
}

void CheckWords(const File& file, std::vector<Finding>* findings) {
  static const std::regex kStub("\\b(TODO|FIXME|XXX|HACK)\\b|not implemented yet", std::regex::icase);
  static const std::regex kMachine("(^|[^A-Za-z0-9_.])/(home|root|srv|mnt|work)/");
  if (file.path.rfind("tests/tidy/", 0) == 0) return;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    if (std::regex_search(line, kStub)) findings->push_back({Place(file, i), "unfinished work: finish it, or take the interface out"});
    if (std::regex_search(line, kMachine)) findings->push_back({Place(file, i), "a path of one machine"});
    // An exception is marked where it stands, with its reason.
    if (line.find("NOLINT(google-build-using-namespace): ") != std::string::npos) continue;
    const std::string code = Code(line);
    for (const Ban& ban : Bans()) {
      if (!Matches(file.path, ban.except) && std::regex_search(code, ban.pattern)) {
        findings->push_back({Place(file, i), std::string("banned call: ") + ban.advice});
      }
    }
  }
}

void CheckContract(const File& file, std::vector<Finding>* findings) {
  if (file.path.size() < 2 || file.path.substr(file.path.size() - 2) != ".h") return;
  std::size_t comments = 0;
  while (comments < file.lines.size() && file.lines[comments].rfind("//", 0) == 0) ++comments;
  const bool product = Folder(file.path) != "tests";
  if (comments < (product ? 2U : 1U)) findings->push_back({Place(file, 0), "a header begins with its contract: purpose, threads, limits"});
  if (comments >= file.lines.size() || file.lines[comments] != "#pragma once") {
    findings->push_back({Place(file, comments), "#pragma once follows the contract"});
  }
  static const std::regex kClass("^class [A-Z]\\w*.*\\{.*");
  for (std::size_t i = 1; i < file.lines.size(); ++i) {
    if (!product || !std::regex_match(file.lines[i], kClass)) continue;
    std::size_t above = i - 1;
    if (above > 0 && file.lines[above].rfind("template", 0) == 0) --above;
    const bool first = std::none_of(file.lines.begin(), file.lines.begin() + static_cast<std::ptrdiff_t>(i),
                                    [](const std::string& line) { return std::regex_match(line, kClass); });
    if (file.lines[above].rfind("//", 0) != 0 && !first) {
      findings->push_back({Place(file, i), "a public class needs its contract above it"});
    }
  }
}

// Function bodies: a `{` at the end of a line after a `)` whose statement does
// not start a namespace, type, or initialiser; measured to its closing brace.
void CheckLengths(const File& file, std::vector<Finding>* findings) {
  if (file.lines.size() > kFileLinesMax) {
    findings->push_back({Place(file, kFileLinesMax), "more than 600 lines: is it one thing?"});
  }
  if (Matches(file.path, std::regex("(.*/)?main\\.cc")) && file.lines.size() > kMainLinesMax) {
    findings->push_back({Place(file, kMainLinesMax), "main is at most 40 lines"});
  }
  static const std::regex kNoFunction("^\\s*(namespace|class|struct|enum|union|extern)\\b.*");
  int depth = 0;
  int function_depth = -1;
  std::size_t begin = 0;
  std::string statement;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string code = Code(file.lines[i]);
    if (!code.empty() && code[0] == '#') continue;
    for (const char c : code) {
      if (c == '{') {
        const bool function = function_depth < 0 && statement.find(')') != std::string::npos &&
                              !std::regex_match(statement, kNoFunction) && statement.find('=') == std::string::npos;
        if (function) {
          function_depth = depth;
          begin = i;
        }
        ++depth;
        statement.clear();
      } else if (c == '}') {
        --depth;
        if (depth == function_depth) {
          if (i - begin + 1 > kFunctionLinesMax) {
            findings->push_back({Place(file, begin), "function of " + std::to_string(i - begin + 1) + " lines; at most 70"});
          }
          function_depth = -1;
        }
        statement.clear();
      } else if (c == ';') {
        statement.clear();
      } else {
        statement += c;
      }
    }
    statement += ' ';
  }
}

// Link lines follow the include arrows: pointsman_X may link what X may include.
void CheckLinks(const File& file, std::vector<Finding>* findings) {
  static const std::regex kLibrary("pointsman_library\\((\\w+)");
  static const std::regex kLink("pointsman_(\\w+)");
  static const std::set<std::string> kFree = {"flags", "wire_proto", "record_proto", "library", "test"};
  static const std::map<std::string, std::string> kFolderOf = {{"client", "clients"}};
  std::string text;
  for (const std::string& line : file.lines) text += line.substr(0, line.find('#')) + "\n";
  for (std::sregex_iterator it(text.begin(), text.end(), kLibrary), end; it != end; ++it) {
    const std::string library = (*it)[1];
    const std::string folder = kFolderOf.count(library) != 0 ? kFolderOf.at(library) : library;
    const auto known = kArrows.find(folder);
    if (known == kArrows.end()) continue;
    const auto from = static_cast<std::size_t>(it->position());
    const std::string call = text.substr(from, text.find(')', from) - from);
    for (std::sregex_iterator link(call.begin(), call.end(), kLink), none; link != none; ++link) {
      const std::string target = (*link)[1];
      if (kFree.count(target) != 0 || target == library) continue;
      const std::string to = kFolderOf.count(target) != 0 ? kFolderOf.at(target) : target;
      const auto& allowed = known->second;
      const bool fits = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) { return Folder(entry) == to; });
      if (!fits) findings->push_back({file.path + ":1", "arrow against the house: " + library + " may not link " + target});
    }
  }
}

File ReadFile(const fs::path& path, const std::string& relative) {
  File file{relative, {}};
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) file.lines.push_back(line);
  return file;
}

}  // namespace

std::vector<Finding> CheckTree(const std::string& root) {
  std::vector<Finding> findings;
  std::vector<std::string> paths;
  for (const char* folder : {"base", "policy", "embed", "store", "bootstrap", "eval", "daemon", "admin", "clients", "tests", "bench", "cmake"}) {
    if (!fs::exists(fs::path(root) / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
      if (entry.is_regular_file()) paths.push_back(fs::relative(entry.path(), root).string());
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const auto extension = fs::path(path).extension();
    const bool source = extension == ".h" || extension == ".cc";
    const bool build = fs::path(path).filename() == "CMakeLists.txt" || extension == ".cmake";
    if (!source && !build) continue;
    const File file = ReadFile(fs::path(root) / path, path);
    if (build) {
      CheckLinks(file, &findings);
      continue;
    }
    CheckIncludes(file, &findings);
    CheckWords(file, &findings);
    CheckLengths(file, &findings);
    CheckContract(file, &findings);
  }
  return findings;
}

}  // namespace pointsman::tidy
