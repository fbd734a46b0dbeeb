// clients/golden/frames.json: bytes that every client makes and reads. The Python
// client is held against the same file (tests/clients/python).
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "clients/cpp/client.h"

namespace pointsman::client {
namespace {

using nlohmann::json;

json Vectors() {
  const char* root = std::getenv("POINTSMAN_SOURCE");
  std::ifstream file(std::string(root == nullptr ? "." : root) + "/clients/golden/frames.json");
  return json::parse(file, nullptr, false);
}

std::string Bytes(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

std::unique_ptr<google::protobuf::Message> Make(const std::string& name, bool reply) {
  if (reply) {
    if (name == "Route") return std::make_unique<wire::RouteReply>();
    if (name == "RouteBatch") return std::make_unique<wire::RouteBatchReply>();
    if (name == "Status") return std::make_unique<wire::StatusReply>();
    if (name == "Vote") return std::make_unique<wire::VoteReply>();
    if (name == "Ping") return std::make_unique<wire::Ping>();
    return std::make_unique<wire::Ack>();
  }
  if (name == "Route") return std::make_unique<wire::Route>();
  if (name == "RouteBatch") return std::make_unique<wire::RouteBatch>();
  if (name == "Outcome") return std::make_unique<wire::Outcome>();
  if (name == "Rate") return std::make_unique<wire::Rate>();
  if (name == "Prefer") return std::make_unique<wire::Prefer>();
  if (name == "Gold") return std::make_unique<wire::Gold>();
  if (name == "Retract") return std::make_unique<wire::Retract>();
  if (name == "Status") return std::make_unique<wire::Status>();
  if (name == "Vote") return std::make_unique<wire::Vote>();
  return std::make_unique<wire::Ping>();
}

TEST(GoldenFrames, TheMessagesOfThisClientAreTheseBytes) {
  const json vectors = Vectors();
  ASSERT_TRUE(vectors.is_array()) << "run through ctest, which says where the sources are";
  ASSERT_GE(vectors.size(), 15u);
  for (const json& vector : vectors) {
    const auto message = Make(vector["message"], vector["reply"]);
    const auto parsed = google::protobuf::util::JsonStringToMessage(vector["fields"].dump(), message.get());
    ASSERT_TRUE(parsed.ok()) << vector.dump() << parsed.ToString();
    const std::string frame = Bytes(vector["hex"]);
    ASSERT_GE(frame.size(), 16u);
    EXPECT_EQ(message->SerializeAsString(), frame.substr(16)) << vector.dump();
    const auto read = Make(vector["message"], vector["reply"]);
    ASSERT_TRUE(read->ParseFromString(frame.substr(16))) << vector.dump();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*message, *read)) << vector.dump();
  }
}

}  // namespace
}  // namespace pointsman::client
