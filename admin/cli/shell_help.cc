#include "admin/cli/shell_help.h"

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

namespace pointsman::cli {
namespace {

// A verb with the words that lead to it: {"models", "add"}.
using Visit = std::function<void(const std::vector<std::string>&, const CLI::App&)>;

void Walk(const CLI::App& app, std::vector<std::string>* path, const Visit& visit) {
  visit(*path, app);
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (verb->get_group().empty()) continue;  // hidden
    path->push_back(verb->get_name());
    Walk(*verb, path, visit);
    path->pop_back();
  }
}

void WalkAll(const CLI::App& app, const Visit& visit) {
  std::vector<std::string> path;
  Walk(app, &path, visit);
}

std::string Join(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::vector<const CLI::App*> Verbs(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* verb) { return !verb->get_group().empty(); });
}

std::vector<const CLI::Option*> Options(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_lnames().empty(); });
}

// Without what quotes and brackets of a shell would see.
std::string Tame(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') break;
    if (std::string("'\"`$\\[]:").find(c) == std::string::npos) out += c;
  }
  return out;
}

std::string Words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* verb : Verbs(app)) words.push_back(verb->get_name());
  for (const CLI::Option* option : Options(app)) words.push_back("--" + option->get_lnames().front());
  return Join(words, " ");
}

// Shell code that walks the words before the cursor down to the deepest verb.
std::string PathCases(const CLI::App& app) {
  std::string cases;
  WalkAll(app, [&](const std::vector<std::string>& path, const CLI::App&) {
    if (path.empty()) return;
    std::vector<std::string> above(path.begin(), path.end() - 1);
    cases += "      '" + Join(above, " ") + "|" + path.back() + "') at='" + Join(path, " ") + "' ;;\n";
  });
  return cases;
}

// Roff: a leading dot or quote, backslashes and hyphens mean something else.
std::string Roff(const std::string& text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string Synopsis(const std::vector<std::string>& path, const CLI::App& app) {
  std::string line = ".B pointsman " + Roff(Join(path, " ")) + "\n";
  for (const CLI::Option* option :
       app.get_options([](const CLI::Option* one) { return one->get_positional() && one->get_lnames().empty(); })) {
    const std::string name = "\\fI" + Roff(option->get_name(true)) + "\\fR";
    line += option->get_required() ? name + "\n" : "[" + name + "]\n";
  }
  line += "[\\fIOPTIONS\\fR]\n";
  return line;
}

void ManualOfVerb(const std::vector<std::string>& path, const CLI::App& app, std::string* out) {
  *out +=
      ".SS pointsman " + Roff(Join(path, " ")) + "\n" + Roff(app.get_description()) + ".\n.PP\n" + Synopsis(path, app);
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (option->get_name(true, true) == "--help,-h" || option->get_name(false, true) == "-h,--help") continue;
    std::string names;
    for (const std::string& name : option->get_lnames()) {
      names += (names.empty() ? "\\fB\\-\\-" : ", \\fB\\-\\-") + Roff(name) + "\\fR";
    }
    if (names.empty()) names = "\\fI" + Roff(option->get_name(true)) + "\\fR";
    if (!option->get_lnames().empty() && option->get_items_expected_max() > 0) names += " \\fIVALUE\\fR";
    *out += ".TP\n" + names + "\n" + Roff(option->get_description()) +
            (option->get_default_str().empty() ? "" : " (default: " + Roff(option->get_default_str()) + ")") + "\n";
  }
  const std::string footer = app.get_footer();
  const std::size_t example = footer.find("Example:\n  ");
  if (example != std::string::npos) {
    *out += ".PP\nExample:\n.PP\n.RS 4\n.nf\n" + Roff(footer.substr(example + 11)) + "\n.fi\n.RE\n";
  }
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  std::string out =
      "# bash completion for pointsman, made by `pointsman completion bash`.\n_pointsman() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} at='' word i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${COMP_WORDS[i]}\n    case \"$at|$word\" in\n" +
      PathCases(app) + "    esac\n  done\n  local words=''\n  case \"$at\" in\n";
  WalkAll(app, [&](const std::vector<std::string>& path, const CLI::App& verb) {
    out += "    '" + Join(path, " ") + "') words='" + Words(verb) + "' ;;\n";
  });
  return out +
         "  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
         "complete -o default -F _pointsman pointsman\n";
}

std::string ZshCompletion(const CLI::App& app) {
  std::string out =
      "#compdef pointsman\n# zsh completion for pointsman, made by `pointsman completion zsh`.\n_pointsman() {\n"
      "  local at='' word\n  local -a verbs options\n  for word in ${words[2,CURRENT-1]}; do\n"
      "    case \"$at|$word\" in\n" +
      PathCases(app) + "    esac\n  done\n  case \"$at\" in\n";
  WalkAll(app, [&](const std::vector<std::string>& path, const CLI::App& verb) {
    out += "    '" + Join(path, " ") + "')\n      verbs=(";
    for (const CLI::App* below : Verbs(verb)) {
      out += "'" + below->get_name() + ":" + Tame(below->get_description()) + "' ";
    }
    out += ")\n      options=(";
    for (const CLI::Option* option : Options(verb)) {
      out += "'--" + option->get_lnames().front() + ":" + Tame(option->get_description()) + "' ";
    }
    out += ") ;;\n";
  });
  return out +
         "  esac\n  (( $#verbs )) && _describe -t verbs verb verbs\n"
         "  (( $#options )) && _describe -o -t options option options\n  (( $#verbs )) || _files\n}\n"
         "_pointsman \"$@\"\n";
}

std::string FishCompletion(const CLI::App& app) {
  std::string out =
      "# fish completion for pointsman, made by `pointsman completion fish`.\n"
      "function __pointsman_at\n    set -l at ''\n    for word in (commandline -opc)[2..-1]\n"
      "        switch \"$at|$word\"\n";
  WalkAll(app, [&](const std::vector<std::string>& path, const CLI::App&) {
    if (path.empty()) return;
    std::vector<std::string> above(path.begin(), path.end() - 1);
    out += "            case '" + Join(above, " ") + "|" + path.back() + "'\n                set at '" +
           Join(path, " ") + "'\n";
  });
  out += "        end\n    end\n    test \"$at\" = \"$argv[1]\"\nend\n";
  WalkAll(app, [&](const std::vector<std::string>& path, const CLI::App& verb) {
    const std::string here = "complete -c pointsman -n \"__pointsman_at '" + Join(path, " ") + "'\"";
    if (!Verbs(verb).empty()) out += here + " -f\n";
    for (const CLI::App* below : Verbs(verb)) {
      out += here + " -a " + below->get_name() + " -d '" + Tame(below->get_description()) + "'\n";
    }
    for (const CLI::Option* option : Options(verb)) {
      out += here + " -l " + option->get_lnames().front() + " -d '" + Tame(option->get_description()) + "'\n";
    }
  });
  return out;
}

std::string ManualPage(const CLI::App& app, const std::string& version) {
  std::string out =
      ".TH POINTSMAN 1 \"\" \"pointsman " + version +
      "\" \"User Commands\"\n.SH NAME\npointsman \\- ask, feed and administer pointsmand, which decides "
      "which language model answers each query\n.SH SYNOPSIS\n.B pointsman\n\\fIVERB\\fR [\\fIARGUMENTS\\fR]\n"
      ".SH DESCRIPTION\nClient verbs talk to the route socket, operator verbs to the admin socket, offline "
      "verbs open files.\nResults go to standard output, everything else to standard error. With "
      "\\fB\\-\\-json\\fR a verb prints exactly one JSON object, also for a failure; export, and top "
      "with \\fB\\-\\-rounds\\fR, one a line.\n";
  std::string group;
  WalkAll(app, [&](const std::vector<std::string>& path, const CLI::App& verb) {
    if (path.empty()) return;
    if (path.size() == 1 && verb.get_group() != group) {
      group = verb.get_group();
      out += ".SH \"" + Roff(group) + "\"\n";
    }
    if (!verb.get_footer().empty()) ManualOfVerb(path, verb, &out);
  });
  return out +
         ".SH ENVIRONMENT\n.TP\n.B POINTSMAN_SOCKET\nthe route socket\n.TP\n.B POINTSMAN_ADMIN_SOCKET\nthe admin "
         "socket\n.TP\n.B NO_COLOR\nwhen set, tables have no bold type\n.SH EXIT STATUS\n0 done; 1 negative answer; 2 "
         "wrong usage; 65 data damaged; 69 daemon not reachable; 70 our bug; 71 system resource; 74 input or output; "
         "75 "
         "try later; 77 not permitted; 78 configuration.\n.SH SEE ALSO\n.BR pointsmand (8)\n";
}

void AddShellHelp(CLI::App& app, Context& context, const std::string& version) {
  CLI::App* completion = AddVerb(app, context, "completion", "Prints a completion script for bash, zsh or fish",
                                 "source <(pointsman completion bash)");
  completion->group("Help");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &context, shell] {
    const std::string script = *shell == "bash"  ? BashCompletion(app)
                               : *shell == "zsh" ? ZshCompletion(app)
                                                 : FishCompletion(app);
    if (context.json) {
      context.exit = context.Print({{"shell", *shell}, {"script", script}});
    } else {
      context.out << script;
    }
  });
  CLI::App* manual = AddVerb(app, context, "manual", "Prints the manual page in roff", "pointsman manual | man -l -");
  manual->group("Help");
  manual->callback([&app, &context, version] {
    const std::string page = ManualPage(app, version);
    if (context.json) {
      context.exit = context.Print({{"page", page}});
    } else {
      context.out << page;
    }
  });
}

}  // namespace pointsman::cli
