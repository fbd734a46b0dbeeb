#include "admin/cli/offline_verbs.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <tuple>
#include <utility>

#include "admin/cli/event_json.h"
#include "admin/cli/offline_store_verbs.h"
#include "admin/cli/offline_transfer_verbs.h"
#include "admin/cli/render.h"
#include "admin/json.h"
#include "policy/learning/learner.h"
#include "store/store.h"
#include "store/subject_filter.h"
#include "store/transfer.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

// ---- replay ----

struct Replayed {
  std::uint64_t events = 0;
  std::uint64_t hash = 0;
  std::uint64_t hash_at_checkpoint = 0;  // of the fold from empty, at the checkpoint's sequence
  double seconds = 0;
};

constexpr std::uint64_t kForgetMarksEvery = 65'536;

using Visit = std::function<Status(const policy::Event&)>;

// Folds what `read` visits onto `start`.
Result<Replayed> FoldOf(const Context& context, const store::Store& bundles, const policy::History& history,
                        policy::State start, LogSeq checkpoint, const std::function<Status(const Visit&)>& read_all) {
  const std::int64_t began = context.clock.MonotonicNanos();
  Result<std::unique_ptr<policy::Learner>> learner = policy::Learner::Create(bundles, history, std::move(start));
  if (!learner.ok()) return learner.error();
  policy::Learner& fold = *learner.value();
  Replayed out;
  Progress progress(context.err, context.err_is_terminal);
  const auto last = static_cast<double>(bundles.Statistics().last_seq.value);
  const Status read = read_all([&](const policy::Event& event) {
    Status learnt = fold.Learn(event);
    if (!learnt.ok()) return learnt;
    ++out.events;
    // What a daemon would publish or write is kept by nobody here.
    if (out.events % kForgetMarksEvery == 0) {
      fold.mutable_state().unpublished.clear();
      fold.mutable_state().dirty_rows.clear();
      progress.Show(static_cast<double>(event.seq.value) / last, "folding the log");
    }
    if (event.seq == checkpoint) out.hash_at_checkpoint = store::StateHash(fold.state());
    return learnt;
  });
  progress.Finish();
  if (!read.ok()) return read.error();
  out.hash = store::StateHash(fold.state());
  out.seconds = static_cast<double>(context.clock.MonotonicNanos() - began) / 1e9;
  return out;
}

// Folds the log from `start` on, which is empty or a checkpoint.
Result<Replayed> Fold(const Context& context, const store::Store& store, policy::State start, LogSeq checkpoint) {
  const LogSeq from{start.last_seq.value + 1};
  return FoldOf(context, store, store, std::move(start), checkpoint,
                [&](const Visit& visit) { return store.ReadLog(from, 0, visit); });
}

// What the state would be had one subject never said anything; nothing is changed.
Exit ReplayWithout(Context& context, const std::string& directory, const SubjectArguments& subject) {
  const auto hash = SubjectNamed(directory, subject);
  if (!hash.ok()) return context.Fail(hash.error());
  const auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return context.Fail(opened.error());
  const store::Store& store = *opened.value();
  const auto filter = store::SubjectFilter::Make(store, hash.value());
  if (!filter.ok()) return FailNegative(context, filter.error());
  const auto with = Fold(context, store, policy::State{}, LogSeq{});
  if (!with.ok()) return context.Fail(with.error());
  const auto without = FoldOf(context, store, filter.value(), policy::State{}, LogSeq{},
                              [&](const Visit& visit) { return filter->ForEach(LogSeq{}, visit); });
  if (!without.ok()) return context.Fail(without.error());
  if (context.json) {
    return context.Print({{"events", admin::Number64(without->events)},
                          {"subject", admin::Hex64(hash->value)},
                          {"subject_events", admin::Number64(filter->events())},
                          {"subject_decisions", admin::Number64(filter->decisions())},
                          {"state_hash", admin::Hex64(with->hash)},
                          {"state_hash_without", admin::Hex64(without->hash)}});
  }
  context.out << "the subject gave " << filter->events() << " of " << without->events << " events, on "
              << filter->decisions() << " decisions\nstate hash          " << admin::Hex64(with->hash)
              << "\nwithout the subject " << admin::Hex64(without->hash) << "\n";
  return Exit::kOk;
}

Exit Replay(Context& context, const std::string& directory, bool verify) {
  const auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return context.Fail(opened.error());
  const store::Store& store = *opened.value();
  const store::StoreStatistics statistics = store.Statistics();
  Result<policy::State> base = store.LoadBase();
  if (!base.ok()) return context.Fail(base.error());
  const std::uint64_t base_hash = store::StateHash(base.value());
  Result<Replayed> whole = Fold(context, store, std::move(base).value(), statistics.checkpoint_seq);
  if (!whole.ok()) return context.Fail(whole.error());
  if (statistics.checkpoint_seq == statistics.base_seq) whole->hash_at_checkpoint = base_hash;
  const double rate = whole->seconds > 0 ? static_cast<double>(whole->events) / whole->seconds : 0;
  json report = {{"events", admin::Number64(whole->events)},
                 {"base_sequence", admin::Number64(statistics.base_seq.value)},
                 {"state_hash", admin::Hex64(whole->hash)},
                 {"seconds", whole->seconds},
                 {"events_per_second", rate}};
  bool equal = true;
  if (verify) {
    Result<policy::State> checkpoint = store.LoadState();
    if (!checkpoint.ok()) return context.Fail(checkpoint.error());
    const std::uint64_t checkpoint_hash = store::StateHash(checkpoint.value());
    const LogSeq at = checkpoint->last_seq;
    const Result<Replayed> tail = Fold(context, store, std::move(checkpoint).value(), LogSeq{});
    if (!tail.ok()) return context.Fail(tail.error());
    equal = tail->hash == whole->hash && (at.value == 0 || whole->hash_at_checkpoint == checkpoint_hash);
    report["checkpoint_sequence"] = admin::Number64(at.value);
    report["checkpoint_and_tail_hash"] = admin::Hex64(tail->hash);
    report["equal"] = equal;
  }
  if (context.json) {
    context.Print(report);
  } else {
    context.out << "folded " << whole->events << " events in " << Fixed(whole->seconds, 2) << " s (" << Fixed(rate, 0)
                << " events/s)\nstate hash           " << admin::Hex64(whole->hash) << "\n";
    if (verify) {
      context.out << "checkpoint and tail  " << report["checkpoint_and_tail_hash"].get<std::string>() << "\n"
                  << (equal ? "equal\n" : "DIFFERENT: the stored state is not the fold of the log\n");
    }
  }
  return equal ? Exit::kOk : Exit::kNegative;
}

// ---- export ----

// The feedback that counts now, as a client that kept its own list would expect it.
class Live {
 public:
  void Take(const policy::Event& event) {
    if (const auto* options = std::get_if<policy::OptionsChanged>(&event.payload)) sources_ = options->options.sources;
    if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) TakeRow(event.seq, *rating);
    if (const auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) TakeRow(event.seq, *gold);
    if (const auto* retracted = std::get_if<policy::Retracted>(&event.payload)) {
      rows_.erase({retracted->context.decision, retracted->channel, retracted->subject});
    }
    if (const auto* outcome = std::get_if<policy::OutcomeReported>(&event.payload)) {
      outcomes_[outcome->decision] = {event.seq, *outcome};
    }
    if (const auto* preference = std::get_if<policy::PreferenceGiven>(&event.payload)) TakePair(event.seq, *preference);
  }

  void Print(Context& context) const {
    for (const auto& [key, row] : rows_) {
      const auto& [decision, channel, subject] = key;
      context.Print({{"kind", channel == 0 ? "gold" : "rating"},
                     {"decision", HexBytes(decision.bytes)},
                     {"source", SourceName(channel)},
                     {"subject", admin::Hex64(subject.value)},
                     {"revision", row.revision},
                     {"value", row.value},
                     {"seq", admin::Number64(row.seq.value)}});
    }
    for (const auto& [decision, entry] : outcomes_) {
      const auto& [seq, outcome] = entry;
      context.Print({{"kind", "outcome"},
                     {"decision", HexBytes(decision.bytes)},
                     {"tokens_in", outcome.tokens_in},
                     {"tokens_out", outcome.tokens_out},
                     {"latency_ms", outcome.latency_ms},
                     {"failed", outcome.failed},
                     {"verdict", static_cast<int>(outcome.verdict)},
                     {"revision", outcome.revision},
                     {"seq", admin::Number64(seq.value)}});
    }
    for (const auto& [key, pair] : pairs_) {
      context.Print({{"kind", "preference"},
                     {"winner", HexBytes(pair.winner.bytes)},
                     {"loser", HexBytes(pair.loser.bytes)},
                     {"outcome", pair.outcome},
                     {"source", SourceName(std::get<2>(key))},
                     {"subject", admin::Hex64(std::get<3>(key).value)},
                     {"revision", pair.revision},
                     {"seq", admin::Number64(pair.seq.value)}});
    }
  }

 private:
  struct Row {
    LogSeq seq;
    std::uint32_t revision = 0;
    double value = 0;
  };
  struct Pair {
    LogSeq seq;
    DecisionId winner;
    DecisionId loser;
    double outcome = 0;
    std::uint32_t revision = 0;
  };

  void TakeRow(LogSeq seq, const policy::RowChanged& event) {
    rows_[{event.context.decision, event.channel, event.subject}] = Row{seq, event.revision, event.value};
  }
  void TakePair(LogSeq seq, const policy::PreferenceGiven& event) {
    const DecisionId& winner = event.winner.decision;
    const DecisionId& loser = event.loser.decision;
    pairs_[{std::min(winner, loser), std::max(winner, loser), event.channel, event.subject}] =
        Pair{seq, winner, loser, event.outcome, event.revision};
  }
  std::string SourceName(std::uint8_t channel) const {
    if (channel == 0) return "gold";
    return channel <= sources_.size() ? sources_[channel - 1U] : "channel " + std::to_string(channel);
  }

  std::vector<std::string> sources_;
  std::map<std::tuple<DecisionId, std::uint8_t, SubjectHash>, Row> rows_;
  std::map<DecisionId, std::pair<LogSeq, policy::OutcomeReported>> outcomes_;
  std::map<std::tuple<DecisionId, DecisionId, std::uint8_t, SubjectHash>, Pair> pairs_;
};

Exit ExportSummary(Context& context, const store::Store& store) {
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t events = 0;
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;
  const Status read = store.ForEach(LogSeq{store.LastSeq().value + 1}, [&](const policy::Event& event) {
    ++counts[std::string(policy::EventTypeName(policy::EventType(event.payload)))];
    if (events++ == 0) first_us = event.at_us;
    last_us = event.at_us;
    return Status();
  });
  if (!read.ok()) return context.Fail(read.error());
  if (context.json) {
    json types = json::object();
    for (const auto& [name, count] : counts) types[name] = admin::Number64(count);
    return context.Print({{"events", admin::Number64(events)},
                          {"first_at_us", first_us},
                          {"last_at_us", last_us},
                          {"types", std::move(types)}});
  }
  context.out << events << " events, " << UtcTime(first_us) << " to " << UtcTime(last_us) << "\n\n";
  Table table({{"EVENT"}, {"COUNT", Table::Align::kRight}});
  for (const auto& [name, count] : counts) table.Row({name, std::to_string(count)});
  table.Print(context.out, context.colour);
  return Exit::kOk;
}

// Everything, for `import`.
Exit ExportRecords(Context& context, const std::string& directory, const std::string& path) {
  const auto done = store::ExportRecords(directory, path);
  if (!done.ok()) return FailNegative(context, done.error());
  if (context.json) return context.Print(TransferredJson(done.value()));
  context.out << Printable(path) << " holds " << done->last_seq.value << " events and " << done->bundles << " bundles, "
              << Fixed(static_cast<double>(done->bytes) / 1e6, 1) << " MB\n";
  return Exit::kOk;
}

Exit Export(Context& context, const std::string& directory, bool summary, bool acknowledged) {
  const auto opened = store::OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return context.Fail(opened.error());
  const store::Store& store = *opened.value();
  if (summary) return ExportSummary(context, store);
  Live live;
  // Of events that made room for later ones only some are left.
  const Status read = store.ForEach(LogSeq{store.LastSeq().value + 1}, [&](const policy::Event& event) {
    if (acknowledged) {
      live.Take(event);
    } else {
      context.Print(EventJson(event));
    }
    if (context.out.good()) return Status();
    return Status(MakeError(Code::kUnavailable, "output_failed", "standard output takes no more"));
  });
  if (!read.ok()) {
    return context.Fail(read.error(), read.error().reason == "output_failed" ? Exit::kIo : ExitFor(read.error().code));
  }
  if (acknowledged) live.Print(context);
  return Exit::kOk;
}

struct StoreArguments {
  std::string directory = "/var/lib/pointsman";
  bool verify = false;
  bool summary = false;
  bool acknowledged = false;
  std::string records;
  std::string what_if;
  SubjectArguments without;
};

std::shared_ptr<StoreArguments> AddStoreOption(CLI::App& verb) {
  auto arguments = std::make_shared<StoreArguments>();
  verb.add_option("--store", arguments->directory, "The store's folder")->capture_default_str();
  verb.group(kOfflineGroup);
  return arguments;
}

}  // namespace

void AddOfflineVerbs(CLI::App& app, Context& context, const OptionsReader& read) {
  CLI::App* replay = AddVerb(app, context, "replay", "Folds the whole log again from an empty state",
                             "pointsman replay --verify --store /var/lib/pointsman\n"
                             "  pointsman replay --what-if edited.toml --store /var/lib/pointsman");
  auto replayed = AddStoreOption(*replay);
  replay->add_flag("--verify", replayed->verify,
                   "Compare with the checkpoint and the rest of the log; exit 1 where they differ");
  AddSubjectOptions(*replay, "--without", "Fold as if this subject had never said anything, and compare",
                    &replayed->without);
  replay
      ->add_option("--what-if", replayed->what_if,
                   "Fold also with the learner options of this configuration file, and compare")
      ->excludes(replay->get_option("--verify"))
      ->excludes(replay->get_option("--without"));
  replay->callback([&context, replayed, read] {
    if (!replayed->what_if.empty()) {
      context.exit = ReplayWhatIf(context, replayed->directory, replayed->what_if, read);
      return;
    }
    context.exit = replayed->without.subject.empty() ? Replay(context, replayed->directory, replayed->verify)
                                                     : ReplayWithout(context, replayed->directory, replayed->without);
  });

  CLI::App* verb = AddVerb(app, context, "export", "Writes the log as JSON, one event a line",
                           "pointsman export --store /var/lib/pointsman > log.ndjson");
  auto exported = AddStoreOption(*verb);
  auto* summary = verb->add_flag("--summary", exported->summary, "Counts by event instead");
  verb->add_option("--records", exported->records, "Write all events and bundles into this new file, for `import`");
  verb->add_flag("--acknowledged", exported->acknowledged,
                 "One line for each rating, gold label, outcome and preference that counts now")
      ->excludes(summary);
  verb->callback([&context, exported] {
    if (!exported->records.empty()) {
      context.exit = ExportRecords(context, exported->directory, exported->records);
      return;
    }
    context.exit = Export(context, exported->directory, exported->summary, exported->acknowledged);
  });
  AddStoreVerbs(app, context, kOfflineGroup);
  AddTransferVerbs(app, context, kOfflineGroup);
}

}  // namespace pointsman::cli
