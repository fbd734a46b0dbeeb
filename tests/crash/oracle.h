// What the clients of one store were promised, kept by the clients themselves.
//
// Nothing of the daemon's counters is believed: an Oracle learns only from replies
// that came back over the socket, and is compared with an export of the log.
// An operation whose reply did not come is in doubt: it may be there or not, and
// is sent again after the restart, until it has an answer.
//
// Threads: one writer owns one Oracle; Merge when the writers have ended.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "clients/cpp/client.h"

namespace pointsman::testing {

enum class Kind : std::uint8_t { kRating, kGold, kOutcome, kPreference, kRetraction };

// One report as a client sends it. A retraction speaks about the rating of the
// same decision and source.
struct Operation {
  Kind kind = Kind::kRating;
  std::string token;  // 32 bytes
  std::string other;  // kPreference: the loser's token
  std::string source;
  double value = 0;  // kOutcome: tokens_out; kPreference: 1
  std::uint32_t revision = 0;
};

// Sends `operation`; the reply of the daemon.
client::Outcome<wire::Ack> Send(client::Client& client, const Operation& operation);

// What an export found; see audit.h.
struct Exported;

class Oracle {
 public:
  // A route was answered. That its decision reaches the log is not promised by the
  // reply (durability 0), so it is only counted. Forgotten when it was looked up once.
  void Routed(const std::string& token) { routed_.insert(IdOf(token)); }
  void ForgetRoutes() { routed_.clear(); }
  // `operation` was acknowledged. Later ones on the same key replace earlier ones.
  void Acknowledged(const Operation& operation);
  // No reply came.
  void InDoubt(const Operation& operation) { doubts_.push_back(operation); }
  void Merge(Oracle&& other);

  // Takes the doubts away; for sending them again.
  std::vector<Operation> TakeDoubts();
  std::uint64_t acknowledged() const { return acknowledged_; }
  // A few acknowledged operations that are the last word on their key.
  std::vector<Operation> LastWords(std::size_t count) const;

  struct Difference {
    std::uint64_t lost = 0;             // acknowledged, but absent or with another value or revision
    std::uint64_t doubled = 0;          // one report as two events, or one decision made twice
    std::uint64_t invented = 0;         // counts in the store, but no client ever sent it or it was refused
    std::uint64_t unlogged_routes = 0;  // answered, but the kill came before the log; allowed
    std::string first;                  // the first fault, for people
  };
  // Doubts, if any are left, excuse what they explain.
  Difference Compare(const Exported& exported) const;

  // 16 bytes of a token in hexadecimal: the decision's id.
  static std::string IdOf(const std::string& token);

 private:
  // (kind, decision, source or the loser's decision)
  using Key = std::tuple<Kind, std::string, std::string>;
  static Key KeyOf(const Operation& operation);

  std::map<Key, Operation> last_words_;
  std::set<std::string> routed_;
  std::vector<Operation> doubts_;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace pointsman::testing
