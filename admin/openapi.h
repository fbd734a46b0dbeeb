// The HTTP interface as an OpenAPI 3.1 document, made from the route table and one
// list of schemas. tests/admin/openapi_test.cc holds every answer against it.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

#include "admin/routes.h"

namespace pointsman::admin {

bool HasSchema(std::string_view name);

nlohmann::json OpenApiDocument(std::span<const RouteRow> rows);

}  // namespace pointsman::admin
