#include "admin/cli/admin_call.h"

#include "admin/cli/http_client.h"
#include "admin/cli/operator_render.h"
#include "admin/json.h"

namespace pointsman::cli {

using nlohmann::json;

namespace {

constexpr int kReadTimeoutMillis = 30'000;
constexpr int kChangeTimeoutMillis = 600'000;  // an activation folds the whole log again

}  // namespace

std::variant<json, Failed> AskAdmin(Context& context, std::string_view method, const std::string& path,
                                    const std::string& body) {
  const int timeout_ms = method == "GET" ? kReadTimeoutMillis : kChangeTimeoutMillis;
  const Result<HttpAnswer> answer = HttpCall(context.clock, context.admin_socket, method, path, body, timeout_ms);
  if (!answer.ok()) {
    const bool unreachable = answer.error().code == Code::kUnavailable;
    return Failed{answer.error(), unreachable ? Exit::kUnreachable : ExitFor(answer.error().code)};
  }
  json value = json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) {
    return Failed{MakeError(Code::kInternal, "bad_answer", "the daemon's answer is not a JSON object"), Exit::kOurBug};
  }
  if (answer->status < 400) return value;
  const Error error =
      MakeError(CodeOfName(FieldText(value, "code")), FieldText(value, "reason"), FieldText(value, "detail"));
  return Failed{error, ExitFor(error.code)};
}

Exit Finish(Context& context, const std::variant<json, Failed>& answer, Show show) {
  if (const Failed* failed = std::get_if<Failed>(&answer)) return context.Fail(failed->error, failed->exit);
  const json& value = std::get<json>(answer);
  if (context.json) return context.Print(value);
  show(context, value);
  return Exit::kOk;
}

Exit Get(Context& context, const std::string& path, Show show) {
  return Finish(context, AskAdmin(context, "GET", path, ""), show);
}

Exit Post(Context& context, const std::string& path, const json& body, Show show) {
  return Finish(context, AskAdmin(context, "POST", path, admin::Dump(body)), show);
}

}  // namespace pointsman::cli
