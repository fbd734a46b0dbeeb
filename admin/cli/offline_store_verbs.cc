#include "admin/cli/offline_store_verbs.h"

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "admin/cli/event_json.h"
#include "admin/cli/offline_transfer_verbs.h"
#include "admin/cli/render.h"
#include "admin/json.h"
#include "policy/learning/learner.h"
#include "store/care.h"
#include "store/store.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kDifferencesShown = 20;

json ReportJson(const store::CareReport& report) {
  return {{"last_sequence", admin::Number64(report.last_seq.value)},
          {"files", admin::Number64(report.files)},
          {"bytes", admin::Number64(report.bytes)}};
}

void PrintReport(Context& context, const std::string& what, const store::CareReport& report) {
  context.out << what << ": " << report.last_seq.value << " events, " << report.files << " files, "
              << Fixed(static_cast<double>(report.bytes) / 1e6, 1) << " MB\n";
}

// A line on stderr that goes with the store's work and ends with the object.
class Told {
 public:
  explicit Told(Context& context) : line_(context.err, context.err_is_terminal) {}
  ~Told() { line_.Finish(); }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  store::Progress Teller() {
    return [this](double share, std::string_view stage) { line_.Show(share, stage); };
  }

 private:
  Progress line_;
};

Exit Check(Context& context, const std::string& directory) {
  const auto checked = store::CheckStore(directory, Told(context).Teller());
  if (!checked.ok()) return context.Fail(checked.error());
  if (context.json) return context.Print(ReportJson(checked.value()));
  PrintReport(context, Printable(directory) + " is sound", checked.value());
  return Exit::kOk;
}

Exit BackUp(Context& context, const std::string& directory, const std::string& to) {
  const auto done = store::BackUpStore(directory, to, Told(context).Teller());
  if (!done.ok()) return context.Fail(done.error());
  if (context.json) return context.Print(ReportJson(done.value()));
  PrintReport(context, Printable(to) + " is a backup", done.value());
  context.out << "It holds the store's keys: keep it as safe as the store.\n";
  return Exit::kOk;
}

Exit Restore(Context& context, const std::string& from, const std::string& directory, bool accept_rollback) {
  const auto done = store::RestoreStore(from, directory, accept_rollback, Told(context).Teller());
  if (!done.ok()) return context.Fail(done.error());
  if (context.json) {
    json report = ReportJson(done->report);
    report["set_aside"] = done->set_aside;
    return context.Print(report);
  }
  PrintReport(context, Printable(directory) + " is restored", done->report);
  if (!done->set_aside.empty()) context.out << "the store that was there is now " << Printable(done->set_aside) << "\n";
  return Exit::kOk;
}

// Exit 1 where something that had been acknowledged is gone.
Exit Repair(Context& context, const std::string& directory, const std::string& to) {
  const auto done = store::RepairStore(directory, to, context.clock.WallMicros());
  if (!done.ok()) return context.Fail(done.error());
  const Exit exit = done->lost_acknowledged == 0 ? Exit::kOk : Exit::kNegative;
  if (context.json) {
    json report = ReportJson(done->report);
    report["kept_up_to"] = admin::Number64(done->kept.value);
    report["acknowledged_up_to"] = admin::Number64(done->acknowledged.value);
    report["lost_acknowledged"] = admin::Number64(done->lost_acknowledged);
    report["state_dropped"] = done->state_dropped;
    context.Print(report);
    return exit;
  }
  PrintReport(context, Printable(to) + " is sound", done->report);
  context.out << "kept up to event " << done->kept.value << " of " << done->acknowledged.value << " acknowledged; "
              << done->lost_acknowledged << " acknowledged events are lost\n"
              << "The damaged store is unchanged. A backup may know more than this repair.\n";
  return exit;
}

// ---- state ----

// The state as it was after event `at`; 0: after the last one.
Result<policy::State> StateAt(const store::Store& store, std::uint64_t at) {
  const std::uint64_t last = store.LastSeq().value;
  const std::uint64_t base = store.Statistics().base_seq.value;
  if (at == 0) at = last;
  if (at > last || at < base) {
    return MakeError(Code::kOutOfRange, at > last ? "after_the_end" : "history_begins_later",
                     "history begins with the state after event " + std::to_string(base) + " and ends with event " +
                         std::to_string(last) + "; there is no state at event " + std::to_string(at));
  }
  auto begin = store.LoadBase();
  if (!begin.ok()) return begin.error();
  auto learner = policy::Learner::Create(store, store, std::move(begin).value());
  if (!learner.ok()) return learner.error();
  policy::Learner& fold = *learner.value();
  const Status read =
      at == base ? Status() : store.ReadLog(LogSeq{base + 1}, at - base, [&](const policy::Event& event) {
        Status learnt = fold.Learn(event);
        if (event.seq.value % 65'536 == 0) {  // marks for a daemon, which nobody reads here
          fold.mutable_state().unpublished.clear();
          fold.mutable_state().dirty_rows.clear();
        }
        return learnt;
      });
  if (!read.ok()) return read.error();
  return std::move(fold.mutable_state());
}

Exit ShowStateAt(Context& context, const std::string& directory, std::uint64_t at) {
  const auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return context.Fail(opened.error());
  const auto state = StateAt(*opened.value(), at);
  if (!state.ok()) return FailNegative(context, state.error());
  const policy::Counters& counters = state->counters;
  std::uint64_t rows = 0;
  policy::ForEachStateRow(*state, [&rows](std::string_view, std::string_view) { ++rows; });
  const json report = {{"sequence", admin::Number64(state->last_seq.value)},
                       {"at_us", state->now_us},
                       {"state_hash", admin::Hex64(store::StateHash(*state))},
                       {"rows", admin::Number64(rows)},
                       {"generation", state->generation.value},
                       {"bundle", HexBytes(state->bundle.bytes)},
                       {"cells", admin::Number64(state->cells.size())},
                       {"decisions", admin::Number64(counters.decisions)},
                       {"outcomes", admin::Number64(counters.outcomes)},
                       {"retractions", admin::Number64(counters.retractions)}};
  if (context.json) return context.Print(report);
  context.out << "after event " << state->last_seq.value << ", " << UtcTime(state->now_us) << "\nstate hash  "
              << admin::Hex64(store::StateHash(*state)) << "\ngeneration  " << state->generation.value
              << "\nrows        " << rows << ", of them cells " << state->cells.size() << "\ndecisions   "
              << counters.decisions << "\n";
  return Exit::kOk;
}

std::string KindName(char letter) {
  switch (letter) {
    case 'a': return "position";
    case 'b': return "options";
    case 'c': return "cell";
    case 'd': return "counters";
    case 'e': return "excluded subject";
    case 'g': return "generation";
    case 'i': return "irregular row";
    case 'm': return "model";
    case 'n': return "noise";
    case 'p': return "preferences";
    case 't': return "tally";
    case 'x': return "epochs";
    default: return "unknown";
  }
}

std::map<std::string, std::string> RowsOf(const policy::State& state) {
  std::map<std::string, std::string> rows;
  policy::ForEachStateRow(state, [&rows](std::string_view key, std::string_view value) {
    rows.emplace(std::string(key), std::string(value));
  });
  return rows;
}

struct Difference {
  std::string key;
  const char* how;  // "only in the first", ...
};

std::vector<Difference> Compare(const policy::State& first, const policy::State& second) {
  const auto left = RowsOf(first);
  const auto right = RowsOf(second);
  std::vector<Difference> differences;
  for (const auto& [key, value] : left) {
    const auto found = right.find(key);
    if (found == right.end()) {
      differences.push_back({key, "only in the first"});
    } else if (found->second != value) {
      differences.push_back({key, "different"});
    }
  }
  for (const auto& [key, value] : right) {
    if (!left.contains(key)) differences.push_back({key, "only in the second"});
  }
  return differences;
}

struct DiffArguments {
  std::string store = "/var/lib/pointsman";
  std::string other;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

// Exit 0: equal; 1: different.
Exit Diff(Context& context, const DiffArguments& arguments) {
  const auto first_store = store::OpenRocksStoreReadOnly(arguments.store);
  if (!first_store.ok()) return context.Fail(first_store.error());
  const auto first = StateAt(*first_store.value(), arguments.from);
  if (!first.ok()) return FailNegative(context, first.error());
  std::optional<Result<std::unique_ptr<store::Store>>> other;
  if (!arguments.other.empty()) {
    other.emplace(store::OpenRocksStoreReadOnly(arguments.other));
    if (!other->ok()) return context.Fail(other->error());
  }
  const store::Store& second_store = other ? *other->value() : *first_store.value();
  const auto second = StateAt(second_store, arguments.to);
  if (!second.ok()) return FailNegative(context, second.error());

  const auto differences = Compare(first.value(), second.value());
  std::map<std::string, std::uint64_t> kinds;
  for (const Difference& one : differences) ++kinds[KindName(one.key.empty() ? '?' : one.key[0])];
  const bool equal = differences.empty();
  if (context.json) {
    json counted = json::object();
    for (const auto& [kind, count] : kinds) counted[kind] = admin::Number64(count);
    json shown = json::array();
    for (const Difference& one : differences) {
      if (shown.size() == kDifferencesShown) break;
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(one.key.data());
      shown.push_back({{"kind", KindName(one.key[0])}, {"key", HexBytes({bytes, one.key.size()})}, {"how", one.how}});
    }
    context.Print({{"equal", equal},
                   {"first",
                    {{"sequence", admin::Number64(first->last_seq.value)},
                     {"state_hash", admin::Hex64(store::StateHash(first.value()))}}},
                   {"second",
                    {{"sequence", admin::Number64(second->last_seq.value)},
                     {"state_hash", admin::Hex64(store::StateHash(second.value()))}}},
                   {"differences", admin::Number64(differences.size())},
                   {"kinds", std::move(counted)},
                   {"rows", std::move(shown)}});
  } else {
    context.out << (equal ? "equal" : std::to_string(differences.size()) + " rows differ") << " between event "
                << first->last_seq.value << " and event " << second->last_seq.value << "\n";
    for (const auto& [kind, count] : kinds) context.out << "  " << kind << "  " << count << "\n";
  }
  return equal ? Exit::kOk : Exit::kNegative;
}

struct Places {
  std::string store = "/var/lib/pointsman";
  std::string other;
  bool accept_rollback = false;
  std::uint64_t sequence = 0;
};

std::shared_ptr<Places> AddStoreOption(CLI::App& verb, const std::string& group) {
  auto places = std::make_shared<Places>();
  verb.add_option("--store", places->store, "The store's folder")->capture_default_str();
  if (!group.empty()) verb.group(group);
  return places;
}

void AddState(CLI::App& app, Context& context, const std::string& group) {
  CLI::App* family = AddFamily(app, "state", "The learner's state, folded anew from the log", group);
  CLI::App* at =
      AddVerb(*family, context, "at", "The state as it was after one event; exit 1 if the log has no such one",
              "pointsman state at 1200 --store /var/lib/pointsman");
  auto places = AddStoreOption(*at, "");
  at->add_option("sequence", places->sequence, "Number of the event")->required();
  at->callback([&context, places] { context.exit = ShowStateAt(context, places->store, places->sequence); });

  CLI::App* diff =
      AddVerb(*family, context, "diff", "Rows that differ between two moments or two stores; exit 1 if any",
              "pointsman state diff --store a --other b");
  auto arguments = std::make_shared<DiffArguments>();
  diff->add_option("--store", arguments->store, "The first store's folder")->capture_default_str();
  diff->add_option("--other", arguments->other, "The second store's folder (default: the first's)");
  diff->add_option("--from", arguments->from, "Event number in the first store (default: its last)");
  diff->add_option("--to", arguments->to, "Event number in the second store (default: its last)");
  diff->callback([&context, arguments] { context.exit = Diff(context, *arguments); });
}

}  // namespace

void AddStoreVerbs(CLI::App& app, Context& context, const std::string& group) {
  CLI::App* check = AddVerb(app, context, "check", "Walks a whole store; exit 65 and the place where it is damaged",
                            "pointsman check --store /var/lib/pointsman");
  auto checked = AddStoreOption(*check, group);
  check->callback([&context, checked] { context.exit = Check(context, checked->store); });

  CLI::App* backup = AddVerb(app, context, "backup", "Copies a store that passes the check into a new folder",
                             "pointsman backup --store /var/lib/pointsman --to /backup/pointsman-monday");
  auto backed = AddStoreOption(*backup, group);
  backup->add_option("--to", backed->other, "The new folder")->required();
  backup->callback([&context, backed] { context.exit = BackUp(context, backed->store, backed->other); });

  CLI::App* restore = AddVerb(app, context, "restore", "Makes a store out of a backup, after comparing every byte",
                              "pointsman restore --from /backup/pointsman-monday --store /var/lib/pointsman");
  auto restored = AddStoreOption(*restore, group);
  restore->add_option("--from", restored->other, "The backup's folder")->required();
  restore->add_flag("--accept-rollback", restored->accept_rollback,
                    "Set a store that is there aside, even if it is newer");
  restore->callback([&context, restored] {
    context.exit = Restore(context, restored->other, restored->store, restored->accept_rollback);
  });

  CLI::App* repair = AddVerb(app, context, "repair",
                             "Saves what lies before the damage of a store into a new folder; exit 1 if "
                             "acknowledged events are lost",
                             "pointsman repair --store /var/lib/pointsman --to /var/lib/pointsman-repaired");
  auto repaired = AddStoreOption(*repair, group);
  repair->add_option("--to", repaired->other, "The new folder")->required();
  repair->callback([&context, repaired] { context.exit = Repair(context, repaired->store, repaired->other); });
  AddState(app, context, group);
}

}  // namespace pointsman::cli
