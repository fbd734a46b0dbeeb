#include "bootstrap/llm/call_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <span>

#include "base/fault_point.h"
#include "base/file_error.h"
#include "base/json_text.h"
#include "base/unit_draw.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kCrcDigits = 8;

Error LogError(std::string_view what, std::string_view path, int number) {
  Error error = FileError(what, path, number);
  if (error.reason == "storage_full") error.message += ", nothing that was paid is lost";
  return error;
}

std::string Crc(std::string_view text) {
  const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
  return fmt::format("{:08x}", crc32(0, bytes, static_cast<uInt>(text.size())));
}

std::string LineOf(const CallKey& key, const StoredCall& call) {
  std::string json = fmt::format(
      "{{\"key\":\"{}\",\"tokens_in\":{},\"tokens_out\":{},\"latency_ms\":{:.3f},\"cost_usd\":{},\"truncated\":{}",
      KeyText(key), call.tokens_in, call.tokens_out, call.latency_ms, call.cost_usd, call.truncated);
  if (std::isfinite(call.log_probability)) json += fmt::format(",\"logprob\":{}", call.log_probability);
  json += ",\"label\":" + JsonText(call.label) + ",\"text\":" + JsonText(call.text) + "}";
  return Crc(json) + " " + json + "\n";
}

bool ReadKey(std::string_view text, CallKey* key) {
  if (text.size() != 32) return false;
  const char* middle = text.data() + 16;
  const auto high = std::from_chars(text.data(), middle, key->high, 16);
  const auto low = std::from_chars(middle, middle + 16, key->low, 16);
  return high.ptr == middle && low.ptr == middle + 16;
}

bool ReadLine(simdjson::dom::parser& parser, std::string_view line, CallKey* key, StoredCall* call) {
  if (line.size() < kCrcDigits + 3 || line[kCrcDigits] != ' ') return false;
  const std::string_view json = line.substr(kCrcDigits + 1);
  if (Crc(json) != line.substr(0, kCrcDigits)) return false;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS) return false;
  std::string_view text;
  if (object["key"].get(text) != simdjson::SUCCESS || !ReadKey(text, key)) return false;
  if (object["text"].get(text) != simdjson::SUCCESS) return false;
  call->text = std::string(text);
  if (object["label"].get(text) == simdjson::SUCCESS) call->label = std::string(text);
  const auto number = [&](const char* name, double* value) {
    double read = 0;
    if (object[name].get(read) == simdjson::SUCCESS) *value = read;
  };
  number("tokens_in", &call->tokens_in);
  number("tokens_out", &call->tokens_out);
  number("latency_ms", &call->latency_ms);
  number("cost_usd", &call->cost_usd);
  number("logprob", &call->log_probability);
  bool truncated = false;
  if (object["truncated"].get(truncated) == simdjson::SUCCESS) call->truncated = truncated;
  return true;
}

}  // namespace

CallKey KeyOf(std::string_view asked) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(asked.data()), asked.size());
  return {Mix(bytes, 0x706f696e74736d61), Mix(bytes, 0x6e20626f6f747374)};
}

std::string KeyText(const CallKey& key) { return fmt::format("{:016x}{:016x}", key.high, key.low); }

struct CallLog::Impl {
  std::string path;
  int file = -1;
  std::uint64_t bytes_max = 0;

  mutable std::mutex mutex;
  std::condition_variable synced_more;
  std::map<CallKey, StoredCall> calls;
  CallLogStatistics statistics;
  std::uint64_t written = 0;  // bytes
  std::uint64_t synced = 0;   // bytes
  bool syncing = false;
  std::optional<Error> failed;

  ~Impl() {
    if (file >= 0) close(file);
  }
  Status Load();
  Status WriteAll(std::string_view line);
  Status SyncTo(std::uint64_t end, std::unique_lock<std::mutex>& lock);
};

Status CallLog::Impl::Load() {
  simdjson::dom::parser parser;
  std::string pending;
  std::string buffer(1U << 18, '\0');
  std::uint64_t good_end = 0;
  for (std::uint64_t at = 0;;) {
    const ssize_t got = pread(file, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return LogError("read", path, errno);
    if (got == 0) break;
    at += static_cast<std::uint64_t>(got);
    pending.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', begin)) {
      CallKey key;
      StoredCall call;
      if (ReadLine(parser, std::string_view(pending).substr(begin, end - begin), &key, &call)) {
        statistics.cost_usd += call.cost_usd;
        calls.insert_or_assign(key, std::move(call));
      } else {
        ++statistics.damaged_lines;
      }
      begin = end + 1;
    }
    pending.erase(0, begin);
    good_end = at - pending.size();
  }
  statistics.torn_bytes = pending.size();
  statistics.calls = calls.size();
  if (!pending.empty() && ftruncate(file, static_cast<off_t>(good_end)) != 0) return LogError("repair", path, errno);
  if (lseek(file, 0, SEEK_END) < 0) return LogError("read", path, errno);
  written = synced = good_end;
  return {};
}

Result<std::unique_ptr<CallLog>> CallLog::Open(const std::string& path, std::uint64_t bytes_max) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->bytes_max = bytes_max;
  impl->file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (impl->file < 0) return LogError("open", path, errno);
  if (flock(impl->file, LOCK_EX | LOCK_NB) != 0) {
    return MakeError(Code::kBusy, "call_log_busy", "another job writes " + path + "; wait for it or cancel it");
  }
  struct stat facts {};
  if (fstat(impl->file, &facts) != 0) return LogError("read", path, errno);
  if (!S_ISREG(facts.st_mode)) return LogError("use", path, EINVAL);
  if (static_cast<std::uint64_t>(facts.st_size) > bytes_max) {
    return MakeError(Code::kResourceExhausted, "call_log_full",
                     fmt::format("{} holds more than {} bytes; use another name for this plan", path, bytes_max));
  }
  const Status loaded = impl->Load();
  if (!loaded.ok()) return loaded.error();
  return std::unique_ptr<CallLog>(new CallLog(std::move(impl)));
}

CallLog::CallLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CallLog::~CallLog() = default;

std::optional<StoredCall> CallLog::Find(const CallKey& key) const {
  const std::lock_guard lock(impl_->mutex);
  const auto at = impl_->calls.find(key);
  if (at == impl_->calls.end()) return std::nullopt;
  return at->second;
}

Status CallLog::Impl::WriteAll(std::string_view line) {
  while (!line.empty()) {
    const ssize_t put = ::write(file, line.data(), line.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return LogError("write", path, errno);
    line.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

// Whoever comes first syncs for all that have written; the rest waits.
Status CallLog::Impl::SyncTo(std::uint64_t end, std::unique_lock<std::mutex>& lock) {
  while (synced < end && !failed) {
    if (syncing) {
      synced_more.wait(lock);
      continue;
    }
    syncing = true;
    const std::uint64_t reached = written;
    lock.unlock();
    const int fault = fdatasync(file) == 0 ? 0 : errno;
    lock.lock();
    syncing = false;
    if (fault != 0) failed = LogError("sync", path, fault);
    if (fault == 0) synced = reached;
    synced_more.notify_all();
  }
  if (failed) return *failed;
  return {};
}

Status CallLog::Put(const CallKey& key, const StoredCall& call) {
  const std::string line = LineOf(key, call);
  std::unique_lock lock(impl_->mutex);
  if (impl_->failed) return *impl_->failed;
  if (impl_->written + line.size() > impl_->bytes_max) {
    return MakeError(Code::kResourceExhausted, "call_log_full",
                     fmt::format("{} would hold more than {} bytes", impl_->path, impl_->bytes_max));
  }
  FAULT_POINT("bootstrap.call_log.before_write");
  const Status wrote = impl_->WriteAll(line);
  if (!wrote.ok()) {
    impl_->failed = wrote.error();
    return wrote;
  }
  impl_->written += line.size();
  const Status synced = impl_->SyncTo(impl_->written, lock);
  if (!synced.ok()) return synced;
  FAULT_POINT("bootstrap.call_log.after_sync");
  impl_->statistics.cost_usd += call.cost_usd;
  impl_->calls.insert_or_assign(key, call);
  impl_->statistics.calls = impl_->calls.size();
  return {};
}

CallLogStatistics CallLog::statistics() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->statistics;
}

}  // namespace pointsman::bootstrap
