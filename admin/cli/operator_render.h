// The admin socket's JSON answers as text for people. Each takes the answer of the
// path that its name says; a field that is missing shows as "-".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/cli/context.h"

namespace pointsman::cli {

void ShowStatus(Context& context, const nlohmann::json& status);
void ShowModels(Context& context, const nlohmann::json& answer);
void ShowModel(Context& context, const nlohmann::json& model);
void ShowProbes(Context& context, const nlohmann::json& answer);
void ShowClusters(Context& context, const nlohmann::json& answer);
void ShowCluster(Context& context, const nlohmann::json& cluster);
void ShowGenerations(Context& context, const nlohmann::json& answer);
void ShowGeneration(Context& context, const nlohmann::json& generation);
void ShowDiff(Context& context, const nlohmann::json& diff);
void ShowBootstrap(Context& context, const nlohmann::json& report);
void ShowRefit(Context& context, const nlohmann::json& report);
void ShowPlan(Context& context, const nlohmann::json& plan);
void ShowExplanation(Context& context, const nlohmann::json& explanation);
void ShowLearning(Context& context, const nlohmann::json& answer);

// Text of field `name`; "-" when missing or empty.
std::string FieldText(const nlohmann::json& object, const char* name);
double FieldNumber(const nlohmann::json& object, const char* name);  // NaN when missing

}  // namespace pointsman::cli
