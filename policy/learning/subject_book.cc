#include "policy/learning/subject_book.h"

#include <algorithm>
#include <cmath>

#include "policy/belief/state_codec.h"

namespace pointsman::policy {

namespace {

constexpr std::int32_t kRebaseAfter = 64;
constexpr double kPairMemory = 1 - 1.0 / 256;
constexpr double kSourceMemory = 1 - 1.0 / 512;
constexpr double kLikenessMemory = 1 - 1.0 / 1024;
constexpr double kCentredMemory = 1 - 1.0 / 16;
// What raters and gold usually differ by before anything is known, and for how many pairs that counts.
constexpr double kUsualDisagreement = 0.25;
constexpr double kUsualPairs = 10;
constexpr double kFewPairs = 4;
// Records that are looked at for the one heard longest ago.
constexpr int kEvictionLook = 8;

// A clock may say anything; no count needs a time beyond the range.
TimeWeight WeightAt(std::int64_t at_us, double half_life_days) {
  return MakeTimeWeight(std::min(kTimeMaxUs, std::max(-kTimeMaxUs, at_us)), half_life_days);
}

// The cells that a decision counts in.
ClusterWeights CellsOf(const SubjectBook& book, const DecisionContext& context) {
  if (context.bundle == book.bundle) return context.clusters;
  return {{kBackground, 1}};
}

template <typename Visit>
void ForEachCell(const SubjectBook& book, const DecisionContext& context, Visit visit) {
  for (const ClusterWeight& entry : CellsOf(book, context)) {
    if (entry.weight > 0) visit(CellKey{context.model, entry.cluster}, entry.weight);
  }
}

// Calls `count` for each cell that a first word counts in.
template <typename Count>
void ForEachCounted(const SubjectBook& book, const Payload& payload, Count count) {
  const auto visit = [&](const DecisionContext& context, SubjectHash subject) {
    const TimeWeight time = WeightAt(context.decided_at_us, book.half_life_days);
    ForEachCell(book, context, [&](const CellKey& key, double weight) { count(key, subject, weight, time); });
  };
  if (const auto* rating = std::get_if<RatingGiven>(&payload)) {
    if (rating->first_word) visit(rating->context, rating->subject);
  } else if (const auto* preference = std::get_if<PreferenceGiven>(&payload)) {
    if (!preference->first_word || preference->channel == 0) return;
    if (preference->winner.model == preference->loser.model) return;  // says nothing of either
    visit(preference->winner, preference->subject);
    visit(preference->loser, preference->subject);
  }
}

void Rebase(SubjectTable& table, std::int32_t base) {
  const int shift = table.base - base;
  table.base = base;
  table.all = std::ldexp(table.all, shift);
  for (SubjectCount& entry : table.subjects) entry.count = std::ldexp(entry.count, shift);
}

SubjectCount* Rarest(std::vector<SubjectCount>& subjects) {
  return &*std::min_element(subjects.begin(), subjects.end(),
                            [](const SubjectCount& a, const SubjectCount& b) { return a.count < b.count; });
}

class Fold {
 public:
  Fold(SubjectBook& book, const Event& event, DirtyRows* dirty) : book_(book), seq_(event.seq), dirty_(dirty) {}

  void Count(const Payload& payload) {
    ForEachCounted(book_, payload, [&](const CellKey& key, SubjectHash subject, double weight, const TimeWeight& time) {
      SubjectTable& table = book_.tables[key];
      CountSubject(table, subject, weight, time);
      if (dirty_ != nullptr) dirty_->insert_once(table.dirty, [&key] { return SubjectTableRow(key); });
    });
  }

  void Hear(const RatingGiven& rating) {
    const SubjectHash subject = rating.subject;
    if (!rating.first_word || subject.value == 0 || book_.excluded.contains(subject)) return;
    Tell(rating.arrival_weight);
    SubjectRecord& record = Record(subject);
    ++record.reports;
    record.weight += rating.arrival_weight;
    const DecisionContext& context = rating.context;
    const double predicted = std::min(0.95, std::max(0.05, context.predicted_quality));
    const double residual =
        (rating.value - predicted) / std::sqrt(predicted * (1 - predicted) + context.predicted_variance);
    Liken(Totals().sources[rating.channel - 1U], subject, residual, record);
    record.residuals += residual;
    for (const ChannelValue& value : rating.after) {
      if (value.channel == 0) Compare({rating.channel, subject, rating.value}, value.value);
    }
  }

  void Hear(const PreferenceGiven& preference) {
    const SubjectHash subject = preference.subject;
    if (!preference.first_word || preference.channel == 0 || subject.value == 0) return;
    if (book_.excluded.contains(subject)) return;
    Tell(preference.arrival_weight);
    SubjectRecord& record = Record(subject);
    ++record.reports;
    record.weight += preference.arrival_weight;
  }

  void Hear(const GoldGiven& gold) {
    if (!gold.first_word) return;
    for (const SubjectSaid& said : gold.compared) {
      if (!book_.excluded.contains(said.subject)) Compare(said, gold.value);
    }
  }

  // The group may have been this one: likeness begins anew.
  void Exclude(SubjectHash subject) {
    book_.excluded.insert(subject);
    if (dirty_ != nullptr && book_.records.contains(subject)) dirty_->insert(SubjectRecordRow(subject));
    book_.records.erase(subject);
    SubjectTotals& totals = Totals();
    totals.rows = totals.sum = totals.squares = 0;
    if (totals.alarm) totals.since = seq_;
    totals.alarm = false;
  }

  void Include(SubjectHash subject) { book_.excluded.erase(subject); }

  void Change(const Options& options) {
    Totals();
    book_.capped = options.subject_cap;
    const double half_life_days = options.rating_half_life_days;
    if (half_life_days == book_.half_life_days || !(half_life_days > 0)) return;
    book_.half_life_days = half_life_days;
    Clear();
  }

  void Activate(const BundleHash& bundle) {
    Totals();
    book_.bundle = bundle;
    Clear();
  }

 private:
  SubjectTotals& Totals() {
    if (dirty_ != nullptr) {
      dirty_->insert_once(book_.totals.dirty, [] { return std::string(kSubjectTotalsRow); });
    }
    return book_.totals;
  }

  void Clear() {
    if (dirty_ != nullptr) {
      for (const auto& [key, table] : book_.tables) dirty_->insert(SubjectTableRow(key));
    }
    book_.tables.clear();
  }

  void Tell(double arrival_weight) {
    SubjectTotals& totals = Totals();
    ++totals.named;
    if (arrival_weight < 1) ++totals.lessened;
    totals.withheld += 1 - arrival_weight;
  }

  SubjectRecord& Record(SubjectHash subject) {
    auto at = book_.records.find(subject);
    if (at == book_.records.end()) {
      if (book_.records.size() >= kSubjectRecordsMax) Evict(subject);
      at = book_.records.try_emplace(subject).first;
    }
    at->second.last = seq_;
    if (dirty_ != nullptr) {
      dirty_->insert_once(at->second.dirty, [subject] { return SubjectRecordRow(subject); });
    }
    return at->second;
  }

  // Of the next few after a newcomer's place, which a keyed hash chose, the one heard longest ago.
  void Evict(SubjectHash newcomer) {
    auto at = book_.records.lower_bound(newcomer);
    auto oldest = book_.records.end();
    for (int i = 0; i < kEvictionLook; ++i) {
      if (at == book_.records.end()) at = book_.records.begin();
      if (oldest == book_.records.end() || at->second.last < oldest->second.last) oldest = at;
      ++at;
    }
    if (dirty_ != nullptr) dirty_->insert(SubjectRecordRow(oldest->first));
    book_.records.erase(oldest);
  }

  void Liken(SourceSubjects& source, SubjectHash subject, double residual, SubjectRecord& record) {
    double others = 0;
    double count = 0;
    for (std::size_t i = 0; i < kRecentSubjects; ++i) {
      if (source.subject[i].value == 0 || source.subject[i] == subject) continue;
      others += source.residual[i];
      ++count;
    }
    if (count > 0) {
      if (record.centred_count > 0) Resemble(residual * record.centred_sum / record.centred_count, record);
      record.centred_count = kCentredMemory * record.centred_count + 1;
      record.centred_sum = kCentredMemory * record.centred_sum + (residual - others / count);
    }
    if (source.subject[0] != subject) {
      std::shift_right(source.subject.begin(), source.subject.end(), 1);
      std::shift_right(source.residual.begin(), source.residual.end(), 1);
      source.subject[0] = subject;
    }
    source.residual[0] = residual;
  }

  void Resemble(double product, SubjectRecord& record) {
    SubjectTotals& totals = Totals();
    totals.rows = kLikenessMemory * totals.rows + 1;
    totals.sum = kLikenessMemory * totals.sum + product;
    totals.squares = kLikenessMemory * totals.squares + product * product;
    record.likened = kPairMemory * record.likened + 1;
    record.likeness = kPairMemory * record.likeness + product;
    record.likeness_squares = kPairMemory * record.likeness_squares + product * product;
    const bool now = totals.alarm ? LikenessOf(totals) >= kPeopleLikeness : ExcessLikeness(totals) > 0;
    if (now == totals.alarm) return;
    totals.alarm = now;
    totals.since = seq_;
    if (now) ++totals.alarms;
  }

  void Compare(const SubjectSaid& said, double gold) {
    SourceSubjects& source = Totals().sources[said.channel - 1U];
    const double difference = (said.value - gold) * (said.value - gold);
    const double usual = (source.disagreement + kUsualPairs * kUsualDisagreement) / (source.pairs + kUsualPairs);
    source.pairs = kSourceMemory * source.pairs + 1;
    source.disagreement = kSourceMemory * source.disagreement + difference;
    SubjectRecord& record = Record(said.subject);
    record.pairs = kPairMemory * record.pairs + 1;
    record.disagreement = kPairMemory * record.disagreement + difference;
    record.expected = kPairMemory * record.expected + usual;
    record.variance = kPairMemory * record.variance + usual * (1 - usual);
  }

  SubjectBook& book_;
  const LogSeq seq_;
  DirtyRows* const dirty_;
};

// Of what `rows` ratings show, what is beyond chance and beyond what people may have.
double Excess(double rows, double sum, double squares) {
  const double least = (sum - kExcessDeviations * std::sqrt(squares)) / rows - kPeopleLikeness;
  return std::min(kExcessMost, std::max(0.0, least));
}

}  // namespace

void CountSubject(SubjectTable& table, SubjectHash subject, double weight, const TimeWeight& time) {
  if (table.all == 0) {
    table.base = time.epoch;
  } else if (time.epoch - table.base > kRebaseAfter) {
    Rebase(table, time.epoch);
  }
  const double added = std::ldexp(time.fraction * weight, time.epoch - table.base);
  table.all += added;
  if (subject.value == 0) return;
  for (SubjectCount& entry : table.subjects) {
    if (entry.subject != subject) continue;
    entry.count += added;
    return;
  }
  if (table.subjects.size() < kSubjectsPerCell) {
    table.subjects.push_back({subject, added});
    return;
  }
  SubjectCount* rarest = Rarest(table.subjects);
  rarest->subject = subject;
  rarest->count += added;
}

double SubjectWords(const SubjectTable& table, SubjectHash subject, const TimeWeight& now) {
  double count = 0;
  bool found = false;
  double least = HUGE_VAL;
  for (const SubjectCount& entry : table.subjects) {
    least = std::min(least, entry.count);
    if (entry.subject != subject) continue;
    count = entry.count;
    found = true;
    break;
  }
  if (!found && table.subjects.size() == kSubjectsPerCell) count = least;
  return std::ldexp(count / now.fraction, table.base - now.epoch);
}

double SubjectCap(const SubjectTable& table, SubjectHash subject, const TimeWeight& now) {
  const double all = std::ldexp(table.all / now.fraction, table.base - now.epoch);
  const double cap = (kSubjectShare * all + kSubjectStart) / (SubjectWords(table, subject, now) + 1);
  return cap < 1 ? cap : 1;
}

double TrustOf(const SubjectRecord& record) {
  const double excess = record.disagreement - record.expected;
  if (record.pairs < kFewPairs || !(excess > 0) || !(record.variance > 0)) return 1;
  const double trust = 4 * record.variance / (excess * excess);
  return trust > 1 ? 1 : std::max(trust, kTrustLeast);
}

double TrustOf(const SubjectBook& book, SubjectHash subject) {
  const auto at = book.records.find(subject);
  return at == book.records.end() ? 1 : TrustOf(at->second);
}

double LikenessOf(const SubjectTotals& totals) { return totals.rows > 0 ? totals.sum / totals.rows : 0; }

double ExcessLikeness(const SubjectTotals& totals) {
  return totals.rows < kGroupRows ? 0 : Excess(totals.rows, totals.sum, totals.squares);
}

double ExcessLikeness(const SubjectRecord& record) {
  if (record.likened < kOwnLikenessRows) return 0;
  return Excess(record.likened, record.likeness, record.likeness_squares);
}

void FoldSubjects(SubjectBook& book, const Event& event, DirtyRows* dirty) {
  Fold fold(book, event, dirty);
  if (const auto* rating = std::get_if<RatingGiven>(&event.payload)) {
    fold.Count(event.payload);
    fold.Hear(*rating);
  } else if (const auto* preference = std::get_if<PreferenceGiven>(&event.payload)) {
    fold.Count(event.payload);
    fold.Hear(*preference);
  } else if (const auto* gold = std::get_if<GoldGiven>(&event.payload)) {
    fold.Hear(*gold);
  } else if (const auto* changed = std::get_if<OptionsChanged>(&event.payload)) {
    fold.Change(changed->options);
  } else if (const auto* activated = std::get_if<GenerationActivated>(&event.payload)) {
    fold.Activate(activated->bundle);
  } else if (const auto* excluded = std::get_if<SubjectExcluded>(&event.payload)) {
    fold.Exclude(excluded->subject);
  } else if (const auto* included = std::get_if<SubjectIncluded>(&event.payload)) {
    fold.Include(included->subject);
  }
}

const SubjectTable* SubjectScales::Find(const CellKey& key) const {
  if (const auto touched = touched_.find(key); touched != touched_.end()) return &touched->second;
  const auto at = book_.tables.find(key);
  return at == book_.tables.end() ? nullptr : &at->second;
}

double SubjectScales::Weigh(const DecisionContext& context, std::uint8_t channel, SubjectHash subject,
                            std::int64_t now_us) const {
  if (!book_.capped || channel == 0 || subject.value == 0) return 1;
  const TimeWeight now = WeightAt(now_us, book_.half_life_days);
  // A crowded table counts who is not in it too high; the record does not.
  const auto record = book_.records.find(subject);
  const bool known = record != book_.records.end();
  const double reports = known ? static_cast<double>(record->second.reports) : 0;
  const double own = known ? ExcessLikeness(record->second) : 0;
  const double likeness = std::max(ExcessLikeness(book_.totals), own);
  double weight = 1;
  ForEachCell(book_, context, [&](const CellKey& key, double) {
    const SubjectTable* table = Find(key);
    if (table == nullptr) return;
    const double words = std::min(SubjectWords(*table, subject, now), reports);
    const double repeated = 1 + words * likeness / (1 - likeness);
    weight = std::min(weight, SubjectCap(*table, subject, now) / (repeated * repeated));
  });
  return weight * TrustOf(book_, subject);
}

double SubjectScales::Weigh(const DecisionContext& winner, const DecisionContext& loser, std::uint8_t channel,
                            SubjectHash subject, std::int64_t now_us) const {
  return std::min(Weigh(winner, channel, subject, now_us), Weigh(loser, channel, subject, now_us));
}

void SubjectScales::Take(const Payload& payload) {
  ForEachCounted(book_, payload, [&](const CellKey& key, SubjectHash subject, double weight, const TimeWeight& time) {
    auto at = touched_.find(key);
    if (at == touched_.end()) {
      const auto known = book_.tables.find(key);
      at = touched_.try_emplace(key, known == book_.tables.end() ? SubjectTable{} : known->second).first;
    }
    CountSubject(at->second, subject, weight, time);
  });
}

}  // namespace pointsman::policy
