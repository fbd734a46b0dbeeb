// The HTTP interface as one table. What a path does, whether it changes anything,
// who may ask, what it takes and gives and the text of its help stand in one row
// each; GET /v1/help prints the table, GET /v1/openapi.json describes it (openapi.h).
//
// Rules, checked when a server starts: GET never mutates; no row is there twice;
// what changes the daemon is for the admin socket only; every schema that a row
// names exists.
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

// What a request may do to the daemon.
enum class Effect : std::uint8_t {
  kReads,    // nothing
  kReports,  // adds a decision or feedback to the log, as any client may
  kChanges,  // changes how the daemon works: administrators only
};

struct RouteRequest {
  Caller caller;
  std::string capture;    // the {...} part of the path, decoded
  std::string_view body;  // valid during the call
};

struct RouteReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;      // methods, for 405 only
  bool replayed = false;  // the kept answer to an Idempotency-Key
};

struct RouteRow {
  std::string_view method;  // "GET" or "POST"
  std::string_view path;    // at most one {name}, which matches one or more bytes
  std::string_view help;
  Effect effect = Effect::kReads;
  Role role = Role::kAdmin;  // least privileged socket that serves it
  RouteReply (*handler)(Ports&, const RouteRequest&) = nullptr;
  std::string_view takes;  // schema of the body (openapi.h); empty: none
  std::string_view gives;  // schema of the good answer; empty: not JSON
  int good = 200;          // status of the good answer
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
