// The tree against the dense joint Gaussian, and the bounds on what ratings can
// tell, in random worlds.
#include <gtest/gtest.h>

#include "base/unit_draw.h"
#include "policy/belief/leaf.h"
#include "policy/belief/noise.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

using Matrix = std::vector<std::vector<double>>;

// Gauss-Jordan with pivoting; plain on purpose.
Matrix Inverse(Matrix a) {
  const std::size_t n = a.size();
  Matrix inverse(n, std::vector<double>(n, 0));
  for (std::size_t i = 0; i < n; ++i) inverse[i][i] = 1;
  for (std::size_t column = 0; column < n; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < n; ++row) {
      if (std::abs(a[row][column]) > std::abs(a[pivot][column])) pivot = row;
    }
    std::swap(a[column], a[pivot]);
    std::swap(inverse[column], inverse[pivot]);
    const double scale = 1 / a[column][column];
    for (std::size_t j = 0; j < n; ++j) {
      a[column][j] *= scale;
      inverse[column][j] *= scale;
    }
    for (std::size_t row = 0; row < n; ++row) {
      if (row == column || a[row][column] == 0) continue;
      const double factor = a[row][column];
      for (std::size_t j = 0; j < n; ++j) {
        a[row][j] -= factor * a[column][j];
        inverse[row][j] -= factor * inverse[column][j];
      }
    }
  }
  return inverse;
}

struct World {
  std::size_t models, clusters, sources;
  Widths widths;
  double trust_in_force = 0;     // where the evidence has widened it
  std::vector<double> noise;     // (1+S)^2
  std::vector<double> response;  // S
  std::vector<double> mean_prior;
  struct Row {
    std::size_t model;
    std::vector<std::pair<std::uint32_t, double>> clusters;
    double prior;
    std::vector<std::pair<std::uint8_t, double>> said;
  };
  std::vector<Row> rows;
};

World RandomWorld(SplitMix64& random) {
  World world;
  world.models = 1 + random.Below(3);
  world.clusters = 1 + random.Below(4);
  world.sources = random.Below(4);
  const auto width = [&] { return .02 + .3 * random.Unit(); };
  world.widths = {width(), width(), width(), width(), width(), width()};
  if (random.Unit() < .5) {
    world.widths.common = width();
    if (random.Unit() < .7) world.trust_in_force = world.widths.trust + width();
  }
  const std::size_t channels = world.sources + 1;
  Matrix root(channels, std::vector<double>(channels));
  for (auto& row : root) {
    for (double& value : row) value = .2 * random.Normal();
  }
  for (std::size_t i = 0; i < channels; ++i) {
    for (std::size_t j = 0; j < channels; ++j) {
      double sum = i == j ? .03 : 0;
      for (std::size_t k = 0; k < channels; ++k) sum += root[i][k] * root[j][k];
      world.noise.push_back(sum);
    }
  }
  for (std::size_t s = 0; s < world.sources; ++s) world.response.push_back(.4 + 1.4 * random.Unit());
  for (std::size_t m = 0; m < world.models; ++m) world.mean_prior.push_back(.3 + .4 * random.Unit());
  const std::size_t rows = 1 + random.Below(40);
  for (std::size_t i = 0; i < rows; ++i) {
    World::Row row;
    row.model = random.Below(world.models);
    const auto first = static_cast<std::uint32_t>(random.Below(world.clusters));
    const double weight = .5 + .5 * random.Unit();
    row.clusters = {{first, weight}, {static_cast<std::uint32_t>(world.clusters), 1 - weight}};
    row.prior = random.Unit();
    for (std::uint8_t c = 0; c < channels; ++c) {
      if (random.Unit() < .5) row.said.emplace_back(c, random.Unit());
    }
    if (row.said.empty()) row.said.emplace_back(static_cast<std::uint8_t>(random.Below(channels)), random.Unit());
    world.rows.push_back(row);
  }
  return world;
}

// Gold weight of every cell stays small, or the source widths are such that the
// conflict rule would fire; the dense form has none, so callers skip such worlds.
void Build(const World& world, Harness& house) {
  house.options.widths_overridden = true;
  house.options.widths = world.widths;
  house.Add(OptionsChanged{house.options});
  std::vector<std::pair<std::string, double>> models;
  for (std::size_t m = 0; m < world.models; ++m) models.emplace_back("m" + std::to_string(m), world.mean_prior[m]);
  house.AddBundle(PlainBundle(world.clusters, models));
  for (const auto& [name, mean] : models) house.AddModel(name);
  house.Activate(1, 1);
  house.Add(Refitted{.noise = world.noise, .response = world.response, .trust_width = world.trust_in_force});
  std::uint32_t id = 0;
  for (const World::Row& row : world.rows) {
    house.Decide(++id, static_cast<std::uint32_t>(row.model + 1), row.clusters, row.prior);
    for (const auto& [channel, value] : row.said) ASSERT_EQ(house.Report(id, channel, value), Code::kOk);
  }
}

std::vector<std::string> SourceNames(std::size_t sources) {
  std::vector<std::string> names;
  for (std::size_t s = 0; s < sources; ++s) names.push_back("s" + std::to_string(s));
  return names;
}

// Every variable of 1.1 at once: c0_s; per model alpha, rho, B'_s; per cell delta,
// beta_s; and, with a common shift, that and the common trust, which stretches the prior
// about its mean over all models. A row of weight w in a cell is an observation with noise /
// w.
class Dense {
 public:
  explicit Dense(const World& world) : world_(world) {
    const std::size_t s = world.sources;
    size_ = s + world.models * (2 + s) + world.models * (world.clusters + 1) * (1 + s);
    const bool shift = world.widths.common > 0;
    const double trust = std::max(world.widths.trust, world.trust_in_force);
    shared_ = size_;
    if (shift) size_ += 2;
    for (const double mean : world.mean_prior) mean_of_all_ += mean / static_cast<double>(world.models);
    precision_.assign(size_, std::vector<double>(size_, 0));
    score_.assign(size_, 0);
    const auto prior = [&](std::size_t i, double width) { precision_[i][i] = 1 / (width * width); };
    for (std::size_t i = 0; i < s; ++i) prior(i, world.widths.source);
    const bool doubted = trust > world.widths.trust;  // a third of the shift is left then (decisions/0030)
    if (shift) prior(shared_, doubted ? world.widths.common * (1.0 / 3) : world.widths.common);
    if (shift) prior(shared_ + 1, std::sqrt(trust * trust - .75 * world.widths.trust * world.widths.trust));
    for (std::size_t m = 0; m < world.models; ++m) {
      prior(Model(m), world.widths.model);
      prior(Model(m) + 1, trust);
      for (std::size_t i = 0; i < s; ++i) prior(Model(m) + 2 + i, world.widths.source_model);
      for (std::size_t k = 0; k <= world.clusters; ++k) {
        prior(CellOf(m, k), world.widths.cell);
        for (std::size_t i = 0; i < s; ++i) prior(CellOf(m, k) + 1 + i, world.widths.source_cell);
      }
    }
    for (const World::Row& row : world.rows) Observe(row);
    covariance_ = Inverse(precision_);
    mean_.assign(size_, 0);
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j < size_; ++j) mean_[i] += covariance_[i][j] * score_[j];
    }
  }

  Estimate Predict(std::size_t m, const std::vector<std::pair<std::uint32_t, double>>& clusters, double prior) const {
    std::vector<double> load(size_, 0);
    load[Model(m)] = 1;
    load[Model(m) + 1] = prior - world_.mean_prior[m];
    for (const auto& [k, w] : clusters) load[CellOf(m, k)] += w;
    LoadShared(1, prior, &load);
    Estimate estimate{prior, 0};
    for (std::size_t i = 0; i < size_; ++i) {
      estimate.mean += load[i] * mean_[i];
      for (std::size_t j = 0; j < size_; ++j) estimate.variance += load[i] * covariance_[i][j] * load[j];
    }
    return estimate;
  }

 private:
  std::size_t Model(std::size_t m) const { return world_.sources + m * (2 + world_.sources); }
  std::size_t CellOf(std::size_t m, std::size_t k) const {
    return world_.sources + world_.models * (2 + world_.sources) +
           (m * (world_.clusters + 1) + k) * (1 + world_.sources);
  }
  void LoadShared(double slope, double prior, std::vector<double>* load) const {
    if (shared_ == size_) return;
    (*load)[shared_] = slope;
    (*load)[shared_ + 1] = slope * (prior - mean_of_all_);
  }
  void Observe(const World::Row& row) {
    const std::size_t channels = world_.sources + 1;
    const double x = row.prior - world_.mean_prior[row.model];
    for (const auto& [k, w] : row.clusters) {
      if (w == 0) continue;
      Matrix noise(row.said.size(), std::vector<double>(row.said.size()));
      std::vector<std::vector<double>> design;
      std::vector<double> rest;
      for (std::size_t i = 0; i < row.said.size(); ++i) {
        const auto [c, value] = row.said[i];
        for (std::size_t j = 0; j < row.said.size(); ++j) {
          noise[i][j] = world_.noise[c * channels + row.said[j].first] / w;
        }
        std::vector<double> line(size_, 0);
        const double slope = c == 0 ? 1 : world_.response[c - 1u];
        line[Model(row.model)] = slope;
        line[Model(row.model) + 1] = slope * x;
        line[CellOf(row.model, k)] = slope;
        LoadShared(slope, row.prior, &line);
        if (c > 0) {
          line[c - 1u] = 1;
          line[Model(row.model) + 1u + c] = 1;
          line[CellOf(row.model, k) + c] = 1;
        }
        design.push_back(line);
        rest.push_back(value - slope * row.prior);
      }
      const Matrix information = Inverse(noise);
      for (std::size_t i = 0; i < design.size(); ++i) {
        for (std::size_t j = 0; j < design.size(); ++j) {
          for (std::size_t a = 0; a < size_; ++a) {
            if (design[i][a] == 0) continue;
            score_[a] += design[i][a] * information[i][j] * rest[j];
            for (std::size_t b = 0; b < size_; ++b) precision_[a][b] += design[i][a] * information[i][j] * design[j][b];
          }
        }
      }
    }
  }

  const World& world_;
  std::size_t size_ = 0;
  std::size_t shared_ = 0;
  double mean_of_all_ = 0;
  Matrix precision_;
  Matrix covariance_;
  std::vector<double> score_;
  std::vector<double> mean_;
};

TEST(Tree, EqualsTheDenseJointGaussianInRandomWorlds) {
  SplitMix64 random(20250101);
  int compared = 0;
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE("world " + std::to_string(round));
    const World world = RandomWorld(random);
    Harness house(SourceNames(world.sources));
    Build(world, house);
    SwitchOverlapOff(house.learner->mutable_state());
    const auto snapshot = house.Publish();
    EXPECT_EQ(snapshot->quarantined_cells, 0u);
    bool conflict = false;
    for (const auto& block : snapshot->clusters) {
      for (std::size_t i = 0; block != nullptr && i < block->cells.size(); ++i) conflict |= block->cells[i].conflict;
    }
    if (conflict) continue;  // the dense form has no such rule
    ++compared;
    const Dense dense(world);
    for (std::size_t m = 0; m < world.models; ++m) {
      for (std::uint32_t k = 0; k <= world.clusters; ++k) {
        const double weight = random.Unit();
        const double prior = random.Unit();
        const std::uint32_t next = (k + 1) % static_cast<std::uint32_t>(world.clusters + 1);
        const std::vector<std::pair<std::uint32_t, double>> query = {{k, weight}, {next, 1 - weight}};
        const Estimate tree = Read(*snapshot, "m" + std::to_string(m), query, prior);
        const Estimate joint = dense.Predict(m, query, prior);
        EXPECT_NEAR(tree.mean, joint.mean, 1e-12);
        EXPECT_NEAR(tree.variance, joint.variance, 1e-12);
      }
    }
  }
  EXPECT_GE(compared, 300);
}

// A world with ratings only: `rows` of weight each cell gets as a sum, so that any
// number costs nothing. Means of the ratings are random.
void Rate(Harness& house, std::uint32_t model, std::uint32_t cluster, double rows, SplitMix64& random) {
  PatternMoments& m = house.learner->mutable_state().cells[{ModelId{model}, ClusterId{cluster}}].patterns[0b010];
  m.rows = 1;
  m.weight = m.overlap = rows;
  m.residual[1] = rows * .3 * random.Normal();
  house.learner->mutable_state().republish_all = true;
}

TEST(Saturation, HoweverManyRatingsASourceSendsItsInformationIsBounded) {
  SplitMix64 random(11);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE("world " + std::to_string(round));
    Harness house;
    const double c1 = .4 + 1.4 * random.Unit();
    const auto cells = static_cast<std::uint32_t>(1 + random.Below(7));
    house.options.widths_overridden = true;
    // Without trust in the prior the bounds are about levels alone.
    house.options.widths = {.05, 0, .1, .2, .1, .06};
    house.Add(OptionsChanged{house.options});
    house.AddBundle(PlainBundle(7, {{"a", .5}, {"b", .5}, {"c", .5}}));
    for (const char* name : {"a", "b", "c"}) house.AddModel(name);
    house.Activate(1, 1);
    house.Add(Refitted{.noise = {.2, .1, .1, .2}, .response = {c1}});
    for (std::uint32_t model = 1; model <= 3; ++model) {
      for (std::uint32_t k = 1; k <= cells; ++k) Rate(house, model, k, std::pow(10, 9 * random.Unit()), random);
    }
    const auto snapshot = house.Publish();
    const double cell_bound = 1 / (1 / .01 + c1 * c1 / .0036);
    const double model_bound = 1 / (1 / .0025 + c1 * c1 / .01);
    for (std::uint32_t k = 1; k <= cells; ++k) {
      for (const CellReadout& cell : snapshot->clusters[k]->cells) {
        EXPECT_GE(cell.variance, cell_bound * (1 - 1e-9));
        EXPECT_FALSE(cell.conflict);
      }
    }
    for (const ModelView& view : snapshot->models) {
      EXPECT_GE(view.covariance[0], model_bound * (1 - 1e-9));
      const Estimate level = Read(*snapshot, view.model.name, {{1, 1}}, .5);
      EXPECT_GE(level.variance, (cell_bound + model_bound) * (1 - 1e-9));
    }
  }
}

TEST(Saturation, OneRatedCellTellsAtMostTheInverseOfAllBiasVariances) {
  SplitMix64 random(12);
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE("world " + std::to_string(round));
    Harness house;
    const double c1 = .4 + 1.4 * random.Unit();
    house.options.widths_overridden = true;
    house.options.widths = {.02 + .1 * random.Unit(), 0, .02 + .2 * random.Unit(), .2, .1, .06};
    house.Add(OptionsChanged{house.options});
    house.AddBundle(PlainBundle(1, {{"a", .5}}));
    house.AddModel("a");
    house.Activate(1, 1);
    house.Add(Refitted{.noise = {.2, .1, .1, .2}, .response = {c1}});
    Rate(house, 1, 1, std::pow(10, 3 + 6 * random.Unit()), random);
    const Estimate level = Read(*house.Publish(), "a", {{1, 1}}, .5);
    const Widths& w = house.options.widths;
    const double before = w.model * w.model + w.cell * w.cell;
    EXPECT_LE(1 / level.variance - 1 / before, c1 * c1 / (.04 + .01 + .0036) * (1 + 1e-6));
  }
}

TEST(Saturation, ValuesOfTheSpecification) {
  const auto solve = [](std::uint32_t cells, double* alpha) {
    Harness house;
    house.options.widths_overridden = true;
    house.options.widths = {.05, 0, .1, .2, .1, .06};
    house.Add(OptionsChanged{house.options});
    house.AddBundle(PlainBundle(cells, {{"a", .5}}));
    house.AddModel("a");
    house.Activate(1, 1);
    house.Add(Refitted{.noise = {.05, .032, .032, .08}});
    for (std::uint32_t k = 1; k <= cells; ++k) {
      PatternMoments& m = house.learner->mutable_state().cells[{ModelId{1}, ClusterId{k}}].patterns[0b010];
      m.rows = 1;
      m.weight = m.overlap = 1e6;
      m.residual[1] = .2 * 1e6;
    }
    house.learner->mutable_state().republish_all = true;
    const auto snapshot = house.Publish();
    *alpha = snapshot->models[0].covariance[0];
    return Read(*snapshot, "a", {{1, 1}}, .5);
  };
  double alpha = 0;
  const Estimate one = solve(1, &alpha);
  EXPECT_NEAR(alpha, .002405446408, 1e-9);
  EXPECT_NEAR(one.mean - .5, .03782143683, 1e-9);
  EXPECT_NEAR(one.variance, .0101361602, 1e-9);
  EXPECT_NEAR(1 / one.variance - 1 / .0125, 18.6567, 1e-3);
  const Estimate many = solve(1000, &alpha);
  EXPECT_NEAR(alpha, .002380983212, 1e-9);
  EXPECT_NEAR(many.variance, .005034484147, 1e-9);
}

TEST(Noise, ColdStartDependsOnWhatTheChannelsHaveShown) {
  NoiseModel noise;
  const SmallMatrix binary = NoiseCovariance(noise, 2);
  EXPECT_DOUBLE_EQ(binary(0, 0), .20);
  EXPECT_DOUBLE_EQ(binary(1, 1), .20);
  EXPECT_DOUBLE_EQ(binary(1, 0), .10);
  EXPECT_DOUBLE_EQ(binary(2, 1), .05);
  noise.graded = {true, true, true};
  const SmallMatrix graded = NoiseCovariance(noise, 1);
  EXPECT_DOUBLE_EQ(graded(0, 0), .05);
  EXPECT_DOUBLE_EQ(graded(1, 1), .08);
  EXPECT_DOUBLE_EQ(graded(0, 1), .032);
}

TEST(Noise, EigenvaluesAreRaisedToTheFloorAndOtherwiseLeftAlone) {
  NoiseModel noise;
  noise.covariance = {.1, .1, .1, .1};
  const SmallMatrix raised = NoiseCovariance(noise, 1);
  EXPECT_NEAR(raised(0, 0), .10005, 1e-12);
  EXPECT_NEAR(raised(0, 1), .09995, 1e-12);
  noise.covariance = {.3, .1, .1, .2};
  const SmallMatrix kept = NoiseCovariance(noise, 1);
  EXPECT_EQ(kept(0, 0), .3);
  EXPECT_EQ(kept(0, 1), .1);
}

}  // namespace
}  // namespace pointsman::policy
