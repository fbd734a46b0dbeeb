// The simulated world: a made-up pool of eight models that answer variations of
// the starter set, with a hidden truth that no part of Pointsman is told.
//
// Purpose: `./dev run` without data, tests and demonstrations on a machine that
// has no outcomes of real models. It shows that the loop works and what each of
// its parts is for; it is no evidence about real models. All constants below are
// inventions, chosen so that accuracies, spreads and rating biases resemble those
// of published tables.
//
// ## The pool
// Families share errors. atlas-large and atlas-small: sound everywhere. borealis-chat
// (writing, language, planning; long, pleasing answers) and borealis-code
// (mathematics, programming, data). cinder-13b and cinder-7b: cheap. dune-scholar:
// law, medicine, history. ember-reason: as a rule the strongest, dear, terse, and on
// its own.
//
// ## A row
// A starter query in a context ("For my law course, the part on contracts. ...
// Please be brief."), so that all texts differ; three in four name domain and topic.
// The task is "domain.subcategory": the level stays hidden. Options
// are the letters A-H; `gold` is the right one. Each model has an answer (a
// letter), score (0 or 1), tokens and cost, and a value of source "thumbs".
//
// ## The truth: logit of the probability that model m is right
//   share * L(m, node) + (1 - share) * L(m, other node)     soft boundaries: a mixed
//                                    row also asks a query of another node
//   + plain_m if the reader is a layperson
//                                    a niche across the taxonomy, seen only in the
//                                    context sentence
//   - difficulty of the starter query - difficulty of the row
//   + what the model's family shares in this row
//   - trap_m if the row is a trap    the obvious answer is wrong
//   L(m, node) = ability + affinity to the domain + slope * level
//              + N(0, .45) by (domain, level) + N(0, .30) by subcategory, by seed
//
// ## What warm start cannot know
//   - levels and their interaction with domains, the niche, mixed rows;
//   - correlated errors: a wrong answer is the row's popular one with the model's
//     `crowd` probability (.55 for most; .85 in a trap), of the rest a quarter its
//     family's, else any. So wrong models agree, and voting overrates the crowd;
//   - ember-reason resists traps (trap_m = .3 against 2.0) and its errors are its
//     own (crowd .10): the best model agrees least with the others for its quality.
//
// ## What no bootstrap can know
// From row `loss_from` on, atlas-large is worse by 1.4 logits on everything (.25 to
// .30 of its score), as when a provider swaps the weights behind a name. Nobody says
// so: prices, lengths and its family stay as they were.
//
// ## Ratings
// "thumbs" is 1 with ThumbsUpProbability: users reward length, and see quality less
// well the harder the subject is. Bias (mean of thumbs - score) of the shipped
// constants: about +.22 for borealis-chat, about -.14 for ember-reason.
//
// ## What there is to gain (mean score, 4,000 rows, up to 13 seeds)
// random .48 to .50; best single model .63 to .69; best model by domain with full
// information .75 to .78, by 16 to 64 k-means clusters of LSA vectors .68 to .72;
// choosing by hidden quality .81 to .84; oracle .97 to .98.
// Voting without feedback (consensus scores of 1,000 or 2,000 rows, by domain) .62 to
// .68: it prefers atlas-large nearly everywhere and misplaces ember-reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"

namespace pointsman::eval {

struct SimulationOptions {
  std::uint64_t seed = 1;
  std::size_t rows = 4000;    // 1 to 200,000
  double mixed_share = 0.30;  // of rows that mix two nodes, [0,1]
  double plain_share = 0.18;  // of rows for laypeople, [0,1]
  std::size_t loss_from = 0;  // row from which atlas-large is worse; 0: never
};

// What the pool's owner knows of a model. US dollars per million tokens.
struct SimulatedModel {
  std::string name;
  double price_in = 0;
  double price_out = 0;
};

// The eight models, ascending by name: the columns of every simulated table.
const std::vector<SimulatedModel>& SimulatedPool();

// The hidden truth of one row; for tests and for judging a run, never for learning.
struct HiddenRow {
  std::uint32_t query = 0;  // index into the starter queries
  std::uint32_t other = 0;  // the second query; equal to `query` where not mixed
  double share = 1;         // of `query` in the row, [0.5, 1]
  double level = 0;         // [0,2], mixed as the nodes are
  bool plain = false;       // for a layperson
  bool trap = false;
  bool lost = false;   // atlas-large is worse here
  char popular = 'A';  // the popular wrong answer
  // Both by model: probability of a right answer given all but its own luck, and
  // the answer's length between terse (0) and verbose (1).
  std::vector<double> quality;
  std::vector<double> length;
};

struct SimulatedWorld {
  bootstrap::Table table;
  std::vector<HiddenRow> hidden;  // by row of the table
};

// Probability that a user gives thumbs up:
//   clip(.16 + (.54 - .10 level) score + .34 length, .02, .98)
double ThumbsUpProbability(double score, double length, double level);

// Reads the starter set and simulates. Deterministic: same files, seed and shares,
// same rows; a longer run begins with the shorter one. Thread-safe.
// Errors: those of ReadStarterSet; OUT_OF_RANGE (simulation_options).
Result<SimulatedWorld> SimulateWorld(const std::string& starter_directory, const SimulationOptions& options = {});

// The table alone.
Result<bootstrap::Table> SimulateTable(const std::string& starter_directory, const SimulationOptions& options = {});

}  // namespace pointsman::eval
