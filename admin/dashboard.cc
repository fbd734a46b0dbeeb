#include "admin/dashboard.h"

#include <array>
#include <string>
#include <utility>

#include "base/log.h"

namespace pointsman::admin {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTypes{
    {{".html", "text/html; charset=utf-8"},
     {".js", "text/javascript; charset=utf-8"},
     {".css", "text/css; charset=utf-8"},
     {".svg", "image/svg+xml"}}};

RouteReply File(std::string_view name) {
  for (const DashboardAsset& asset : DashboardAssets()) {
    if (asset.name != name) continue;
    std::string_view type = "application/octet-stream";
    for (const auto& [ending, known] : kTypes) {
      if (name.ends_with(ending)) type = known;
    }
    return RouteReply{200, std::string(type), std::string(asset.bytes), ""};
  }
  return Refuse(MakeError(Code::kNotFound, "unknown_file", "the dashboard has no file " + log::Escape(name)));
}

}  // namespace

RouteReply DashboardPage(Ports&, const RouteRequest&) { return File("index.html"); }

RouteReply DashboardFile(Ports&, const RouteRequest& request) { return File(request.capture); }

}  // namespace pointsman::admin
