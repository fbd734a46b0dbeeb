// The daemon as an arm: everything goes through the route socket.
//
// Route sends the query's text; Report sends the outcome, then the rating, then
// the gold label, and notes what was acknowledged, so that a crash test can compare
// the list with an export. The daemon must already serve the bundle and pool that
// the run is about, with the table's model names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "clients/cpp/client.h"
#include "eval/arm.h"

namespace pointsman::eval {

struct SocketArmOptions {
  std::string socket_path;
  std::vector<std::string> models;  // columns of the table, in its order
  std::string source;               // of ratings; empty: none are sent
  double quality_weight = 1;        // [0,1]; cost gets the rest
  int timeout_ms = 5000;
};

// One item that the daemon acknowledged.
struct Acknowledged {
  std::string token;  // 32 bytes
  enum class Kind : std::uint8_t { kOutcome, kRating, kGold } kind = Kind::kOutcome;
  double value = 0;  // of a rating or gold label
  std::uint64_t sequence = 0;
  std::uint32_t durability = 0;
};

class SocketArm final : public Arm {
 public:
  // Errors: UNAVAILABLE when nobody listens.
  static Result<std::unique_ptr<SocketArm>> Connect(const SocketArmOptions& options);
  ~SocketArm() override;

  // Errors: the daemon's, by code and reason; NOT_FOUND when it chose a model that
  // the table lacks.
  Result<ArmChoice> Route(const StreamItem& item) override;
  Status Report(const ArmChoice& choice, const ArmFeedback& feedback) override;

  const std::vector<Acknowledged>& acknowledged() const { return acknowledged_; }

 private:
  SocketArm(const SocketArmOptions& options, client::Client client);
  template <typename Message>
  Status Send(const Message& message, Acknowledged item);

  SocketArmOptions options_;
  client::Client client_;
  std::vector<Acknowledged> acknowledged_;
};

}  // namespace pointsman::eval
