// What the rows of admin/routes.h do for clients: JSON in, one request to the ports,
// JSON out. And the rows around gold labels and undo.
//
// Threads: any.
#pragma once

#include "admin/routes.h"

namespace pointsman::admin {

RouteReply PostRoute(Ports& ports, const RouteRequest& request);
RouteReply PostRouteBatch(Ports& ports, const RouteRequest& request);
RouteReply PostOutcome(Ports& ports, const RouteRequest& request);
RouteReply PostFeedback(Ports& ports, const RouteRequest& request);
RouteReply PostRetract(Ports& ports, const RouteRequest& request);
RouteReply PostVote(Ports& ports, const RouteRequest& request);

RouteReply GetGoldQueue(Ports& ports, const RouteRequest& request);
RouteReply PostGold(Ports& ports, const RouteRequest& request);
RouteReply PostUndo(Ports& ports, const RouteRequest& request);

}  // namespace pointsman::admin
