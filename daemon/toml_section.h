// One table of a TOML file, read key by key; every fault is kept with its line, and
// what nobody asked for is reported with the nearest known key.
//
// Threads: one. Lifetime: the parsed file and the faults outlive the section.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "policy/world/options.h"

namespace pointsman::daemon {

// The one of `known` that is the fewest letters away; empty for none.
std::string NearestTo(std::string_view given, const std::vector<std::string>& known);

// Faults of one file, with their lines.
struct Faults {
  std::string name;
  std::vector<std::pair<std::uint32_t, std::string>> lines;

  void Add(const toml::node* where, std::string_view key, std::string_view message) {
    const std::uint32_t line = where == nullptr ? 0 : where->source().begin.line;
    lines.emplace_back(line, fmt::format("{}:{}: {}: {}", name, line, key, message));
  }
};

// One table of the file. Every key that the program knows is asked for once; what
// was not asked for is unknown.
class Section {
 public:
  Section(const toml::table* table, std::string path, Faults& faults)
      : table_(table), path_(std::move(path)), faults_(faults) {}

  const toml::node* Get(std::string_view key) {
    known_.emplace_back(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }

  void Text(std::string_view key, std::string& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    if (const auto* text = node->as_string()) {
      out = text->get();
    } else {
      Fault(node, key, "must be a text in quotes");
    }
  }

  void Path(std::string_view key, std::size_t bytes_max, bool may_be_empty, std::string& out) {
    Text(key, out);
    const toml::node* node = table_ == nullptr ? nullptr : table_->get(key);
    if (node == nullptr || (out.empty() && may_be_empty)) return;
    if (out.empty() || out.front() != '/') {
      Fault(node, key, "must be an absolute path");
    } else if (out.size() > bytes_max) {
      Fault(node, key, fmt::format("is {} bytes long; at most {} are possible", out.size(), bytes_max));
    }
  }

  template <typename Integer>
  void Whole(std::string_view key, std::uint64_t min, std::uint64_t max, Integer& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto* number = node->as_integer();
    if (number == nullptr) return Fault(node, key, "must be a whole number");
    const std::int64_t value = number->get();
    if (value < 0 || static_cast<std::uint64_t>(value) < min || static_cast<std::uint64_t>(value) > max) {
      return Fault(node, key, fmt::format("is {}; must be from {} to {}", value, min, max));
    }
    out = static_cast<Integer>(value);
  }

  void Number(std::string_view key, double min, double max, double& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value) return Fault(node, key, "must be a number");
    if (!(*value >= min && *value <= max)) {
      return Fault(node, key, fmt::format("is {}; must be from {} to {}", *value, min, max));
    }
    out = *value;
  }

  void Texts(std::string_view key, std::vector<std::string>& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return Fault(node, key, "must be a list of texts");
    out.clear();
    for (const toml::node& item : *array) {
      if (const auto* text = item.as_string()) {
        out.push_back(text->get());
      } else {
        Fault(&item, key, "must hold texts only");
      }
    }
  }

  void Uids(std::string_view key, std::vector<std::uint32_t>& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return Fault(node, key, "must be a list of numeric user ids");
    for (const toml::node& item : *array) {
      const auto* number = item.as_integer();
      if (number == nullptr || number->get() < 0 || number->get() >= std::numeric_limits<std::uint32_t>::max()) {
        Fault(&item, key, "must hold numeric user ids only");
      } else {
        out.push_back(static_cast<std::uint32_t>(number->get()));
      }
    }
  }

  void Flag(std::string_view key, bool& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    if (const auto* flag = node->as_boolean()) {
      out = flag->get();
    } else {
      Fault(node, key, "must be true or false");
    }
  }

  // A table whose keys are names of tenants and whose values are dollars.
  void Dollars(std::string_view key, std::vector<policy::TenantBudget>& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return Fault(node, key, "must be a table of tenant = dollars a request");
    for (const auto& [tenant, value] : *table) {
      const auto usd = value.is_number() ? value.value<double>() : std::nullopt;
      if (!usd || !(*usd > 0 && *usd <= 1e6)) {
        Fault(&value, key,
              fmt::format("the budget of {} must be dollars a request, above 0", log::Escape(tenant.str())));
      } else {
        out.push_back({std::string(tenant.str()), *usd});
      }
    }
  }

  // A table below this one; a section without entries where it is absent.
  Section Below(std::string_view key) {
    const toml::node* node = Get(key);
    const toml::table* table = node == nullptr ? nullptr : node->as_table();
    if (node != nullptr && table == nullptr) Fault(node, key, "must be a table");
    return Section(table, Name(key), faults_);
  }

  void Fault(const toml::node* node, std::string_view key, std::string_view message) {
    faults_.Add(node, Name(key), message);
  }

  // Reports what nobody asked for. Call it last.
  void Close() {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      const std::string_view given = key.str();
      if (std::find(known_.begin(), known_.end(), given) != known_.end()) continue;
      faults_.lines.emplace_back(
          key.source().begin.line,
          fmt::format("{}:{}: {}: unknown key; the nearest known one is \"{}\"", faults_.name, key.source().begin.line,
                      Name(log::Escape(given)), NearestTo(given, known_)));
    }
  }

 private:
  std::string Name(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

  const toml::table* table_;
  std::string path_;
  Faults& faults_;
  std::vector<std::string> known_;
};

}  // namespace pointsman::daemon
