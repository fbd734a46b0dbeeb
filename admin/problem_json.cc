// json.h, problem documents (RFC 9457).
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "admin/json.h"

namespace pointsman::admin {
namespace {

// RFC 9110's phrase, which the title of a problem of type about:blank is.
std::string_view PhraseOf(int status) {
  constexpr std::array<std::pair<int, std::string_view>, 18> kPhrases{{{400, "Bad Request"},
                                                                       {401, "Unauthorized"},
                                                                       {403, "Forbidden"},
                                                                       {404, "Not Found"},
                                                                       {405, "Method Not Allowed"},
                                                                       {408, "Request Timeout"},
                                                                       {409, "Conflict"},
                                                                       {410, "Gone"},
                                                                       {411, "Length Required"},
                                                                       {412, "Precondition Failed"},
                                                                       {413, "Content Too Large"},
                                                                       {414, "URI Too Long"},
                                                                       {415, "Unsupported Media Type"},
                                                                       {422, "Unprocessable Content"},
                                                                       {429, "Too Many Requests"},
                                                                       {500, "Internal Server Error"},
                                                                       {503, "Service Unavailable"},
                                                                       {504, "Gateway Timeout"}}};
  for (const auto& [number, phrase] : kPhrases) {
    if (number == status) return phrase;
  }
  return "Error";
}

}  // namespace

nlohmann::json ProblemJson(const Error& error, int http_status) {
  return {{"type", "about:blank"},
          {"title", std::string(PhraseOf(http_status))},
          {"status", http_status},
          {"detail", error.message},
          {"code", std::string(CodeName(error.code))},
          {"reason", error.reason},
          {"retry", std::string(RetryName(RetryAdvice(error.code)))}};
}

}  // namespace pointsman::admin
