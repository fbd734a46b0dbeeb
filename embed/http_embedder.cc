#include "embed/http_embedder.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/unit_draw.h"
#include "embed/http_endpoint.h"
#include "embed/text.h"

namespace pointsman::embed {
namespace {

constexpr std::size_t kCacheTexts = 4096;
constexpr std::int64_t kRestNanos = 2'000'000'000;
constexpr int kBatchTimeoutMs = 60'000;
constexpr int kBatchTries = 3;
constexpr std::size_t kTextBytesMax = 1U << 20;

Error Mismatch() {
  return MakeError(Code::kDataLoss, "embedder_mismatch",
                   "the bundle's parameters of its embedding endpoint are damaged; restore the bundle file");
}

policy::EmbedderIdentity IdentityOf(const std::string& model, std::size_t dimension) {
  policy::EmbedderIdentity identity;
  identity.kind = "http";
  identity.dimension = static_cast<std::uint32_t>(dimension);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(model.data()), model.size());
  const std::uint64_t words[4] = {Mix(bytes, 31), Mix(bytes, 32), Mix(bytes, 33), dimension};
  std::memcpy(identity.digest.data(), words, identity.digest.size());
  return identity;
}

// "HTE1", then lines: base URL, model, key's variable, time limit, batch.
std::vector<std::uint8_t> Serialise(const HttpEmbedderOptions& options) {
  const std::string text = fmt::format("HTE1\n{}\n{}\n{}\n{}\n{}\n", options.base_url, options.model, options.key_env,
                                       options.timeout_ms, options.batch);
  return {text.begin(), text.end()};
}

Result<HttpEmbedderOptions> Parse(std::span<const std::uint8_t> bytes) {
  std::vector<std::string> lines(1);
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += static_cast<char>(byte);
    }
  }
  if (lines.size() != 7 || lines[0] != "HTE1") return Mismatch();
  HttpEmbedderOptions options{lines[1], lines[2], lines[3], 0, 0};
  options.timeout_ms = static_cast<std::uint32_t>(std::strtoul(lines[4].c_str(), nullptr, 10));
  options.batch = static_cast<std::uint32_t>(std::strtoul(lines[5].c_str(), nullptr, 10));
  if (options.timeout_ms == 0 || options.batch == 0) return Mismatch();
  return options;
}

Result<std::vector<std::vector<float>>> ReadReply(const std::string& body, std::size_t texts, std::size_t dimension) {
  const auto malformed = [](const char* what) {
    return MakeError(Code::kDataLoss, "malformed_reply", std::string("the reply is no list of embeddings: ") + what);
  };
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array data;
  if (parser.parse(body).get(root) != simdjson::SUCCESS || root["data"].get(data) != simdjson::SUCCESS) {
    return malformed("no data");
  }
  std::vector<std::vector<float>> vectors(texts);
  std::size_t position = 0;
  for (const simdjson::dom::element item : data) {
    std::uint64_t index = 0;
    if (item["index"].get(index) != simdjson::SUCCESS) index = position;
    ++position;
    simdjson::dom::array numbers;
    if (index >= texts || item["embedding"].get(numbers) != simdjson::SUCCESS) return malformed("an item without one");
    std::vector<float>& vector = vectors[index];
    double squares = 0;
    vector.clear();
    for (const simdjson::dom::element number : numbers) {
      double value = 0;
      if (number.get(value) != simdjson::SUCCESS || !std::isfinite(value)) return malformed("what is not a number");
      vector.push_back(static_cast<float>(value));
      squares += value * value;
    }
    if (vector.empty() || vector.size() > policy::kDimensionMax) return malformed("a vector of no or too many numbers");
    if (dimension != 0 && vector.size() != dimension) return malformed("another dimension than the bundle's");
    if (!(squares > 1e-18)) vector.clear();  // says nothing: the background
    for (float& value : vector) value = static_cast<float>(value / std::sqrt(squares));
  }
  if (position != texts) return malformed("not one for each text");
  return vectors;
}

class HttpEmbedder final : public Embedder {
 public:
  HttpEmbedder(policy::EmbedderIdentity identity, HttpEmbedderOptions options)
      : identity_(std::move(identity)), options_(std::move(options)) {}

  Status Connect() {
    HttpEndpointOptions http;
    http.base_url = options_.base_url;
    if (!options_.key_env.empty()) {
      const char* key = std::getenv(options_.key_env.c_str());
      if (key == nullptr) {
        return MakeError(Code::kFailedPrecondition, "key_missing",
                         "the embedder's key: the environment variable " + options_.key_env + " is not set");
      }
      http.key = key;
    }
    http.timeout_ms = static_cast<int>(options_.timeout_ms);
    http.connect_timeout_ms = http.timeout_ms;
    auto quick = HttpEndpoint::Create(http, clock_);
    if (!quick.ok()) return quick.error();
    quick_ = std::move(quick).value();
    http.timeout_ms = kBatchTimeoutMs;
    http.connect_timeout_ms = 5'000;
    auto patient = HttpEndpoint::Create(http, clock_);
    if (!patient.ok()) return patient.error();
    patient_ = std::move(patient).value();
    return {};
  }

  const policy::EmbedderIdentity& identity() const override { return identity_; }

  bool waits() const override { return true; }

  Result<std::vector<float>> Embed(std::string_view text) const override {
    auto known = Known(text, false);
    if (!known.ok()) return known.error();
    if (known->has_value()) return std::move(**known);
    const std::string owned(text.substr(0, kTextBytesMax));
    auto vectors = Ask(*quick_, {&owned, 1});
    const std::lock_guard lock(mutex_);
    if (!vectors.ok()) {
      rest_until_ = clock_.MonotonicNanos() + kRestNanos;
      ++counts_.fallbacks;
      return std::vector<float>{};
    }
    Keep(owned, vectors.value()[0]);
    return std::move(vectors.value()[0]);
  }

  Result<std::vector<float>> EmbedNow(std::string_view text) const override {
    auto known = Known(text, true);
    if (!known.ok()) return known.error();
    return std::move(**known);
  }

  Result<std::vector<std::vector<float>>> EmbedMany(std::span<const std::string> texts) const override {
    std::vector<std::vector<float>> all(texts.size());
    std::vector<std::size_t> usable;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i].empty() && IsUtf8(texts[i])) usable.push_back(i);
    }
    for (std::size_t begin = 0; begin < usable.size(); begin += options_.batch) {
      const std::size_t end = std::min<std::size_t>(begin + options_.batch, usable.size());
      std::vector<std::string> batch;
      for (std::size_t i = begin; i < end; ++i) batch.push_back(texts[usable[i]].substr(0, kTextBytesMax));
      Result<std::vector<std::vector<float>>> vectors = Ask(*patient_, batch);
      for (int t = 1; t < kBatchTries && !vectors.ok(); ++t) vectors = Ask(*patient_, batch);
      if (!vectors.ok()) return vectors.error();
      for (std::size_t i = begin; i < end; ++i) all[usable[i]] = std::move(vectors.value()[i - begin]);
    }
    return all;
  }

  HttpEmbedderCounts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  // What can be said without asking: the cached vector; none at all while the endpoint
  // rests, or with `at_once`; nothing where it should be asked.
  Result<std::optional<std::vector<float>>> Known(std::string_view text, bool at_once) const {
    if (text.empty()) return MakeError(Code::kInvalidArgument, "empty_text", "the text is empty; send the query");
    if (!IsUtf8(text)) {
      return MakeError(Code::kInvalidArgument, "text_not_utf8", "the text is not valid UTF-8; encode it as UTF-8");
    }
    const std::lock_guard lock(mutex_);
    const auto known = cached_.find(std::string(text.substr(0, kTextBytesMax)));
    if (known != cached_.end()) {
      ++counts_.cached;
      order_.splice(order_.begin(), order_, known->second);
      return std::optional(known->second->second);
    }
    if (!at_once && clock_.MonotonicNanos() >= rest_until_) return std::optional<std::vector<float>>{};
    ++counts_.fallbacks;
    return std::optional(std::vector<float>{});
  }

  Result<std::vector<std::vector<float>>> Ask(HttpEndpoint& endpoint, std::span<const std::string> texts) const {
    std::string json = "{\"model\":" + JsonText(options_.model) + ",\"encoding_format\":\"float\",\"input\":[";
    for (std::size_t i = 0; i < texts.size(); ++i) json += (i == 0 ? "" : ",") + JsonText(texts[i]);
    {
      const std::lock_guard lock(mutex_);
      ++counts_.asked;
    }
    const auto reply = endpoint.Post("/embeddings", json + "]}");
    if (!reply.ok()) {
      return MakeError(reply.error().code, "embedder_down", "the embedder: " + reply.error().message);
    }
    if (reply->status != 200) {
      return MakeError(Code::kUnavailable, "embedder_down",
                       fmt::format("the embedder: {} answered {}", options_.base_url, reply->status));
    }
    return ReadReply(reply->body, texts.size(), identity_.dimension);
  }

  void Keep(const std::string& text, const std::vector<float>& vector) const {
    if (cached_.count(text) != 0) return;
    order_.emplace_front(text, vector);
    cached_[text] = order_.begin();
    if (order_.size() <= kCacheTexts) return;
    cached_.erase(order_.back().first);
    order_.pop_back();
  }

  policy::EmbedderIdentity identity_;
  const HttpEmbedderOptions options_;
  const SystemClock clock_;
  std::unique_ptr<HttpEndpoint> quick_;    // for a request
  std::unique_ptr<HttpEndpoint> patient_;  // for a batch
  using Entry = std::pair<std::string, std::vector<float>>;
  mutable std::mutex mutex_;
  mutable std::list<Entry> order_;  // latest first
  mutable std::unordered_map<std::string, std::list<Entry>::iterator> cached_;
  mutable std::int64_t rest_until_ = 0;
  mutable HttpEmbedderCounts counts_;
};

}  // namespace

Result<FittedEmbedder> MakeHttpEmbedder(const HttpEmbedderOptions& options) {
  if (options.model.empty() || (options.base_url + options.model + options.key_env).find('\n') != std::string::npos) {
    return MakeError(Code::kInvalidArgument, "embedder", "the embedder's model is missing, or holds a line end");
  }
  const std::vector<std::string> probe{"dimension"};
  HttpEmbedder prober({"http", 0, {}}, options);
  if (const Status connected = prober.Connect(); !connected.ok()) return connected.error();
  const auto vectors = prober.EmbedMany(probe);
  if (!vectors.ok()) return vectors.error();
  FittedEmbedder fitted;
  fitted.identity = IdentityOf(options.model, vectors.value()[0].size());
  fitted.model = Serialise(options);
  auto loaded = LoadHttpEmbedder(fitted.identity, fitted.model);
  if (!loaded.ok()) return loaded.error();
  fitted.embedder = std::move(loaded).value();
  return fitted;
}

Result<std::shared_ptr<const Embedder>> LoadHttpEmbedder(const policy::EmbedderIdentity& identity,
                                                         std::span<const std::uint8_t> model) {
  const auto options = Parse(model);
  if (!options.ok()) return options.error();
  if (IdentityOf(options->model, identity.dimension) != identity) return Mismatch();
  auto embedder = std::make_shared<HttpEmbedder>(identity, options.value());
  if (const Status connected = embedder->Connect(); !connected.ok()) return connected.error();
  return std::shared_ptr<const Embedder>(std::move(embedder));
}

HttpEmbedderCounts CountsOf(const Embedder& embedder) {
  const auto* http = dynamic_cast<const HttpEmbedder*>(&embedder);
  return http == nullptr ? HttpEmbedderCounts{} : http->counts();
}

}  // namespace pointsman::embed
