#include "bootstrap/fit/crowd.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/contract.h"
#include "bootstrap/fit/consensus.h"

namespace pointsman::bootstrap {
namespace {

constexpr int kWeightsAtIteration = 10;
constexpr double kProfilePseudoCount = 50;

// Sums of one E-step that the M-step needs.
struct Expectations {
  std::vector<double> class_total;  // H
  std::vector<double> answered;     // H x M: N
  std::vector<double> right;        // H x M: a
  std::vector<double> distracted;   // H x M: c
  std::vector<double> truth;        // items x options: P_i(k)
};

// Log-probabilities of an answer for items with one number of options, H x M each.
struct LogProfile {
  std::vector<double> right;
  std::vector<double> distracted;
  std::vector<double> other;  // of each other answer; with two options there is none
};

class CrowdEm {
 public:
  CrowdEm(const Votes& votes, const CrowdOptions& options)
      : votes_(votes),
        confidence_(options.confidence),
        classes_(options.classes),
        models_(votes.models),
        letters_(votes.options) {
    REQUIRE(letters_ >= 1 && classes_ >= 1 && votes.items >= 1 && models_ >= 1, "shape of the votes");
    REQUIRE(confidence_.empty() || confidence_.size() == votes.answer.size(), "one confidence per vote");
    double total = 0;
    for (std::size_t i = 0; i < votes.items; ++i) {
      const std::size_t own = votes.options_of(i);
      REQUIRE(own >= 1 && own <= letters_, "options of an item");
      total += static_cast<double>(own);
    }
    other_ = std::max(total / static_cast<double>(votes.items) - 2, 1.0);
    Start();
  }

  void EStep();
  void MStep();
  void SetSharedErrorWeights();
  CrowdFit Finish() const;

 private:
  void Start();
  LogProfile ProfileFor(std::size_t options) const;
  double FillTable(std::size_t item, const LogProfile& profile);
  void ItemStep(std::size_t item, const LogProfile& profile);
  std::vector<double> Ability() const;
  void UpdateProfiles(std::size_t h, const std::vector<double>& ability);
  double OwnTruth(std::size_t item, std::size_t model) const {
    const std::int16_t own = votes_.at(item, model);
    return own == kNoVote ? 0 : sums_.truth[item * letters_ + static_cast<std::size_t>(own)];
  }

  const Votes& votes_;
  const std::span<const double> confidence_;
  const std::size_t classes_;
  const std::size_t models_;
  const std::size_t letters_;
  double other_;  // answers that are neither the truth nor the distractor, on average
  std::vector<double> share_;
  std::vector<double> right_;
  std::vector<double> distracted_;
  std::vector<double> weight_;
  Expectations sums_;
  std::vector<double> table_;  // H x options x options of the item at hand
};

void CrowdEm::Start() {
  const std::vector<double> scores = PlainEm(votes_, 10, confidence_);
  std::vector<double> mean(votes_.items, 0);
  for (std::size_t i = 0; i < votes_.items; ++i) {
    for (std::size_t m = 0; m < models_; ++m) mean[i] += scores[i * models_ + m];
    // Rounded, so that the order does not hang on the last bit of a sum.
    mean[i] = std::round(mean[i] / static_cast<double>(models_) * 1e12) / 1e12;
  }
  std::vector<std::size_t> order(votes_.items);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return mean[a] < mean[b]; });
  share_.assign(classes_, 1 / static_cast<double>(classes_));
  right_.assign(classes_ * models_, 0.5);
  weight_.assign(models_, 1);
  for (std::size_t h = 0; h < classes_; ++h) {
    const std::size_t begin = h * votes_.items / classes_;
    const std::size_t end = (h + 1) * votes_.items / classes_;
    for (std::size_t m = 0; m < models_ && end > begin; ++m) {
      double total = 0;
      for (std::size_t rank = begin; rank < end; ++rank) total += scores[order[rank] * models_ + m];
      right_[h * models_ + m] = std::clamp(total / static_cast<double>(end - begin), 0.05, 0.95);
    }
  }
  distracted_.resize(right_.size());
  for (std::size_t i = 0; i < right_.size(); ++i) distracted_[i] = (1 - right_[i]) / 2;
}

LogProfile CrowdEm::ProfileFor(std::size_t options) const {
  LogProfile profile;
  for (std::size_t i = 0; i < right_.size(); ++i) {
    if (options <= 2) {  // nothing else can be answered: what is left goes to the two in proportion
      const double both = right_[i] + distracted_[i];
      profile.right.push_back(std::log(right_[i] / both));
      profile.distracted.push_back(std::log(distracted_[i] / both));
      profile.other.push_back(0);
      continue;
    }
    profile.right.push_back(std::log(right_[i]));
    profile.distracted.push_back(std::log(distracted_[i]));
    profile.other.push_back(std::log((1 - right_[i] - distracted_[i]) / (static_cast<double>(options) - 2)));
  }
  return profile;
}

// Fills table_ with the unnormalised log-posterior of (class, truth, distractor);
// returns its maximum.
double CrowdEm::FillTable(std::size_t item, const LogProfile& profile) {
  const std::size_t options = votes_.options_of(item);
  double top = -1e300;
  for (std::size_t h = 0; h < classes_; ++h) {
    std::vector<double> for_truth(options, 0);
    std::vector<double> for_distractor(options, 0);
    double base = std::log(share_[h]);
    for (std::size_t m = 0; m < models_; ++m) {
      const std::int16_t own = votes_.at(item, m);
      if (own == kNoVote) continue;
      const std::size_t at = h * models_ + m;
      const double weight = weight_[m] * (confidence_.empty() ? 1 : confidence_[item * models_ + m]);
      for_truth[static_cast<std::size_t>(own)] += weight * (profile.right[at] - profile.other[at]);
      for_distractor[static_cast<std::size_t>(own)] += weight * (profile.distracted[at] - profile.other[at]);
      base += weight * profile.other[at];
    }
    for (std::size_t t = 0; t < options; ++t) {
      for (std::size_t d = 0; d < options; ++d) {
        double& entry = table_[(h * options + t) * options + d];
        entry = base + for_truth[t] + for_distractor[d];
        if (t != d) top = std::max(top, entry);
      }
    }
  }
  return top;
}

void CrowdEm::ItemStep(std::size_t item, const LogProfile& profile) {
  const std::size_t options = votes_.options_of(item);
  double* truth = sums_.truth.data() + item * letters_;
  if (options == 1) {  // right by definition; says nothing about any model
    truth[0] = 1;
    for (std::size_t h = 0; h < classes_; ++h) sums_.class_total[h] += share_[h];
    return;
  }
  const double top = FillTable(item, profile);
  double total = 0;
  for (std::size_t h = 0; h < classes_; ++h) {
    for (std::size_t t = 0; t < options; ++t) {
      for (std::size_t d = 0; d < options; ++d) {
        double& entry = table_[(h * options + t) * options + d];
        total += entry = t == d ? 0 : std::exp(entry - top);
      }
    }
  }
  for (std::size_t h = 0; h < classes_; ++h) {
    std::vector<double> as_truth(options, 0);
    std::vector<double> as_distractor(options, 0);
    double in_class = 0;
    for (std::size_t t = 0; t < options; ++t) {
      for (std::size_t d = 0; d < options; ++d) {
        const double gamma = table_[(h * options + t) * options + d] / total;
        as_truth[t] += gamma;
        as_distractor[d] += gamma;
        in_class += gamma;
      }
    }
    for (std::size_t t = 0; t < options; ++t) truth[t] += as_truth[t];
    sums_.class_total[h] += in_class;
    for (std::size_t m = 0; m < models_; ++m) {
      const std::int16_t own = votes_.at(item, m);
      if (own == kNoVote) continue;
      sums_.answered[h * models_ + m] += in_class;
      sums_.right[h * models_ + m] += as_truth[static_cast<std::size_t>(own)];
      sums_.distracted[h * models_ + m] += as_distractor[static_cast<std::size_t>(own)];
    }
  }
}

void CrowdEm::EStep() {
  const std::size_t cells = classes_ * models_;
  sums_.class_total.assign(classes_, 0);
  sums_.answered.assign(cells, 0);
  sums_.right.assign(cells, 0);
  sums_.distracted.assign(cells, 0);
  sums_.truth.assign(votes_.items * letters_, 0);
  table_.resize(classes_ * letters_ * letters_);
  std::vector<LogProfile> profiles(letters_ + 1);
  for (std::size_t item = 0; item < votes_.items; ++item) {
    LogProfile& profile = profiles[votes_.options_of(item)];
    if (profile.right.empty()) profile = ProfileFor(votes_.options_of(item));
    ItemStep(item, profile);
  }
}

std::vector<double> CrowdEm::Ability() const {
  std::vector<double> ability(models_, 0);
  for (std::size_t m = 0; m < models_; ++m) {
    double right = 0;
    double answered = 0;
    for (std::size_t h = 0; h < classes_; ++h) {
      right += sums_.right[h * models_ + m];
      answered += sums_.answered[h * models_ + m];
    }
    ability[m] = std::log(std::max(right, 1e-9) / std::max(answered, 1e-9));
    if (answered <= 0) ability[m] = 0;
  }
  const double count = static_cast<double>(models_);
  const double mean = std::accumulate(ability.begin(), ability.end(), 0.0) / count;
  double squares = 0;
  for (const double value : ability) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / count);
  for (double& value : ability) value = deviation > 1e-12 ? (value - mean) / deviation : 0;
  return ability;
}

void CrowdEm::UpdateProfiles(std::size_t h, const std::vector<double>& ability) {
  const double count = static_cast<double>(models_);
  std::vector<double> log_right(models_);
  std::vector<double> log_distracted(models_);
  double mean_right = 0;
  double mean_distracted = 0;
  for (std::size_t m = 0; m < models_; ++m) {
    const std::size_t at = h * models_ + m;
    const double p = (sums_.right[at] + 2) / (sums_.answered[at] + 8);
    const double d = (sums_.distracted[at] + 2) / (sums_.answered[at] + 8);
    const double o = std::max(1 - p - d, 0.02) / other_;
    mean_right += log_right[m] = std::log(p / o);
    mean_distracted += log_distracted[m] = std::log(d / o);
  }
  mean_right /= count;
  mean_distracted /= count;
  double slope_right = 0;
  double slope_distracted = 0;
  for (std::size_t m = 0; m < models_; ++m) {
    slope_right += ability[m] * (log_right[m] - mean_right) / count;
    slope_distracted += ability[m] * (log_distracted[m] - mean_distracted) / count;
  }
  slope_right = std::max(slope_right, 0.0);
  for (std::size_t m = 0; m < models_; ++m) {
    const std::size_t at = h * models_ + m;
    const double e_right = std::exp(mean_right + slope_right * ability[m]);
    const double e_distracted = std::exp(mean_distracted + slope_distracted * ability[m]);
    const double all = e_right + e_distracted + other_;
    const double n = sums_.answered[at] + kProfilePseudoCount;
    double p = std::clamp((sums_.right[at] + kProfilePseudoCount * e_right / all) / n, 0.02, 0.97);
    double d = std::clamp((sums_.distracted[at] + kProfilePseudoCount * e_distracted / all) / n, 0.01, 0.9);
    if (p + d > 0.98) {
      const double shrink = 0.98 / (p + d);
      p *= shrink;
      d *= shrink;
    }
    right_[at] = p;
    distracted_[at] = d;
  }
}

void CrowdEm::MStep() {
  for (std::size_t h = 0; h < classes_; ++h) {
    share_[h] = (sums_.class_total[h] + 1) / static_cast<double>(votes_.items + classes_);
  }
  const std::vector<double> ability = Ability();
  for (std::size_t h = 0; h < classes_; ++h) UpdateProfiles(h, ability);
}

void CrowdEm::SetSharedErrorWeights() {
  std::vector<double> same(models_ * models_, 0);
  std::vector<double> both(models_ * models_, 0);
  std::vector<double> wrong(models_);
  for (std::size_t i = 0; i < votes_.items; ++i) {
    for (std::size_t m = 0; m < models_; ++m) wrong[m] = votes_.at(i, m) == kNoVote ? 0 : 1 - OwnTruth(i, m);
    for (std::size_t m = 0; m < models_; ++m) {
      if (votes_.at(i, m) == kNoVote) continue;
      for (std::size_t j = 0; j < models_; ++j) {
        both[m * models_ + j] += wrong[m] * wrong[j];
        if (votes_.at(i, j) == votes_.at(i, m)) same[m * models_ + j] += wrong[m] * wrong[m];
      }
    }
  }
  std::vector<double> ratio(models_ * models_, 0);
  std::vector<double> median(models_, 0);
  for (std::size_t m = 0; m < models_; ++m) {
    for (std::size_t j = 0; j < models_; ++j) {
      const std::size_t at = m * models_ + j;
      if (m != j && both[at] > 0) ratio[at] = same[at] / both[at];
    }
    std::vector<double> row(ratio.begin() + static_cast<std::ptrdiff_t>(m * models_),
                            ratio.begin() + static_cast<std::ptrdiff_t>((m + 1) * models_));
    std::sort(row.begin(), row.end());
    median[m] = models_ % 2 == 1 ? row[models_ / 2] : 0.5 * (row[models_ / 2 - 1] + row[models_ / 2]);
  }
  for (std::size_t m = 0; m < models_; ++m) {
    double excess = 0;
    for (std::size_t j = 0; j < models_; ++j) {
      const double base = 0.5 * (median[m] + median[j]);
      if (base < 1) excess += std::max(ratio[m * models_ + j] - base - 0.05, 0.0) / (1 - base);
    }
    weight_[m] = 1 / (1 + excess);
  }
}

CrowdFit CrowdEm::Finish() const {
  CrowdFit fit;
  fit.scores.resize(votes_.answer.size());
  for (std::size_t i = 0; i < votes_.items; ++i) {
    for (std::size_t m = 0; m < models_; ++m) fit.scores[i * models_ + m] = OwnTruth(i, m);
  }
  fit.share = share_;
  fit.right = right_;
  fit.distracted = distracted_;
  fit.weight = weight_;
  return fit;
}

}  // namespace

CrowdFit FitCrowd(const Votes& votes, const CrowdOptions& options) {
  CrowdEm em(votes, options);
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    em.EStep();
    if (options.shared_error_weights && iteration == kWeightsAtIteration) em.SetSharedErrorWeights();
    em.MStep();
  }
  return em.Finish();
}

std::vector<double> CrowdConsensus(const Votes& votes, std::span<const double> confidence) {
  CrowdOptions options;
  options.confidence = confidence;
  options.classes = 3;
  std::vector<double> scores = FitCrowd(votes, options).scores;
  options.classes = 4;
  const std::vector<double> other = FitCrowd(votes, options).scores;
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = 0.5 * (scores[i] + other[i]);
  return scores;
}

}  // namespace pointsman::bootstrap
