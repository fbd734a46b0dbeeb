#include "admin/cli/app_http_target.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/cli/http_client.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

struct Address {
  std::string place;   // of HttpCall
  std::string prefix;  // of paths
};

Result<Address> AddressOf(const std::string& text) {
  if (text.starts_with("unix:") && text.size() > 5) return Address{text.substr(5), ""};
  constexpr std::string_view kHttp = "http://";
  if (text.starts_with(kHttp)) {
    const std::string rest = text.substr(kHttp.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string prefix = rest.substr(slash);
    while (prefix.ends_with('/')) prefix.pop_back();
    if (slash > 0) return Address{"tcp:" + rest.substr(0, slash), prefix};
  }
  return MakeError(Code::kInvalidArgument, "bad_address",
                   "\"" + text + "\" is no address; write unix:/path/to/api.sock or http://host:port");
}

class HttpTarget final : public eval::RouterTarget {
 public:
  HttpTarget(const Clock& clock, HttpTargetOptions options, const eval::TargetSetup& setup, Address router,
             std::optional<Address> admin)
      : clock_(clock),
        options_(std::move(options)),
        models_(setup.models),
        prices_(setup.prices),
        router_(std::move(router)),
        admin_(std::move(admin)) {}

  std::string name() const override { return options_.against; }

  Result<eval::RouterChoice> Route(const eval::RouterQuery& query) override {
    const auto reply =
        Ask(router_, "/v1/route",
            {{"text", query.text}, {"weights", {{"quality", query.weights.quality}, {"cost", query.weights.cost}}}});
    if (!reply.ok()) return reply.error();
    if (reply->status / 100 != 2) return Refused("/v1/route", *reply);
    const json body = json::parse(reply->body, nullptr, false);
    if (!body.is_object() || !body.contains("model") || !body["model"].is_string() || !body.contains("token") ||
        !body["token"].is_string()) {
      return MakeError(Code::kInternal, "bad_reply", "the answer of /v1/route has no texts model and token");
    }
    eval::RouterChoice choice;
    choice.token = body["token"].get<std::string>();
    const auto at = std::find(models_.begin(), models_.end(), body["model"].get<std::string>());
    if (at == models_.end()) {
      return MakeError(Code::kNotFound, "unknown_model",
                       "the router chose " + body["model"].get<std::string>() +
                           ", which is not in the scenario's pool; `pointsman simulate --pool` prints it");
    }
    choice.model = static_cast<std::size_t>(at - models_.begin());
    if (body.contains("gold_wanted") && body["gold_wanted"].is_boolean()) {
      choice.gold_wanted = body["gold_wanted"].get<bool>();
    }
    return choice;
  }

  Result<eval::Receipt> Outcome(const std::string& token, const eval::RouterOutcome& outcome) override {
    return Report("/v1/outcome", {{"token", token},
                                  {"tokens_in", outcome.tokens_in},
                                  {"tokens_out", outcome.tokens_out},
                                  {"latency_ms", outcome.latency_ms},
                                  {"cost_usd", outcome.cost_usd}});
  }

  Result<eval::Receipt> Feedback(const std::string& token, const eval::RouterFeedback& feedback) override {
    json body = {{"token", token}, {"source", feedback.source}, {"value", feedback.value}};
    if (!feedback.subject.empty()) body["subject"] = feedback.subject;
    if (feedback.revision > 0) body["revision"] = feedback.revision;
    return Report("/v1/feedback", body);
  }

  Result<bool> PriceChanged(std::size_t model, double factor) override {
    if (!admin_) return false;
    const auto reply = Ask(*admin_, "/v1/models/" + PathPart(models_[model]) + "/price",
                           {{"input_usd_per_million", prices_[model].input_usd_per_million * factor},
                            {"output_usd_per_million", prices_[model].output_usd_per_million * factor}});
    if (!reply.ok()) return reply.error();
    if (reply->status / 100 != 2) return Refused("the price", *reply);
    return true;
  }

  Result<Restarted> Restart() override {
    if (!options_.restart) return Restarted{};
    const auto equal = options_.restart();
    if (!equal.ok()) return equal.error();
    return Restarted{true, equal.value()};
  }

  std::optional<double> StateBytes() override { return options_.state_bytes ? options_.state_bytes() : std::nullopt; }

 private:
  Result<HttpAnswer> Ask(const Address& address, const std::string& path, const json& body) const {
    auto answer = HttpCall(clock_, address.place, "POST", address.prefix + path,
                           body.dump(-1, ' ', false, json::error_handler_t::replace), options_.timeout_ms);
    if (answer.ok() || answer.error().reason != "unreachable") return answer;
    return MakeError(answer.error().code, "unreachable",
                     "nobody answers at " + address.place + "; is the router running?");
  }

  static Error Refused(const std::string& what, const HttpAnswer& answer) {
    return MakeError(
        Code::kUnavailable, "router_refused",
        "the router refused " + what + " with " + std::to_string(answer.status) + ": " + answer.body.substr(0, 300));
  }

  // 2xx: stored, a duplicate where the body's `code` says so; 4xx: refused.
  Result<eval::Receipt> Report(const std::string& path, const json& body) const {
    const auto reply = Ask(router_, path, body);
    if (!reply.ok()) return reply.error();
    if (reply->status / 100 == 4) return eval::Receipt::kRefused;
    if (reply->status / 100 != 2) return Refused(path, *reply);
    const json answer = json::parse(reply->body, nullptr, false);
    const bool duplicate = answer.is_object() && answer.value("code", json()) == json("DUPLICATE_OK");
    return duplicate ? eval::Receipt::kDuplicate : eval::Receipt::kStored;
  }

  const Clock& clock_;
  const HttpTargetOptions options_;
  const std::vector<std::string> models_;
  const std::vector<policy::Price> prices_;
  const Address router_;
  const std::optional<Address> admin_;
};

}  // namespace

Result<std::unique_ptr<eval::RouterTarget>> MakeHttpTarget(const Clock& clock, const HttpTargetOptions& options,
                                                           const eval::TargetSetup& setup) {
  auto router = AddressOf(options.against);
  if (!router.ok()) return router.error();
  std::optional<Address> admin;
  if (!options.admin.empty()) {
    auto given = AddressOf(options.admin);
    if (!given.ok()) return given.error();
    admin = std::move(given).value();
  }
  return std::unique_ptr<eval::RouterTarget>(
      std::make_unique<HttpTarget>(clock, options, setup, std::move(router).value(), std::move(admin)));
}

}  // namespace pointsman::cli
