// Between domain values and JSON: what the HTTP interface says and takes.
//
// Out   Numbers that may pass 2^53 (sequences, counters of such size) are numbers
//       up to 2^53 and strings beyond; state hashes are always "0x" + 16 digits;
//       a number that is not finite is null. Bytes that are not UTF-8 become U+FFFD.
// In    Strict: one object, nesting at most 16, no unknown field, no wrong type, no
//       field twice. The error names the field.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/model_profiles.h"
#include "admin/ports.h"
#include "base/error.h"
#include "base/result.h"

namespace pointsman::admin {

// A number, or a string beyond 2^53.
nlohmann::json Number64(std::uint64_t value);
// "0x" and 16 hexadecimal digits.
std::string Hex64(std::uint64_t value);

nlohmann::json ToJson(const StatusReport& report);
nlohmann::json ToJson(const ModelReport& report);
nlohmann::json ToJson(const ProbeReport& report);
nlohmann::json ToJson(const ClusterReport& report);
nlohmann::json ToJson(const ClusterDetail& detail);
nlohmann::json ToJson(const GenerationReport& report);
nlohmann::json ToJson(const GenerationDiff& diff);
nlohmann::json ToJson(const BootstrapReport& report);
nlohmann::json ToJson(const RefitReport& report);
nlohmann::json ToJson(const Explanation& explanation);
nlohmann::json ToJson(const TrafficReport& report);
nlohmann::json ToJson(const GoldTask& task);
nlohmann::json ToJson(const UndoReport& report);
nlohmann::json ToJson(const ExclusionReport& report);
nlohmann::json ToJson(const InclusionReport& report);
nlohmann::json ToJson(const CompactReport& report);
nlohmann::json ToJson(const ModelTreeReport& report);
nlohmann::json ToJson(const ModelProfile& profile);

// RFC 9457: {type, title, status, detail, code, reason, retry}; `retry` is
// "never", "same_request" or "after_backoff".
nlohmann::json ProblemJson(const Error& error, int http_status);
std::string_view RetryName(Retry retry);

// Bytes for the wire; never throws.
std::string Dump(const nlohmann::json& value);

struct PriceBody {
  policy::Price price;
};
struct StateBody {
  std::string state;
};
struct ActivateBody {
  std::string target;  // generation number or bundle hash
};
struct SubjectBody {
  std::string subject;  // a name, or the hash
  std::string tenant;
};
struct LearningBody {
  bool frozen = false;
};
struct GoldBody {
  std::string decision;  // hexadecimal id or token
  double value = 0;
  std::uint32_t revision = 0;
};

// Errors of all: INVALID_ARGUMENT, reason malformed_json, unknown_field,
// missing_field or wrong_type; OUT_OF_RANGE for numbers outside their type.
Result<NewModel> ParseAddModel(std::string_view body);
Result<std::vector<ProbeAsk>> ParseProbes(std::string_view body);
Result<PriceBody> ParsePrice(std::string_view body);
Result<StateBody> ParseState(std::string_view body);
Result<ActivateBody> ParseActivate(std::string_view body);
Result<SubjectBody> ParseSubject(std::string_view body);
Result<LearningBody> ParseLearning(std::string_view body);
Result<GoldBody> ParseGold(std::string_view body);
Result<BootstrapRequest> ParseBootstrap(std::string_view body);
Result<RefitRequest> ParseRefit(std::string_view body);
// For requests that take nothing: empty, or "{}".
Result<std::string> ParsePlanPath(std::string_view body);
Status ParseNothing(std::string_view body);

}  // namespace pointsman::admin
