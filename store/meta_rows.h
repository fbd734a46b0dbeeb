// Rows of the family `meta`: sealed messages under a word. Private to store/.
//
// Threads: any. Errors of reading: DATA_LOSS.
#pragma once

#include <google/protobuf/message_lite.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "store/codec.h"
#include "store/rocks_support.h"

namespace pointsman::store {

inline std::string SealedMessage(std::string_view key, const google::protobuf::MessageLite& message) {
  return Seal(key, message.SerializeAsString());
}

// The message of a row; nothing when there is no such row. Errors: DATA_LOSS.
template <typename Message>
Result<std::optional<Message>> ReadMeta(const Database& database, std::string_view key,
                                        const rocksdb::Snapshot* snapshot = nullptr) {
  const auto value = database.Get(Family::kMeta, key, snapshot);
  if (!value.ok()) {
    if (value.error().code == Code::kNotFound) return std::optional<Message>{};
    return value.error();
  }
  const auto payload = Unseal(key, *value);
  Message message;
  if (!payload.ok() || !message.ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
    return StoreDamaged("damaged_record", "the row " + std::string(key) + " of the store is damaged");
  }
  return std::optional<Message>{std::move(message)};
}

}  // namespace pointsman::store
