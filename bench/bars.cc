// Runs the benches that bars.json lists and holds their figures against the bars.
//
//   bars FILE [--only ID] [--short] [--json]
//
// FILE is a list of rows: id, case, program (beside this one), key (the benchmark's
// name, or the row's or mode's), unit, the fields with value, floor and ratio (names,
// or pointers with slashes), bar (a number, or a field), on ("value" or "ratio") and
// least (the bar is a least, else a most). Without a field for the ratio it is value
// over floor where there is a floor, else null. Prints a table, or with --json one
// JSON array {id, case, value, unit, floor, ratio, bar, met} on one line, progress on
// stderr. A bar that is missed is told, not an error. Exit: 0; 1 when a row is absent
// or a program failed; 2 usage.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman::bench {
namespace {

using nlohmann::json;

struct Arguments {
  std::string file;
  std::string only;
  bool quick = false;
  bool as_json = false;
};

// Everything that a program says on stdout; nothing when it fails.
std::optional<std::string> OutputOf(std::vector<std::string> command) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  const int spawned = ::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string text;
  if (spawned == 0) {
    std::array<char, 4096> piece{};
    for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
      got = ::read(pipe[0], piece.data(), piece.size());
      if (got > 0) text.append(piece.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(pipe[0]);
  int status = -1;
  if (spawned != 0 || ::waitpid(child, &status, 0) != child) return std::nullopt;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(text) : std::nullopt;
}

// The lines of a program that are JSON objects, or its report of benchmarks, by key.
std::map<std::string, json> FiguresIn(const std::string& text) {
  std::map<std::string, json> figures;
  const auto keep = [&](const json& one) {
    for (const char* name : {"key", "mode", "name"}) {
      if (one.contains(name) && one[name].is_string()) return void(figures[one[name].get<std::string>()] = one);
    }
  };
  const json whole = json::parse(text, nullptr, false);
  if (whole.is_object() && whole.contains("benchmarks")) {
    for (const json& one : whole["benchmarks"]) keep(one);
    return figures;
  }
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const json one = json::parse(text.substr(start, end - start), nullptr, false);
    if (one.is_object()) keep(one);
    start = end + 1;
  }
  return figures;
}

std::vector<std::string> CommandOf(const std::string& program, const std::string& only, bool quick) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / program;
  std::vector<std::string> command = {beside.string()};
  const auto add = [&](std::initializer_list<std::string> more) { command.insert(command.end(), more); };
  if (program == "route_bench") {
    // Both sides on one processor: else what is measured is how long the system takes to
    // wake an idle one, which a bare echo by the same library pays too (60 us, not 10).
    add({"--cpu", "0"});
    if (quick) add({"--rounds", "5", "--exchanges", "1500", "--warm", "2048"});
    return command;
  }
  if (program == "store_bench" || program == "swap_bench" || program == "compact_bench" || program == "redis_bench") {
    if (quick) add({"--short"});
    if (!only.empty() && program == "store_bench") add({"--only", only});
    return command;
  }
  add({"--benchmark_format=json"});
  if (program == "embed_bench") add({"--benchmark_filter=LsaEmbed"});
  if (quick) add({"--benchmark_min_time=0.05"});
  return command;
}

std::optional<double> FieldOf(const json& figure, const json& row, const char* name) {
  if (!row.contains(name)) return std::nullopt;
  if (row[name].is_number()) return row[name].get<double>();
  const std::string field = row[name].get<std::string>();
  const json::json_pointer at(field.starts_with('/') ? field : "/" + field);
  if (!figure.contains(at) || !figure[at].is_number()) return std::nullopt;
  return figure[at].get<double>();
}

json OrNull(const std::optional<double>& number) { return number ? json(*number) : json(nullptr); }

// Nothing when the figure lacks a field that the row names.
std::optional<json> Judge(const json& row, const json& figure) {
  const auto value = FieldOf(figure, row, "value");
  const auto floor = FieldOf(figure, row, "floor");
  const auto bar = FieldOf(figure, row, "bar");
  auto ratio = FieldOf(figure, row, "ratio");
  if (!value || !bar || (row.contains("floor") && !floor) || (row.contains("ratio") && !ratio)) return std::nullopt;
  if (!ratio && floor && *floor > 0) ratio = *value / *floor;
  const bool on_ratio = row.at("on") == "ratio";
  if (on_ratio && !ratio) return std::nullopt;
  const double held = on_ratio ? *ratio : *value;
  const bool met = row.value("least", false) ? held >= *bar : held <= *bar;
  return json{{"id", row.at("id")},     {"case", row.at("case")}, {"value", *value}, {"unit", row.at("unit")},
              {"floor", OrNull(floor)}, {"ratio", OrNull(ratio)}, {"bar", *bar},     {"met", met}};
}

void Print(const json& judged, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", judged.dump());
    return;
  }
  for (const json& row : judged) {
    const auto number = [&](const char* name) {
      return row[name].is_null() ? std::string("-") : fmt::format("{:.4g}", row[name].get<double>());
    };
    fmt::print("{:<4} {:<62} {:>10} {:<9} floor {:>9}  ratio {:>7}  bar {:>8}  {}\n", row["id"].get<std::string>(),
               row["case"].get<std::string>(), number("value"), row["unit"].get<std::string>(), number("floor"),
               number("ratio"), number("bar"), row["met"].get<bool>() ? "met" : "MISSED");
  }
}

int Run(const Arguments& arguments) {
  std::ifstream file(arguments.file);
  const json rows = json::parse(file, nullptr, false);
  if (!rows.is_array()) return std::fprintf(stderr, "bars: %s is not a list of rows\n", arguments.file.c_str()), 2;
  std::map<std::string, std::map<std::string, json>> figures;  // by program
  json judged = json::array();
  bool whole = true;
  for (const json& row : rows) {
    if (!arguments.only.empty() && row.at("id") != arguments.only) continue;
    const std::string program = row.at("program");
    if (!figures.contains(program)) {
      std::fprintf(stderr, "bars: %s ...\n", program.c_str());
      const auto output = OutputOf(CommandOf(program, arguments.only, arguments.quick));
      if (!output) std::fprintf(stderr, "bars: %s failed\n", program.c_str());
      whole = whole && output.has_value();
      figures[program] = FiguresIn(output.value_or(""));
    }
    const auto figure = figures[program].find(row.at("key"));
    const auto one = figure == figures[program].end() ? std::nullopt : Judge(row, figure->second);
    if (one) {
      judged.push_back(*one);
    } else {
      std::fprintf(stderr, "bars: the row \"%s\" is absent\n", row.at("case").get<std::string>().c_str());
      whole = false;
    }
  }
  Print(judged, arguments.as_json);
  if (judged.empty()) return std::fprintf(stderr, "bars: no row has that id\n"), 2;
  return whole ? 0 : 1;
}

}  // namespace
}  // namespace pointsman::bench

int main(int count, char** words) {
  pointsman::bench::Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--short") {
      arguments.quick = true;
    } else if (word == "--json") {
      arguments.as_json = true;
    } else if (word == "--only" && i + 1 < count) {
      arguments.only = words[++i];
    } else if (!word.starts_with("--") && arguments.file.empty()) {
      arguments.file = word;
    } else {
      arguments.file.clear();
      break;
    }
  }
  if (arguments.file.empty()) {
    std::fprintf(stderr, "usage: %s FILE [--only ID] [--short] [--json]\n", words[0]);
    return 2;
  }
  return pointsman::bench::Run(arguments);
}
