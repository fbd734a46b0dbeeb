// Planted niches: a made-up world of embeddings and answers in which it is known
// which queries belong together and which models are relatives.
//
// Purpose: judging clustering at sizes for which there are no real tables. All
// constants are inventions; it is no evidence about real models.
//
// A niche is a region of queries in which the models rank alike. Two niches share a
// topic, a direction on the unit sphere; a niche has one to three patches, each a step
// of length .7 away from its topic. Patches of the other niche lie as close as its own,
// so position tells the topic and only skill the niche. Niche sizes fall like
// 1 / (rank + 20). A family of models has a skill in each niche; its members add a
// little of their own:
//   logit P(right) = ability_m + 1.0 * family skill + 0.35 * own skill - difficulty
// Families' abilities differ by N(0,.3), skills are N(0,1), a query's difficulty is
// N(0,.7) plus N(0,.5) of its niche. A wrong answer is the query's popular wrong letter
// with probability .4, else any other. Letters are A to J.
//
// Threads: none; deterministic for a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/votes.h"

namespace pointsman::eval {

struct NicheOptions {
  std::size_t queries = 4000;  // 2 to 2,000,000
  std::size_t models = 30;     // 1 to 1,000
  std::size_t niches = 20;     // 1 to `queries`
  std::size_t families = 6;    // 1 to `models`
  std::size_t dimension = 64;  // 2 to 8,192
  double spread = 0.5;         // expected length of a query's step away from its patch, before normalising
  std::uint64_t seed = 1;
};

struct NicheWorld {
  std::size_t dimension = 0;
  std::size_t queries = 0;
  std::size_t models = 0;
  std::vector<float> embeddings;      // queries x dimension, unit rows
  bootstrap::Votes votes;             // letters of queries x models
  std::vector<std::uint8_t> gold;     // letter of each query
  std::vector<std::uint32_t> niche;   // of each query
  std::vector<std::uint32_t> family;  // of each model
};

// Errors: OUT_OF_RANGE (niche_options).
Result<NicheWorld> SimulateNiches(const NicheOptions& options);

// Binary file: "PMNICHE1", then little-endian u32 queries, models, dimension, then the
// arrays of NicheWorld in order (embeddings as float, answers as u8 with 255 for none,
// gold u8, niche and family u32).
// Errors: UNAVAILABLE for I/O.
Status WriteNiches(const NicheWorld& world, const std::string& path);
// Errors: NOT_FOUND; DATA_LOSS for a file that is cut short or has a letter, or an
// embedding that is not a unit vector, naming the query.
Result<NicheWorld> ReadNiches(const std::string& path);
// True where the file begins as WriteNiches begins it.
bool IsNicheFile(const std::string& path);

}  // namespace pointsman::eval
