// Between JSON and the requests of clients (admin/client_requests.h). Strict, as
// admin/json.h says of all input.
//
// Shapes that other systems' users know are taken as well:
//   route     `messages` (OpenAI's chat shape) instead of `text`: the text parts of
//             the last message of role "user"
//   feedback  `inference_id` for `token`, `metric_name` for `source` (TensorZero);
//             `tags` is taken and not stored; `value` may be true or false;
//             `stars` 1..5 and `thumbs` "up" or "down" instead of `value`
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <variant>
#include <vector>

#include "admin/client_requests.h"
#include "base/result.h"

namespace pointsman::admin {

// Errors of all: those of admin/json.h.
Result<RouteAsk> ParseRoute(std::string_view body);
// {"routes": [...]}, 1 to 256.
Result<std::vector<RouteAsk>> ParseRouteBatch(std::string_view body);
Result<OutcomeAsk> ParseOutcome(std::string_view body);
// {winner, loser, ...} is a preference, everything else an opinion.
Result<std::variant<FeedbackAsk, PreferenceAsk>> ParseFeedback(std::string_view body);
Result<RetractAsk> ParseRetract(std::string_view body);
Result<VoteAsk> ParseVote(std::string_view body);

nlohmann::json ToJson(const RouteAnswer& answer);
nlohmann::json ToJson(const Acknowledgement& ack);
nlohmann::json ToJson(const VoteAnswer& answer);

}  // namespace pointsman::admin
