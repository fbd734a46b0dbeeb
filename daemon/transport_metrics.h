// The transport's counters as Prometheus text.
//
// Purpose: one place that names them. Threads: any; the counters are read one by
// one, so a scrape is no atomic picture. Limits: label sets are fixed.
#pragma once

#include <string>

#include "daemon/listener.h"

namespace pointsman::daemon {

// Families pointsman_connections_accepted_total and _refused_total{reason},
// pointsman_transport_*_total and pointsman_transport_faults_total{fault}, each
// with HELP and TYPE. Label sets are fixed. The gauge of open
// connections is in the daemon's own metrics. Threads: any.
std::string TransportMetricsText(const TransportStatistics& statistics);

}  // namespace pointsman::daemon
