#include "daemon/job_refit.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file_error.h"

namespace pointsman::daemon {
namespace {

using nlohmann::json;

constexpr char kMagic[] = "pointsman-refit";

Error Damaged(const std::string& path, std::size_t line) {
  return MakeError(Code::kDataLoss, "refit_rows", fmt::format("{}:{}: not a row of a re-fit", path, line));
}

// strtod reads what %a wrote, nan included.
bool TakeNumber(std::istringstream& words, double* number) {
  std::string word;
  if (!(words >> word)) return false;
  char* end = nullptr;
  *number = std::strtod(word.c_str(), &end);
  return end != nullptr && *end == '\0' && end != word.c_str();
}

bool TakeRow(const std::string& line, bootstrap::RefitRow* row) {
  std::istringstream words(line);
  if (!(words >> row->model.value)) return false;
  for (double* number : {&row->prior, &row->rating, &row->gold, &row->gold_probability}) {
    if (!TakeNumber(words, number)) return false;
  }
  if (!(words >> row->unit)) return false;
  std::uint32_t cluster = 0;
  while (words >> cluster) {
    double weight = 0;
    if (!TakeNumber(words, &weight) || row->clusters.size() == policy::ClusterWeights::capacity()) return false;
    row->clusters.push_back({ClusterId{cluster}, weight});
  }
  return words.eof() && !row->clusters.empty();
}

}  // namespace

Status WriteRefitRows(const std::string& path, std::span<const bootstrap::RefitRow> rows, std::size_t clusters) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "wx"), close);
  bool written = file != nullptr && std::fprintf(file.get(), "%s 1 %zu\n", kMagic, clusters) > 0;
  for (std::size_t i = 0; written && i < rows.size(); ++i) {
    const bootstrap::RefitRow& row = rows[i];
    std::fprintf(file.get(), "%u %a %a %a %a %llu", row.model.value, row.prior, row.rating, row.gold,
                 row.gold_probability, static_cast<unsigned long long>(row.unit));
    for (const policy::ClusterWeight& entry : row.clusters) {
      std::fprintf(file.get(), " %u %a", entry.cluster.value, entry.weight);
    }
    written = std::fputc('\n', file.get()) != EOF;
  }
  if (written && std::fflush(file.get()) == 0 && std::ferror(file.get()) == 0) return {};
  return FileError("write", path, errno);
}

Result<RefitFile> ReadRefitRows(const std::string& path) {
  std::ifstream in(path);
  if (!in) return MakeError(Code::kNotFound, "refit_rows", path + ": cannot be read");
  RefitFile file;
  std::string line;
  std::string magic;
  int version = 0;
  std::getline(in, line);
  std::istringstream head(line);
  if (!(head >> magic >> version >> file.clusters) || magic != kMagic || version != 1) return Damaged(path, 1);
  for (std::size_t number = 2; std::getline(in, line); ++number) {
    if (!TakeRow(line, &file.rows.emplace_back())) return Damaged(path, number);
  }
  return file;
}

std::string RefitLine(const bootstrap::Refit& refit) {
  json models = json::array();
  for (const policy::ModelBias& model : refit.models) models.push_back({model.model.value, model.bias});
  return json{{"stage", "refit"},       {"clusters", refit.clusters},     {"errors", refit.errors},
              {"models", models},       {"ratings", refit.ratings},       {"gold", refit.gold},
              {"paired", refit.paired}, {"scale", refit.scale},           {"noise", refit.noise},
              {"error", refit.error},   {"correction", refit.correction}, {"learner", refit.learner}}
      .dump();
}

Result<bootstrap::Refit> ParseRefitLine(const std::string& line) {
  const json parsed = json::parse(line, nullptr, false);
  bootstrap::Refit refit;
  try {
    parsed.at("clusters").get_to(refit.clusters);
    parsed.at("errors").get_to(refit.errors);
    for (const json& model : parsed.at("models")) {
      refit.models.push_back({ModelId{model.at(0).get<std::uint32_t>()}, model.at(1).get<double>()});
    }
    parsed.at("ratings").get_to(refit.ratings);
    parsed.at("gold").get_to(refit.gold);
    parsed.at("paired").get_to(refit.paired);
    parsed.at("scale").get_to(refit.scale);
    parsed.at("noise").get_to(refit.noise);
    parsed.at("error").get_to(refit.error);
    parsed.at("correction").get_to(refit.correction);
    parsed.at("learner").get_to(refit.learner);
  } catch (const json::exception& fault) {
    return MakeError(Code::kDataLoss, "refit_line", fmt::format("the job's answer cannot be read: {}", fault.what()));
  }
  return refit;
}

Result<bootstrap::RefitOptions> RefitOptionsOf(const std::string& learner, const std::string& base) {
  bootstrap::RefitOptions options;
  if (learner == "dr") {
    options.learner = bootstrap::MetaLearner::kDr;
  } else if (learner != "r") {
    return MakeError(Code::kInvalidArgument, "learner", "the learner is r or dr");
  }
  if (base == "forest") {
    options.base = bootstrap::BaseLearner::kForest;
  } else if (base != "ridge") {
    return MakeError(Code::kInvalidArgument, "base", "the base learner is ridge or forest");
  }
  return options;
}

}  // namespace pointsman::daemon
