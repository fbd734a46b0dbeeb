// Who rated how often, and what that does to the weight of what comes next.
//
// Source: spec online_learner 8. A rating or preference of subject u weighs on arrival
//   q = min(1, (.05 N + 5) / (n_u + 1)) / (1 + n_u l_u / (1 - l_u))^2 * trust_u
// where N and n_u are the decayed counts of its cell, of all subjects and of u, before
// it; of a row that lies in several cells the smallest q is taken, so that the bound
// holds in each. The counts of u come from a space-saving table of 32 subjects a cell
// (Metwally): one that is not in a full table counts as often as the table's rarest, at
// most N/32, so nobody seldom is ever held back and nobody often escapes; a subject in
// the table is overcounted by at most N/32 as well. Counts go by event time and halve
// like ratings. A decision of another bundle than the live one counts in the model's
// background cell. An activation and another half-life begin the tables anew.
//
// Only a subject's first word on a channel of a decision counts, and what it says there
// later keeps the weight of that word: revising or retracting buys nothing. Gold is
// trusted by who may give it: weight 1, not counted. Subject 0 is the decision itself:
// weight 1, counted in N alone.
//
// Trust: where gold was given on answers that u rated, its squared differences d from
// gold are compared with what is usual for the source, D:
//   z = (sum d - sum D) / sqrt(sum D (1 - D)),  trust = min(1, 4 / z^2) for z > 2,
// never below 1/64. The newest 256 or so pairs of a subject count, 512 of a source.
//
// Homogeneity: people who each answer for themselves resemble their own earlier ratings as
// little as anyone else's, once quality is accounted for. With r = (value - predicted) / sd,
// and c the mean of the subject's newest r (16 or so), each less the mean r of the latest
// other subjects at that time, the mean of r c is the correlation within subjects: what
// all share at a time (a source's bias, a model that got worse) is in no c. A group that
// always says the same f of the time gives about 2 f (1 - f), however many subjects share
// the work. r c has mean 0 given all before it where nobody resembles himself, so its
// squares give the standard error (decisions/0039).
// The excess l_u is what of the likeness lies kExcessDeviations standard errors beyond
// kPeopleLikeness, the likeness that people may have. Of words that are correlated by l
// within a subject the nth adds (1 - l) / (1 + (n - 1) l)^2 to what is known, so repeating
// oneself buys next to nothing while a group does so, and a first word counts as ever. l_u
// is that of all or the subject's own, whichever is more: of four who say the same whatever
// the answer, each is known by some ten words, long before they show among everybody's
// (decisions/0033). The alarm is raised while all show an excess and ends where their
// likeness is people's again; it asks for a look and changes no weight of its own.
//
// The book is part of the fold's state. The commit thread keeps a copy, folded from the
// same events, because weights are given before an event is written.
// All here is exact arithmetic: + - * / sqrt, ldexp and base/exact_math. Threads: each
// copy belongs to one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "policy/belief/evidence.h"
#include "policy/belief/row_list.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

inline constexpr std::size_t kSubjectsPerCell = 32;
inline constexpr double kSubjectShare = 0.05;
inline constexpr double kSubjectStart = 5;
// Subjects whose agreement and likeness are watched, over all cells; of more, those
// heard long ago go.
inline constexpr std::size_t kSubjectRecordsMax = 512;
inline constexpr double kTrustLeast = 1.0 / 64;
inline constexpr double kPeopleLikeness = 0.12;
inline constexpr double kGroupRows = 150;
inline constexpr double kOwnLikenessRows = 8;
inline constexpr double kExcessDeviations = 3;
inline constexpr double kExcessMost = 0.9;
// Latest raters of a source that one is compared with, whoever rates several times in a row once.
inline constexpr std::size_t kRecentSubjects = 8;

struct SubjectCount {
  SubjectHash subject;
  double count = 0;
  bool operator==(const SubjectCount&) const = default;
};

// Counts of one cell, true ones times 2^-base in units of the half-life.
struct SubjectTable {
  std::int32_t base = 0;
  double all = 0;                      // N
  std::vector<SubjectCount> subjects;  // at most kSubjectsPerCell
  RowMark dirty;
  bool operator==(const SubjectTable&) const = default;
};

// What is known of one subject, over all cells.
struct SubjectRecord {
  LogSeq last;                // of its latest word
  std::uint64_t reports = 0;  // first words
  double weight = 0;          // they were given, in all
  double residuals = 0;       // of its ratings, standardised: their sum
  // The newest 16 or so of them, each less the others' mean at that time.
  double centred_count = 0;
  double centred_sum = 0;
  // Its own likeness: ratings that could resemble an earlier one, the sum of the products
  // and of their squares. The newest 256 or so count.
  double likened = 0;
  double likeness = 0;
  double likeness_squares = 0;
  // Answers with gold: how many, squared differences, and what was usual of them.
  double pairs = 0;
  double disagreement = 0;
  double expected = 0;
  double variance = 0;
  RowMark dirty;
  bool operator==(const SubjectRecord&) const = default;
};

// Over all subjects, by source.
struct SourceSubjects {
  double pairs = 0;  // with gold, and their squared differences
  double disagreement = 0;
  // Its latest raters and the latest rating of each, newest first, no two in a row the same.
  std::array<SubjectHash, kRecentSubjects> subject{};
  std::array<double, kRecentSubjects> residual{};
  bool operator==(const SourceSubjects&) const = default;
};

struct SubjectTotals {
  std::uint64_t named = 0;     // first words that named a subject
  std::uint64_t lessened = 0;  // of them, with a weight below 1
  double withheld = 0;         // what was missing to 1, in all
  std::array<SourceSubjects, kSourcesMax> sources{};
  // Likeness within subjects: about 1,000 ratings are remembered.
  double rows = 0;
  double sum = 0;
  double squares = 0;
  bool alarm = false;
  LogSeq since;  // of the alarm, or of its end
  std::uint64_t alarms = 0;
  RowMark dirty;
  bool operator==(const SubjectTotals&) const = default;
};

struct SubjectBook {
  BundleHash bundle;  // whose clusters the cells are
  double half_life_days = 14;
  bool capped = true;  // Options::subject_cap
  std::set<SubjectHash> excluded;
  std::map<CellKey, SubjectTable> tables;
  std::map<SubjectHash, SubjectRecord> records;
  SubjectTotals totals;
  bool operator==(const SubjectBook&) const = default;
};

using DirtyRows = RowList<std::unordered_set<std::string>>;

// Takes an event; everything but ratings, preferences, gold and what changes the book's
// settings passes. `dirty` gets the state rows that changed; null: nobody wants them.
void FoldSubjects(SubjectBook& book, const Event& event, DirtyRows* dirty);

// [kTrustLeast, 1]; 1 for a subject without a record.
double TrustOf(const SubjectRecord& record);
double TrustOf(const SubjectBook& book, SubjectHash subject);
// Mean likeness within subjects, about [-1, 3]; 0 before there is any.
double LikenessOf(const SubjectTotals& totals);
// l: [0, kExcessMost]; 0 before kGroupRows ratings that could resemble another.
double ExcessLikeness(const SubjectTotals& totals);
// The same of one subject's own ratings; 0 before kOwnLikenessRows of them.
double ExcessLikeness(const SubjectRecord& record);

// Adds `weight` of one word at `time`. `subject` 0: to N alone.
void CountSubject(SubjectTable& table, SubjectHash subject, double weight, const TimeWeight& time);
// n as of `now`, never too small.
double SubjectWords(const SubjectTable& table, SubjectHash subject, const TimeWeight& now);
// min(1, (.05 N + 5) / (n + 1)) as of `now`.
double SubjectCap(const SubjectTable& table, SubjectHash subject, const TimeWeight& now);

// Weights of words that are not in the book yet: those of one write batch see each other.
class SubjectScales {
 public:
  // `book` must outlive it and must not change.
  explicit SubjectScales(const SubjectBook& book) : book_(book) {}

  // (0, 1]; 1 for gold (channel 0) and subject 0. `now_us`: the stamp that the event gets.
  double Weigh(const DecisionContext& context, std::uint8_t channel, SubjectHash subject, std::int64_t now_us) const;
  // A preference's: the smaller one of its two decisions.
  double Weigh(const DecisionContext& winner, const DecisionContext& loser, std::uint8_t channel, SubjectHash subject,
               std::int64_t now_us) const;
  // Counts an event that will be written.
  void Take(const Payload& payload);

 private:
  const SubjectTable* Find(const CellKey& key) const;

  const SubjectBook& book_;
  std::map<CellKey, SubjectTable> touched_;
};

}  // namespace pointsman::policy
