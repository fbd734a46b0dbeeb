#include "tests/crash/oracle.h"

#include <algorithm>
#include <utility>

#include "tests/crash/audit.h"

namespace pointsman::testing {

client::Outcome<wire::Ack> Send(client::Client& client, const Operation& operation) {
  switch (operation.kind) {
    case Kind::kRating: {
      wire::Rate rate;
      rate.set_token(operation.token);
      rate.set_source(operation.source);
      rate.set_value(operation.value);
      rate.set_revision(operation.revision);
      return client.Call(rate);
    }
    case Kind::kGold: {
      wire::Gold gold;
      gold.set_token(operation.token);
      gold.set_value(operation.value);
      gold.set_revision(operation.revision);
      return client.Call(gold);
    }
    case Kind::kOutcome: {
      wire::Outcome outcome;
      outcome.set_token(operation.token);
      outcome.set_tokens_out(static_cast<std::uint32_t>(operation.value));
      outcome.set_revision(operation.revision);
      return client.Call(outcome);
    }
    case Kind::kPreference: {
      wire::Prefer prefer;
      prefer.set_winner(operation.token);
      prefer.set_loser(operation.other);
      prefer.set_source(operation.source);
      prefer.set_revision(operation.revision);
      return client.Call(prefer);
    }
    case Kind::kRetraction: break;
  }
  wire::Retract retract;
  retract.set_token(operation.token);
  retract.set_source(operation.source);
  retract.set_revision(operation.revision);
  return client.Call(retract);
}

std::string Oracle::IdOf(const std::string& token) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < std::min<std::size_t>(16, token.size()); ++i) {
    const auto byte = static_cast<unsigned char>(token[i]);
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

Oracle::Key Oracle::KeyOf(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kGold: return {Kind::kGold, IdOf(operation.token), "gold"};
    case Kind::kOutcome: return {Kind::kOutcome, IdOf(operation.token), ""};
    case Kind::kPreference: return {Kind::kPreference, IdOf(operation.token), IdOf(operation.other)};
    case Kind::kRating:
    case Kind::kRetraction: break;
  }
  return {Kind::kRating, IdOf(operation.token), operation.source};
}

void Oracle::Acknowledged(const Operation& operation) {
  ++acknowledged_;
  const auto [at, is_new] = last_words_.try_emplace(KeyOf(operation), operation);
  // What is sent again after a kill may be older than what followed it.
  if (!is_new && operation.revision >= at->second.revision) at->second = operation;
}

void Oracle::Merge(Oracle&& other) {
  last_words_.merge(std::move(other.last_words_));
  routed_.merge(std::move(other.routed_));
  doubts_.insert(doubts_.end(), other.doubts_.begin(), other.doubts_.end());
  acknowledged_ += other.acknowledged_;
}

std::vector<Operation> Oracle::TakeDoubts() { return std::exchange(doubts_, {}); }

std::vector<Operation> Oracle::LastWords(std::size_t count) const {
  std::vector<Operation> words;
  const std::size_t step = std::max<std::size_t>(1, last_words_.size() / std::max<std::size_t>(1, count));
  std::size_t index = 0;
  for (const auto& [key, operation] : last_words_) {
    if (index++ % step == 0) words.push_back(operation);
  }
  return words;
}

Oracle::Difference Oracle::Compare(const Exported& exported) const {
  Difference difference;
  const auto note = [&difference](std::uint64_t* counter, const std::string& what) {
    ++*counter;
    if (difference.first.empty()) difference.first = what;
  };
  const auto name = [](const Key& key) {
    return std::to_string(static_cast<int>(std::get<0>(key))) + " " + std::get<1>(key) + " " + std::get<2>(key);
  };
  std::multimap<Key, Operation> doubtful;
  for (const Operation& doubt : doubts_) doubtful.emplace(KeyOf(doubt), doubt);
  // Whether the store says about `key` what `operation` said.
  const auto says = [&exported](const Key& key, const Operation& operation) {
    const auto found = exported.live.find({static_cast<int>(std::get<0>(key)), std::get<1>(key), std::get<2>(key)});
    if (operation.kind == Kind::kRetraction) return found == exported.live.end();
    return found != exported.live.end() && found->second.value == operation.value &&
           found->second.revision == operation.revision;
  };
  for (const auto& [key, operation] : last_words_) {
    bool kept = says(key, operation);
    const auto [from, to] = doubtful.equal_range(key);
    for (auto doubt = from; doubt != to; ++doubt) kept = kept || says(key, doubt->second);
    if (!kept) note(&difference.lost, name(key) + " is absent or was changed");
  }
  for (const auto& [where, word] : exported.live) {
    const Key key{static_cast<Kind>(std::get<0>(where)), std::get<1>(where), std::get<2>(where)};
    if (!last_words_.contains(key) && !doubtful.contains(key)) note(&difference.invented, name(key) + " is invented");
  }
  for (const auto& [event, times] : exported.events) {
    if (times > 1) note(&difference.doubled, event + " lies in the log " + std::to_string(times) + " times");
  }
  for (const auto& [decision, times] : exported.decisions) {
    if (times > 1) note(&difference.doubled, "decision " + decision + " was made twice");
  }
  for (const std::string& id : routed_) difference.unlogged_routes += exported.decisions.contains(id) ? 0 : 1;
  return difference;
}

}  // namespace pointsman::testing
