#include "tests/crash/audit.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "tests/crash/oracle.h"

extern char** environ;

namespace pointsman::testing {
namespace {

using nlohmann::json;

std::vector<std::string> Environment(const std::vector<std::pair<std::string, std::string>>& changed) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    bool replaced = false;
    for (const auto& [name, value] : changed) replaced = replaced || text.starts_with(name + "=");
    if (!replaced) variables.emplace_back(text);
  }
  for (const auto& [name, value] : changed) {
    if (!value.empty()) variables.push_back(name + "=" + value);
  }
  return variables;
}

// Where the log says which feedback counts: the rules of `export --acknowledged`.
void TakeLive(const json& line, Exported* exported) {
  const std::string kind = line.at("kind");
  Exported::Word word;
  word.revision = line.at("revision").get<std::uint32_t>();
  if (kind == "outcome") {
    word.value = line.at("tokens_out").get<double>();
    exported->live[{static_cast<int>(Kind::kOutcome), line.at("decision"), ""}] = word;
  } else if (kind == "preference") {
    word.value = line.at("outcome").get<double>();
    exported->live[{static_cast<int>(Kind::kPreference), line.at("winner"), line.at("loser")}] = word;
  } else {
    word.value = line.at("value").get<double>();
    const Kind row = kind == "gold" ? Kind::kGold : Kind::kRating;
    exported->live[{static_cast<int>(row), line.at("decision"), line.at("source")}] = word;
  }
}

void TakeEvent(const json& line, Exported* exported) {
  const std::string type = line.at("type");
  const json& event = line.at("event");
  if (type == "DecisionMade") {
    ++exported->decisions[event.at("context").at("decision").get<std::string>()];
    return;
  }
  std::string name = type;
  if (event.contains("context")) {
    name += " " + event.at("context").at("decision").get<std::string>() + " " + event.at("channel").dump() + " " +
            event.at("subject").dump();
  } else if (event.contains("winner")) {
    name += " " + event.at("winner").at("decision").get<std::string>() + " " +
            event.at("loser").at("decision").get<std::string>() + " " + event.at("channel").dump();
  } else if (event.contains("decision")) {
    name += " " + event.at("decision").get<std::string>();
  } else {
    return;
  }
  ++exported->events[name + " " + event.at("revision").dump()];
}

void ForEachLine(const std::string& text, const std::function<void(const json&)>& visit) {
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    if (end > from) visit(json::parse(text.data() + from, text.data() + end));
    from = end + 1;
  }
}

}  // namespace

Ran RunProgram(const std::string& program, const std::vector<std::string>& arguments,
               const std::vector<std::pair<std::string, std::string>>& environment) {
  Ran ran;
  const char* folder = std::getenv("POINTSMAN_BIN");
  std::string path = std::string(folder == nullptr ? "." : folder) + "/" + program;
  std::vector<std::string> owned = arguments;
  std::vector<char*> argv{path.data()};
  for (std::string& argument : owned) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = Environment(environment);
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return ran;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = -1;
  const int spawned = posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::array<char, 65536> buffer{};
  ssize_t got = 0;
  while (spawned == 0 && (got = ::read(ends[0], buffer.data(), buffer.size())) > 0) {
    ran.out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  if (spawned == 0 && ::waitpid(child, &status, 0) == child) {
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return ran;
}

Exported Export(const std::string& store) {
  Exported exported;
  try {
    const Ran live = RunProgram("pointsman", {"export", "--acknowledged", "--store", store});
    const Ran whole = RunProgram("pointsman", {"export", "--store", store});
    if (live.exit != 0 || whole.exit != 0) {
      exported.fault = "export ended with " + std::to_string(live.exit) + " and " + std::to_string(whole.exit);
      return exported;
    }
    ForEachLine(live.out, [&](const json& line) { TakeLive(line, &exported); });
    ForEachLine(whole.out, [&](const json& line) { TakeEvent(line, &exported); });
  } catch (const json::exception& wrong) {
    exported.fault = std::string("the export is not what it should be: ") + wrong.what();
  }
  return exported;
}

Replayed Replay(const std::string& store, const std::string& isa) {
  Replayed replayed;
  const Ran ran = RunProgram("pointsman", {"replay", "--verify", "--json", "--store", store}, {{"POINTSMAN_ISA", isa}});
  const json report = json::parse(ran.out, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object() || !report.contains("equal") || (ran.exit != 0 && ran.exit != 1)) {
    replayed.fault = "replay ended with " + std::to_string(ran.exit) + ": " + ran.out;
    return replayed;
  }
  replayed.equal = report.at("equal").get<bool>() && ran.exit == 0;
  replayed.state_hash = report.at("state_hash").get<std::string>();
  replayed.events = std::strtoull(report.at("events").dump().c_str() + (report.at("events").is_string() ? 1 : 0),
                                  nullptr, 10);
  return replayed;
}

}  // namespace pointsman::testing
