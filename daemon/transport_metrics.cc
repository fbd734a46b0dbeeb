#include "daemon/transport_metrics.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace pointsman::daemon {
namespace {

std::uint64_t Value(const TransportStatistics::Counter& counter) { return counter.load(std::memory_order_relaxed); }

void Family(std::string* text, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(*text), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Single(std::string* text, std::string_view name, std::string_view type, std::string_view help,
            const TransportStatistics::Counter& counter) {
  Family(text, name, type, help);
  fmt::format_to(std::back_inserter(*text), "{} {}\n", name, Value(counter));
}

void Labelled(std::string* text, std::string_view name, std::string_view label, std::string_view value,
              const TransportStatistics::Counter& counter) {
  fmt::format_to(std::back_inserter(*text), "{}{{{}=\"{}\"}} {}\n", name, label, value, Value(counter));
}

}  // namespace

std::string TransportMetricsText(const TransportStatistics& statistics) {
  std::string text;
  Single(&text, "pointsman_connections_accepted_total", "counter", "Connections accepted.", statistics.accepted);

  constexpr std::string_view kRefused = "pointsman_connections_refused_total";
  Family(&text, kRefused, "counter", "Connections refused when they were accepted.");
  Labelled(&text, kRefused, "reason", "unknown_identity", statistics.refused_identity);
  Labelled(&text, kRefused, "reason", "uid_not_allowed", statistics.refused_uid);
  Labelled(&text, kRefused, "reason", "too_many_connections", statistics.refused_total);
  Labelled(&text, kRefused, "reason", "too_many_connections_of_uid", statistics.refused_per_uid);
  Labelled(&text, kRefused, "reason", "penalised", statistics.refused_penalty);

  Single(&text, "pointsman_transport_frames_total", "counter", "Whole frames received.", statistics.frames_in);
  Single(&text, "pointsman_transport_replies_total", "counter", "Replies of any kind.", statistics.replies);
  Single(&text, "pointsman_transport_error_replies_total", "counter", "Replies that are errors.", statistics.errors);
  Single(&text, "pointsman_transport_received_bytes_total", "counter", "Bytes received.", statistics.bytes_in);
  Single(&text, "pointsman_transport_sent_bytes_total", "counter", "Bytes sent.", statistics.bytes_out);

  constexpr std::string_view kFaults = "pointsman_transport_faults_total";
  Family(&text, kFaults, "counter", "What went wrong on connections.");
  Labelled(&text, kFaults, "fault", "accept_pause", statistics.accept_pauses);
  Labelled(&text, kFaults, "fault", "bad_frame", statistics.bad_frames);
  Labelled(&text, kFaults, "fault", "unknown_kind", statistics.unknown_kinds);
  Labelled(&text, kFaults, "fault", "frame_timeout", statistics.timeouts_frame);
  Labelled(&text, kFaults, "fault", "idle_timeout", statistics.timeouts_idle);
  Labelled(&text, kFaults, "fault", "output_timeout", statistics.timeouts_output);
  Labelled(&text, kFaults, "fault", "output_overflow", statistics.output_overflow);
  Labelled(&text, kFaults, "fault", "too_many_in_flight", statistics.late_refused);
  Labelled(&text, kFaults, "fault", "reply_dropped", statistics.late_dropped);
  Labelled(&text, kFaults, "fault", "reply_lost", statistics.replies_lost);
  Labelled(&text, kFaults, "fault", "handler_exception", statistics.handler_exceptions);
  return text;
}

}  // namespace pointsman::daemon
