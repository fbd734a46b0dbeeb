// The HTTP interface as one table. What a path does, whether it changes anything,
// who may ask and the text of its help stand in one row each; GET /v1/help prints
// the table itself.
//
// Rules, checked when a server starts: GET never mutates; no row is there twice; a
// mutating row is for the admin socket only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "admin/ports.h"
#include "base/result.h"

namespace pointsman::admin {

// The socket that a request came through. The admin socket serves every row, the
// API socket only rows of role kApi.
enum class Role : std::uint8_t { kApi = 1, kAdmin = 2 };

struct RouteRequest {
  Caller caller;
  std::string capture;    // the {...} part of the path, decoded
  std::string_view body;  // valid during the call
};

struct RouteReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;  // methods, for 405 only
};

struct RouteRow {
  std::string_view method;  // "GET" or "POST"
  std::string_view path;    // at most one {name}, which matches one or more bytes
  std::string_view help;
  bool mutates = false;
  Role role = Role::kAdmin;  // least privileged socket that serves it
  RouteReply (*handler)(Ports&, const RouteRequest&) = nullptr;
};

std::span<const RouteRow> Routes();

// Errors: INVALID_ARGUMENT naming the row that breaks a rule above.
Status CheckRoutes(std::span<const RouteRow> rows);

// What a method and path come to: a row and its capture, or the reply that refuses
// (404, 405 with the methods, 403 on the wrong socket). HEAD counts as GET.
struct Matched {
  const RouteRow* row = nullptr;
  std::string capture;
  RouteReply refusal;  // when row is null
};
Matched Match(std::span<const RouteRow> rows, Role role, std::string_view method, std::string_view path);

// Runs the row; an exception becomes INTERNAL. Threads: any.
RouteReply Serve(const RouteRow& row, Ports& ports, const RouteRequest& request);

// The problem document of `error`, with its HTTP status or `status` instead.
RouteReply Refuse(const Error& error, std::optional<int> status = std::nullopt);

}  // namespace pointsman::admin
