// What the tests of the paid half share: a folder, a clock, a stand-in and its plan.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/clock.h"
#include "bootstrap/job/plan.h"
#include "bootstrap/llm/call_log.h"
#include "bootstrap/llm/chat_client.h"
#include "bootstrap/llm/meter.h"
#include "tests/support/llm/llm_server.h"

namespace pointsman::bootstrap {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmXXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline PlanEndpoint EndpointAt(const testing::LlmServer& server, const std::string& field, const std::string& model) {
  PlanEndpoint endpoint;
  endpoint.chat.field = field;
  endpoint.chat.name = model;
  endpoint.chat.model = model;
  endpoint.chat.base_url = server.base_url();
  endpoint.chat.input_usd_per_million = 1;
  endpoint.chat.output_usd_per_million = 2;
  endpoint.chat.max_tokens = 64;
  endpoint.chat.timeout_ms = 120'000;  // far beyond what a loaded machine needs
  endpoint.chat.first_pause_seconds = 0.01;
  return endpoint;
}

// Everything that one client needs.
struct ClientWorld {
  explicit ClientWorld(const ChatEndpointOptions& options, double budget_usd = 0) : meter(budget_usd, 0) {
    log = std::move(CallLog::Open(folder.File("calls.log"))).value();
    client = std::move(ChatClient::Create(options, clock, *log, meter)).value();
  }
  TemporaryFolder folder;
  SystemClock clock;
  Meter meter;
  std::unique_ptr<CallLog> log;
  std::unique_ptr<ChatClient> client;
};

}  // namespace pointsman::bootstrap
