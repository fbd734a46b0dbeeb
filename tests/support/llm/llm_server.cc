#include "tests/support/llm/llm_server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "base/unit_draw.h"
#include "embed/answer_groups.h"
#include "embed/text.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

constexpr std::size_t kEmbeddingDimension = 64;
constexpr int kSlowMillis = 60'000;

// The rest of the line that begins with `field`.
std::string LineAfter(const std::string& text, const std::string& field) {
  const std::size_t at = text.find(field);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + field.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

int NumberAfter(const std::string& text, const std::string& field) { return std::atoi(LineAfter(text, field).c_str()); }

std::string Between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t at = text.find(begin);
  if (at == std::string::npos) return "";
  const std::size_t from = at + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

std::string Entry(const std::string& name, const std::string& definition) {
  return "Name: " + name + "\nDefinition: " + definition + "\nExample: an example of " + name + "\n";
}

std::vector<double> HashedVector(const std::string& text) {
  std::vector<double> vector(kEmbeddingDimension, 0);
  for (const std::string& word : embed::Words(text)) {
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(word.data()), word.size());
    SplitMix64 random(Mix(bytes, 1));
    for (double& value : vector) value += random.Normal();
  }
  return vector;
}

}  // namespace

struct LlmServer::Impl {
  LlmServerOptions options;
  std::unique_ptr<httplib::Server> server;
  std::thread thread;
  int port = 0;

  std::map<std::string, std::size_t> row_of;  // by query text
  std::map<std::string, std::vector<std::size_t>> rows_of_task;

  mutable std::mutex mutex;
  std::condition_variable stopped;
  bool stopping = false;
  std::uint64_t held_from = std::numeric_limits<std::uint64_t>::max();  // answers
  LlmCounts counts;
  std::uint64_t at_once = 0;
  struct Planned {
    std::string model;
    LlmFault fault;
    int times;
  };
  std::vector<Planned> faults;
  std::set<std::string> paid;
  std::map<std::string, std::string> replies;  // by Idempotency-Key

  void Index();
  void WaitWhileHeld();
  LlmFault TakeFault(const std::string& model);
  bool Break(LlmFault fault, httplib::Response& response);
  void Chat(const httplib::Request& request, httplib::Response& response);
  void Embeddings(const httplib::Request& request, httplib::Response& response);
  std::string Answer(const std::string& model, const std::string& prompt) const;
  std::string WriteQuestions(const std::string& prompt) const;
  std::string Taxonomy(const std::string& prompt) const;
  std::string Judge(const std::string& prompt) const;
  void Count(const std::string& model, const std::string& identity);
  void Control();
};

void LlmServer::Impl::Index() {
  for (std::size_t r = 0; r < options.table.rows.size(); ++r) {
    const bootstrap::TableRow& row = options.table.rows[r];
    row_of.emplace(row.query, r);
    if (row.query.rfind("\nA. ") != std::string::npos) rows_of_task[row.task].push_back(r);
  }
}

void LlmServer::Impl::WaitWhileHeld() {
  std::unique_lock lock(mutex);
  stopped.wait(lock, [this] { return stopping || counts.answered < held_from; });
}

LlmFault LlmServer::Impl::TakeFault(const std::string& model) {
  const std::lock_guard lock(mutex);
  for (Planned& planned : faults) {
    if (planned.times == 0 || (!planned.model.empty() && planned.model != model)) continue;
    --planned.times;
    ++counts.failed;
    return planned.fault;
  }
  return LlmFault::kNone;
}

// True when the response is already what the fault makes of it.
bool LlmServer::Impl::Break(LlmFault fault, httplib::Response& response) {
  const auto refuse = [&](int status, const char* message) {
    response.status = status;
    response.set_content(json{{"error", {{"message", message}}}}.dump(), "application/json");
    return true;
  };
  switch (fault) {
    case LlmFault::kNone: return false;
    case LlmFault::kTooMany: response.set_header("Retry-After", "0.05"); return refuse(429, "slow down");
    case LlmFault::kServerError: return refuse(500, "internal trouble");
    case LlmFault::kUnauthorised: return refuse(401, "Incorrect API key provided");
    case LlmFault::kMalformed: response.set_content("{\"choices\": [", "application/json"); return true;
    case LlmFault::kCut:
      response.set_content_provider(1000, "application/json", [](std::size_t, std::size_t, httplib::DataSink& sink) {
        sink.write("{\"cho", 5);
        return false;
      });
      return true;
    case LlmFault::kSlow: {
      std::unique_lock lock(mutex);
      stopped.wait_for(lock, std::chrono::milliseconds(kSlowMillis), [this] { return stopping; });
      return refuse(503, "too slow");
    }
  }
  return false;
}

std::string LlmServer::Impl::WriteQuestions(const std::string& prompt) const {
  const auto found = rows_of_task.find(LineAfter(prompt, "Domain: "));
  if (found == rows_of_task.end()) return "I know nothing about this domain.";
  const auto count = static_cast<std::size_t>(NumberAfter(prompt, "\nGive "));
  const auto batch = static_cast<std::size_t>(NumberAfter(prompt, "This is batch ") - 1);
  const std::string level = LineAfter(prompt, "Difficulty: ");
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < found->second.size(); ++i) {
    const bool fits = level == "easy" ? i % 2 == 0 : level == "hard" ? i % 2 == 1 : true;
    if (fits) rows.push_back(found->second[i]);
  }
  std::string text = "Here they are.\n";
  for (std::size_t i = batch * count; i < std::min(rows.size(), (batch + 1) * count); ++i) {
    const bootstrap::TableRow& row = options.table.rows[rows[i]];
    const std::size_t split = row.query.rfind("\nA. ");
    text += fmt::format("[Question]\n{}\n[Options]\n{}\n[Answer]\n{}\n#####\n", row.query.substr(0, split),
                        row.query.substr(split + 1), row.gold.empty() ? "A" : row.gold);
  }
  return text;
}

// Domains are the seeds; one subcategory; two levels. The first revision is taken, the
// later ones change nothing.
std::string LlmServer::Impl::Taxonomy(const std::string& prompt) const {
  if (prompt.find("You compare two sets") != std::string::npos) {
    const std::string first = Between(prompt, "Set A:\n", "Set B:\n");
    return first.find("(revised)") != std::string::npos ? "A is clearer.\nChoice: A" : "B is clearer.\nChoice: B";
  }
  if (prompt.find("You check a taxonomy") != std::string::npos) {
    std::string set = Between(prompt, "BEGIN\n", "END");
    if (set.find("(revised)") != std::string::npos) return "Nothing to change.\nBEGIN\n" + set + "END";
    set.replace(set.find("\nExample:"), 0, " (revised)");
    return "One definition was vague.\nBEGIN\n" + set + "END";
  }
  std::string set;
  if (prompt.find("Seed domains:") != std::string::npos) {
    for (const auto& [task, rows] : rows_of_task) {
      if (prompt.find("- " + task + "\n") != std::string::npos) set += Entry(task, "Questions of " + task + ".");
    }
  } else if (prompt.find("Subcategory:") != std::string::npos) {
    set = Entry("easy", "One step.") + Entry("hard", "Several steps.");
  } else {
    set = Entry("all", "Everything.");
  }
  return "BEGIN\n" + set + "END";
}

std::string LlmServer::Impl::Judge(const std::string& prompt) const {
  const std::string question = Between(prompt, "[Question]\n", "\n\n[");
  const std::string answer = Between(prompt, "[Answer to judge]\n", "\n[End]");
  const auto row = row_of.find(question);
  if (row == row_of.end()) return "I cannot judge that.";
  const bool right = embed::LetterOfResponse(answer) == embed::LetterOf(options.table.rows[row->second].gold);
  return std::string("It is ") + (right ? "right.\nScore: 1" : "wrong.\nScore: 0");
}

std::string LlmServer::Impl::Answer(const std::string& model, const std::string& prompt) const {
  if (prompt.find("ready") != std::string::npos && prompt.size() < 64) return "ready";
  if (prompt.find("You write questions") == 0) return WriteQuestions(prompt);
  if (prompt.find("a taxonomy of queries for a router") != std::string::npos) return Taxonomy(prompt);
  if (prompt.find("You judge how good") == 0) return Judge(prompt);
  if (options.nonsense.count(model) != 0) return "banana banana banana";
  const auto row = row_of.find(prompt.substr(0, prompt.rfind("\n\n")));
  if (row == row_of.end()) return "I do not know this question.";
  const auto& models = options.table.models;
  const auto column = std::lower_bound(models.begin(), models.end(), model);
  if (column == models.end() || *column != model) return "I am not in the table.";
  const auto& cell = options.table.rows[row->second].models[static_cast<std::size_t>(column - models.begin())];
  if (embed::LetterOf(cell.answer) < 0) return "It depends.";
  return "Let me think. It follows.\nThe answer is (" + cell.answer + ").";
}

void LlmServer::Impl::Count(const std::string& model, const std::string& identity) {
  const std::lock_guard lock(mutex);
  ++counts.answered;
  ++counts.answered_by[model];
  if (!paid.insert(identity).second) ++counts.paid_twice;
}

void LlmServer::Impl::Chat(const httplib::Request& request, httplib::Response& response) {
  const json body = json::parse(request.body, nullptr, false);
  const std::string model = body.is_object() ? body.value("model", "") : "";
  WaitWhileHeld();
  if (Break(TakeFault(model), response)) return;
  const bool allowed = options.key.empty() || request.get_header_value("Authorization") == "Bearer " + options.key;
  if (!allowed) {
    Break(LlmFault::kUnauthorised, response);
    return;
  }
  if (!body.is_object() || !body.contains("messages")) {
    response.status = 400;
    response.set_content(R"({"error":{"message":"messages is missing"}})", "application/json");
    return;
  }
  const std::string key = request.get_header_value("Idempotency-Key");
  {
    const std::lock_guard lock(mutex);
    const auto known = replies.find(key);
    if (options.idempotency && known != replies.end()) {
      response.set_content(known->second, "application/json");
      return;
    }
  }
  const std::string prompt = body["messages"].back()["content"];
  const std::string text = Answer(model, prompt);
  if (body.value("stream", false)) {
    const auto chunk = [](const json& delta) {
      return "data: " + json{{"choices", {{{"delta", delta}}}}}.dump() + "\n\n";
    };
    response.set_content(chunk({{"content", text.substr(0, text.size() / 2)}}) +
                             chunk({{"content", text.substr(text.size() / 2)}}) + "data: [DONE]\n\n",
                         "text/event-stream");
    Count(model, request.body + key);
    return;
  }
  json choice = {{"index", 0}, {"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", "stop"}};
  if (body.value("logprobs", false)) {
    choice["logprobs"]["content"] =
        json::array({{{"token", "a"}, {"logprob", -0.25}}, {{"token", "b"}, {"logprob", -0.75}}});
  }
  const json reply = {{"object", "chat.completion"},
                      {"model", model},
                      {"choices", json::array({choice})},
                      {"usage", {{"prompt_tokens", prompt.size() / 4}, {"completion_tokens", text.size() / 4}}}};
  {
    const std::lock_guard lock(mutex);
    if (options.idempotency) replies[key] = reply.dump();
  }
  response.set_content(reply.dump(), "application/json");
  Count(model, request.body + key);
}

void LlmServer::Impl::Embeddings(const httplib::Request& request, httplib::Response& response) {
  const json body = json::parse(request.body, nullptr, false);
  if (Break(TakeFault(body.is_object() ? body.value("model", "") : ""), response)) return;
  json data = json::array();
  const json inputs = body["input"].is_array() ? body["input"] : json::array({body["input"]});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", HashedVector(inputs[i].get<std::string>())}});
  }
  response.set_content(json{{"object", "list"}, {"data", data}, {"usage", {{"prompt_tokens", 1}}}}.dump(),
                       "application/json");
  Count(body.value("model", ""), request.body);
}

void LlmServer::Impl::Control() {
  server->Get("/control/counts", [this](const httplib::Request&, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    response.set_content(json{{"requests", counts.requests},
                              {"answered", counts.answered},
                              {"paid_twice", counts.paid_twice},
                              {"failed", counts.failed},
                              {"answered_by", counts.answered_by}}
                                 .dump() +
                             "\n",
                         "application/json");
  });
  server->Post("/control/fault", [this](const httplib::Request& request, httplib::Response& response) {
    const json body = json::parse(request.body, nullptr, false);
    const std::lock_guard lock(mutex);
    faults.push_back({body.value("model", ""), LlmFaultFromName(body.value("kind", "500")), body.value("times", 1)});
    response.set_content("{}\n", "application/json");
  });
}

LlmServer::LlmServer(LlmServerOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->Index();
  if (impl_->options.certificate.empty()) {
    impl_->server = std::make_unique<httplib::Server>();
  } else {
    impl_->server =
        std::make_unique<httplib::SSLServer>(impl_->options.certificate.c_str(), impl_->options.private_key.c_str());
  }
  httplib::Server& server = *impl_->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(96); };
  server.set_keep_alive_max_count(10'000'000);
  server.set_tcp_nodelay(true);
  const auto counted = [this](auto method) {
    return [this, method](const httplib::Request& request, httplib::Response& response) {
      {
        const std::lock_guard lock(impl_->mutex);
        ++impl_->counts.requests;
        impl_->counts.most_at_once = std::max(impl_->counts.most_at_once, ++impl_->at_once);
      }
      (impl_.get()->*method)(request, response);
      const std::lock_guard lock(impl_->mutex);
      --impl_->at_once;
    };
  };
  server.Post("/v1/chat/completions", counted(&Impl::Chat));
  server.Post("/v1/embeddings", counted(&Impl::Embeddings));
  impl_->Control();
  impl_->port = impl_->options.port;
  if (impl_->port == 0) {
    impl_->port = server.bind_to_any_port("127.0.0.1");
  } else if (!server.bind_to_port("127.0.0.1", impl_->port)) {
    impl_->port = -1;
  }
  if (impl_->port <= 0) throw std::runtime_error("no port for the stand-in");
  impl_->thread = std::thread([this] { impl_->server->listen_after_bind(); });
  // A stop before it listens would be lost.
  while (!impl_->server->is_running()) std::this_thread::yield();
}

LlmServer::~LlmServer() { Stop(); }

void LlmServer::Stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->stopped.notify_all();
  impl_->server->stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

int LlmServer::port() const { return impl_->port; }

std::string LlmServer::base_url() const {
  return fmt::format("{}://127.0.0.1:{}/v1", impl_->options.certificate.empty() ? "http" : "https", impl_->port);
}

void LlmServer::Fail(const std::string& model, LlmFault fault, int times) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.push_back({model, fault, times});
}

void LlmServer::HoldAfter(std::uint64_t answers) {
  const std::lock_guard lock(impl_->mutex);
  impl_->held_from = answers;
}

void LlmServer::LetGo() {
  HoldAfter(std::numeric_limits<std::uint64_t>::max());
  impl_->stopped.notify_all();
}

LlmCounts LlmServer::counts() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counts;
}

LlmFault LlmFaultFromName(const std::string& name) {
  static const std::map<std::string, LlmFault> kNames = {
      {"none", LlmFault::kNone},       {"429", LlmFault::kTooMany}, {"500", LlmFault::kServerError},
      {"slow", LlmFault::kSlow},       {"cut", LlmFault::kCut},     {"malformed", LlmFault::kMalformed},
      {"401", LlmFault::kUnauthorised}};
  const auto at = kNames.find(name);
  return at == kNames.end() ? LlmFault::kNone : at->second;
}

bootstrap::Table SmallWorld(std::size_t rows, std::uint64_t seed) {
  const std::vector<std::string> domains{"cooking", "history", "physics"};
  const std::vector<std::vector<std::string>> words{
      {"oven", "butter", "flour", "knead", "simmer", "whisk", "sauce", "roast"},
      {"emperor", "treaty", "revolt", "dynasty", "siege", "senate", "crown", "exile"},
      {"momentum", "charge", "photon", "entropy", "orbit", "torque", "lens", "voltage"}};
  bootstrap::Table table;
  table.name = "small_world";
  table.models = {"cook", "historian", "mixed", "novice", "physicist"};
  SplitMix64 random(seed);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t d = r % domains.size();
    std::string text = fmt::format("Question {} of {}:", r, domains[d]);
    for (int w = 0; w < 8; ++w) text += " " + words[d][random.Below(words[d].size())];
    text += "?\nA. one\nB. two\nC. three\nD. four";
    const auto truth = static_cast<char>('A' + random.Below(4));
    bootstrap::TableRow row{fmt::format("w{}", r), text, domains[d], std::string(1, truth), "", 4, {}, {}};
    for (std::size_t m = 0; m < table.models.size(); ++m) {
      const bool expert = (m == 0 && d == 0) || (m == 1 && d == 1) || (m == 4 && d == 2);
      const double skill = expert ? 0.95 : table.models[m] == "mixed" ? 0.7 : 0.45;
      const char letter = random.Unit() < skill ? truth : static_cast<char>('A' + random.Below(4));
      row.models.push_back({true, letter == truth ? 1.0 : 0.0, kNone, 40, 20, std::string(1, letter)});
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace pointsman::testing
