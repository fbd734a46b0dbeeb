// The dashboard: a page, its scripts and styles, compiled into the program from
// admin/dashboard/. They ask nothing from outside; the answers carry a policy that
// forbids it.
//
// Threads: any.
#pragma once

#include <span>
#include <string_view>

#include "admin/routes.h"

namespace pointsman::admin {

struct DashboardAsset {
  std::string_view name;  // "app.js"
  std::string_view bytes;
};
std::span<const DashboardAsset> DashboardAssets();

RouteReply DashboardPage(Ports& ports, const RouteRequest& request);
// Errors: NOT_FOUND.
RouteReply DashboardFile(Ports& ports, const RouteRequest& request);

}  // namespace pointsman::admin
