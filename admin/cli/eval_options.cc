#include "admin/cli/eval_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/contract.h"

namespace pointsman::cli {

namespace {

std::string Shown(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end.ptr);
}

template <typename Value>
bool Parse(const std::string& text, Value& value) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

void EvalOptions::Add(const std::string& name, const std::string& help, const std::string& preset, bool flag,
                      std::function<std::string(const std::string&)> set) {
  REQUIRE(!current_.empty(), "options are declared for a protocol");
  auto [at, is_new] = options_.try_emplace(name, nullptr);
  if (is_new) {
    at->second = flag ? verb_.add_flag(name) : verb_.add_option(name);
    if (!flag) at->second->type_size(1)->expected(1);
  }
  REQUIRE((at->second->get_items_expected_max() == 0) == flag, "an option is a flag in every protocol or in none");
  declared_.push_back({.protocol = current_, .name = name, .help = help, .preset = preset, .set = std::move(set)});
}

void EvalOptions::Text(const std::string& name, std::string& target, const std::string& help) {
  Add(name, help, target, false, [&target](const std::string& text) {
    target = text;
    return std::string();
  });
}

void EvalOptions::OneOf(const std::string& name, std::string& target, const std::vector<std::string>& words,
                        const std::string& help) {
  Add(name, help + ": " + Join(words), target, false, [&target, words](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) == words.end()) return "is one of " + Join(words);
    target = text;
    return std::string();
  });
}

void EvalOptions::List(const std::string& name, std::vector<std::string>& target, const std::string& help) {
  Add(name, help, Join(target), false, [&target](const std::string& text) {
    target.clear();
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      if (end > begin) target.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return std::string(target.empty() ? "needs at least one name" : "");
  });
}

void EvalOptions::Number(const std::string& name, double& target, double least, double most, const std::string& help) {
  Add(name, help, Shown(target), false, [&target, least, most](const std::string& text) {
    double value = 0;
    if (!Parse(text, value) || !(value >= least && value <= most)) {
      return "must be a number from " + Shown(least) + " to " + Shown(most);
    }
    target = value;
    return std::string();
  });
}

template <typename Integer>
void EvalOptions::AddCount(const std::string& name, Integer& target, std::uint64_t least, std::uint64_t most,
                           const std::string& help) {
  Add(name, help, std::to_string(target), false, [&target, least, most](const std::string& text) {
    std::uint64_t value = 0;
    if (!Parse(text, value) || value < least || value > most) {
      return "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    }
    target = static_cast<Integer>(value);
    return std::string();
  });
}

void EvalOptions::Count(const std::string& name, std::uint32_t& target, std::uint64_t least, std::uint64_t most,
                        const std::string& help) {
  AddCount(name, target, least, most, help);
}

void EvalOptions::Count(const std::string& name, std::uint64_t& target, std::uint64_t least, std::uint64_t most,
                        const std::string& help) {
  AddCount(name, target, least, most, help);
}

void EvalOptions::Flag(const std::string& name, bool& target, bool value, const std::string& help) {
  Add(name, help, "", true, [&target, value](const std::string&) {
    target = value;
    return std::string();
  });
}

void EvalOptions::Require() { declared_.back().required = true; }

void EvalOptions::Describe() {
  for (const auto& [name, option] : options_) {
    std::string text;
    std::vector<std::string> same;  // protocols of the text that is being written
    for (std::size_t i = 0; i < declared_.size(); ++i) {
      const Declared& one = declared_[i];
      if (one.name != name) continue;
      const auto alike = [&](const Declared& other) {
        return other.name == name && other.help == one.help && other.preset == one.preset;
      };
      const auto first = std::find_if(declared_.begin(), declared_.end(), alike);
      if (first != declared_.begin() + static_cast<std::ptrdiff_t>(i)) continue;
      same.clear();
      for (const Declared& other : declared_) {
        if (alike(other)) same.push_back(other.protocol);
      }
      text += (text.empty() ? "" : "; ") + one.help + (one.preset.empty() ? "" : " [" + one.preset + "]") + " (" +
              Join(same) + ")";
    }
    option->description(text);
  }
}

std::string EvalOptions::Taken(const std::string& protocol) const {
  std::vector<std::string> names;
  for (const Declared& one : declared_) {
    if (one.protocol == protocol) names.push_back(one.name);
  }
  return Join(names);
}

Status EvalOptions::Read(const std::string& protocol) const {
  std::string faults;
  const auto fault = [&](const std::string& text) { faults += (faults.empty() ? "" : "; ") + text; };
  std::string foreign;
  for (const auto& [name, option] : options_) {
    if (option->count() == 0) continue;
    const auto taken = std::find_if(declared_.begin(), declared_.end(), [&, &wanted = name](const Declared& one) {
      return one.protocol == protocol && one.name == wanted;
    });
    if (taken == declared_.end()) foreign += (foreign.empty() ? "" : ", ") + name;
  }
  if (!foreign.empty()) {
    return MakeError(Code::kInvalidArgument, "option_not_taken",
                     "protocol " + protocol + " does not take " + foreign + "; it takes " + Taken(protocol));
  }
  for (const Declared& one : declared_) {
    if (one.protocol != protocol) continue;
    const CLI::Option& option = *options_.at(one.name);
    if (option.count() == 0) {
      if (one.required) fault("protocol " + protocol + " needs " + one.name);
      continue;
    }
    const std::string wrong = one.set(option.results().empty() ? std::string() : option.results().back());
    if (!wrong.empty()) fault(one.name + " " + wrong);
  }
  if (faults.empty()) return {};
  return MakeError(Code::kInvalidArgument, "option_value", faults);
}

}  // namespace pointsman::cli
