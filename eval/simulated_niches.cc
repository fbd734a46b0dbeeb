#include "eval/simulated_niches.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string_view>

#include "base/unit_draw.h"
#include "bootstrap/fit/kmeans.h"

namespace pointsman::eval {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

constexpr std::string_view kMagic = "PMNICHE1";
constexpr std::size_t kLetters = 10;
constexpr std::size_t kPatchesMax = 3;
constexpr double kAbilitySpread = 0.3;
constexpr double kFamilySkill = 1.0;
constexpr double kOwnSkill = 0.35;
constexpr double kDifficulty = 0.7;
constexpr double kNicheDifficulty = 0.5;
constexpr double kPopular = 0.4;
constexpr double kSizeOffset = 20;
constexpr std::size_t kNichesPerTopic = 2;
constexpr float kPatchStep = 0.7F;
constexpr double kUnitTolerance = 1e-3;
constexpr std::uint8_t kNoLetter = 255;

struct Niches {
  std::vector<double> share_below;   // cumulated, last 1
  std::vector<std::size_t> patches;  // number of each
  std::vector<float> centre;         // niches x kPatchesMax x dimension
  std::vector<double> difficulty;    // of each
  std::vector<double> skill;         // niches x models, ability included
};

std::vector<float> UnitVector(std::size_t dimension, SplitMix64& random) {
  std::vector<float> vector(dimension);
  for (float& value : vector) value = static_cast<float>(random.Normal());
  bootstrap::Normalise(vector);
  return vector;
}

Niches PlantNiches(const NicheOptions& options, const std::vector<std::uint32_t>& family, SplitMix64& random) {
  Niches niches;
  double total = 0;
  const std::size_t topics = (options.niches + kNichesPerTopic - 1) / kNichesPerTopic;
  std::vector<std::vector<float>> topic;
  for (std::size_t t = 0; t < topics; ++t) topic.push_back(UnitVector(options.dimension, random));
  for (std::size_t n = 0; n < options.niches; ++n) {
    total += 1 / (static_cast<double>(n) + kSizeOffset);
    niches.share_below.push_back(total);
    niches.patches.push_back(1 + static_cast<std::size_t>(random.Below(kPatchesMax)));
    niches.difficulty.push_back(kNicheDifficulty * random.Normal());
    for (std::size_t p = 0; p < kPatchesMax; ++p) {
      std::vector<float> centre = UnitVector(options.dimension, random);
      for (std::size_t j = 0; j < centre.size(); ++j) centre[j] = topic[n % topics][j] + kPatchStep * centre[j];
      bootstrap::Normalise(centre);
      niches.centre.insert(niches.centre.end(), centre.begin(), centre.end());
    }
  }
  for (double& share : niches.share_below) share /= total;
  std::vector<double> ability(options.families);
  for (double& value : ability) value = kAbilitySpread * random.Normal();
  std::vector<double> skills(options.families);
  for (std::size_t n = 0; n < options.niches; ++n) {
    for (double& skill : skills) skill = kFamilySkill * random.Normal();
    for (std::size_t m = 0; m < options.models; ++m) {
      niches.skill.push_back(ability[family[m]] + skills[family[m]] + kOwnSkill * random.Normal());
    }
  }
  return niches;
}

std::uint8_t OtherLetter(std::uint8_t letter, SplitMix64& random) {
  const auto drawn = static_cast<std::uint8_t>(random.Below(kLetters - 1));
  return drawn < letter ? drawn : static_cast<std::uint8_t>(drawn + 1);
}

void AddQuery(const NicheOptions& options, const Niches& niches, SplitMix64& random, NicheWorld& world) {
  const double draw = random.Unit();
  const auto at = std::upper_bound(niches.share_below.begin(), niches.share_below.end(), draw);
  const auto niche = std::min(static_cast<std::size_t>(at - niches.share_below.begin()), options.niches - 1);
  const auto patch = static_cast<std::size_t>(random.Below(niches.patches[niche]));
  const double step = options.spread / std::sqrt(static_cast<double>(options.dimension));
  std::vector<float> vector(options.dimension);
  for (std::size_t j = 0; j < options.dimension; ++j) {
    const float centre = niches.centre[(niche * kPatchesMax + patch) * options.dimension + j];
    vector[j] = centre + static_cast<float>(step * random.Normal());
  }
  bootstrap::Normalise(vector);
  world.embeddings.insert(world.embeddings.end(), vector.begin(), vector.end());
  world.niche.push_back(static_cast<std::uint32_t>(niche));
  const auto gold = static_cast<std::uint8_t>(random.Below(kLetters));
  const std::uint8_t popular = OtherLetter(gold, random);
  world.gold.push_back(gold);
  const double difficulty = niches.difficulty[niche] + kDifficulty * random.Normal();
  for (std::size_t m = 0; m < options.models; ++m) {
    const double right = 1 / (1 + std::exp(difficulty - niches.skill[niche * options.models + m]));
    std::uint8_t letter = gold;
    if (random.Unit() >= right) letter = random.Unit() < kPopular ? popular : OtherLetter(gold, random);
    world.votes.answer.push_back(letter);
  }
}

template <typename T>
void Put(std::ostream& out, const std::vector<T>& values) {
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

template <typename T>
bool Get(std::istream& in, std::size_t count, std::vector<T>& values) {
  values.resize(count);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
  return in.good();
}

Error Broken(const std::string& path, const std::string& what) {
  return MakeError(Code::kDataLoss, "niche_file_broken", "niche file " + path + ": " + what);
}

Status CheckRead(const NicheWorld& world, const std::string& path) {
  for (std::size_t i = 0; i < world.queries; ++i) {
    double squares = 0;
    for (std::size_t j = 0; j < world.dimension; ++j) {
      const auto value = static_cast<double>(world.embeddings[i * world.dimension + j]);
      squares += value * value;
    }
    const std::string query = "query " + std::to_string(i);
    if (!(std::fabs(squares - 1) < kUnitTolerance)) return Broken(path, query + " has no unit embedding");
    if (world.gold[i] >= kLetters) return Broken(path, query + " has no right letter");
    for (std::size_t m = 0; m < world.models; ++m) {
      const std::int16_t letter = world.votes.at(i, m);
      if (letter == bootstrap::kNoVote || (letter >= 0 && letter < static_cast<std::int16_t>(kLetters))) continue;
      return Broken(path, query + ", model " + std::to_string(m) + " has no letter of A to J");
    }
  }
  return {};
}

}  // namespace

Result<NicheWorld> SimulateNiches(const NicheOptions& options) {
  const bool sound = options.queries >= 2 && options.queries <= 2'000'000 && options.models >= 1 &&
                     options.models <= 1000 && options.niches >= 1 && options.niches <= options.queries &&
                     options.families >= 1 && options.families <= options.models && options.dimension >= 2 &&
                     options.dimension <= 8192 && options.spread >= 0;
  if (!sound) {
    return MakeError(Code::kOutOfRange, "niche_options",
                     "planted niches need 2 to 2,000,000 queries, 1 to 1,000 models, no more niches than queries, no "
                     "more families than models and 2 to 8,192 dimensions");
  }
  SplitMix64 random(options.seed);
  NicheWorld world;
  world.dimension = options.dimension;
  world.queries = options.queries;
  world.models = options.models;
  world.votes = {options.queries, options.models, kLetters, {}};
  for (std::size_t m = 0; m < options.models; ++m) {
    world.family.push_back(static_cast<std::uint32_t>(m % options.families));
  }
  const Niches niches = PlantNiches(options, world.family, random);
  world.embeddings.reserve(options.queries * options.dimension);
  world.votes.answer.reserve(options.queries * options.models);
  for (std::size_t i = 0; i < options.queries; ++i) AddQuery(options, niches, random, world);
  return world;
}

Status WriteNiches(const NicheWorld& world, const std::string& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(kMagic.data(), static_cast<std::streamsize>(kMagic.size()));
  const std::vector<std::uint32_t> sizes = {static_cast<std::uint32_t>(world.queries),
                                            static_cast<std::uint32_t>(world.models),
                                            static_cast<std::uint32_t>(world.dimension)};
  std::vector<std::uint8_t> letters;
  for (const std::int16_t answer : world.votes.answer) {
    letters.push_back(answer == bootstrap::kNoVote ? kNoLetter : static_cast<std::uint8_t>(answer));
  }
  Put(out, sizes);
  Put(out, world.embeddings);
  Put(out, letters);
  Put(out, world.gold);
  Put(out, world.niche);
  Put(out, world.family);
  out.close();
  if (out.good()) return {};
  return MakeError(Code::kUnavailable, "niche_file_not_written", "cannot write the niche file " + path);
}

bool IsNicheFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::array<char, kMagic.size()> head{};
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  return in.good() && std::string_view(head.data(), head.size()) == kMagic;
}

Result<NicheWorld> ReadNiches(const std::string& path) {
  if (!IsNicheFile(path)) return MakeError(Code::kNotFound, "no_niche_file", "no file of planted niches at " + path);
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const auto bytes = static_cast<std::uint64_t>(in.tellg());
  in.seekg(static_cast<std::streamoff>(kMagic.size()));
  std::vector<std::uint32_t> sizes;
  if (!Get(in, 3, sizes)) return Broken(path, "it has no sizes");
  const std::uint64_t n = sizes[0];
  const std::uint64_t models = sizes[1];
  const std::uint64_t dimension = sizes[2];
  if (n < 2 || n > 2'000'000 || models < 1 || models > 1000 || dimension < 2 || dimension > 8192) {
    return Broken(path, "its sizes are out of range");
  }
  // Checked before anything is allocated for them.
  const std::uint64_t wanted = kMagic.size() + 12 + n * dimension * 4 + n * models + n + n * 4 + models * 4;
  if (bytes != wanted) {
    return Broken(path, "it has " + std::to_string(bytes) + " bytes and needs " + std::to_string(wanted));
  }
  NicheWorld world;
  world.queries = n;
  world.models = models;
  world.dimension = dimension;
  world.votes = {n, models, kLetters, {}};
  std::vector<std::uint8_t> letters;
  if (!Get(in, n * dimension, world.embeddings) || !Get(in, n * models, letters) || !Get(in, n, world.gold) ||
      !Get(in, n, world.niche) || !Get(in, models, world.family)) {
    return Broken(path, "it cannot be read to its end");
  }
  world.votes.answer.reserve(letters.size());
  for (const std::uint8_t letter : letters) {
    world.votes.answer.push_back(letter == kNoLetter ? bootstrap::kNoVote : static_cast<std::int16_t>(letter));
  }
  if (auto status = CheckRead(world, path); !status.ok()) return status.error();
  return world;
}

}  // namespace pointsman::eval
