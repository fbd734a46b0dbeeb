#include "store/codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>

#include "base/unit_draw.h"
#include "store/bundle_file.h"
#include "store/decision_token.h"
#include "store/keys.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char byte : bytes) {
    hex.push_back(kDigits[static_cast<std::uint8_t>(byte) >> 4]);
    hex.push_back(kDigits[static_cast<std::uint8_t>(byte) & 15]);
  }
  return hex;
}

// Frozen bytes. A difference means that stored data of users would not be read:
// never regenerate a file, add a new one. POINTSMAN_WRITE_GOLDEN=1 writes those
// that are missing.
void ExpectGolden(const std::string& name, std::string_view bytes) {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  ASSERT_NE(source, nullptr) << "POINTSMAN_SOURCE names the source tree";
  const std::string path = std::string(source) + "/tests/store/golden/" + name + ".hex";
  if (!std::filesystem::exists(path) && std::getenv("POINTSMAN_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << Hex(bytes) << "\n";
  }
  std::string frozen;
  std::ifstream(path) >> frozen;
  EXPECT_EQ(Hex(bytes), frozen) << name;
}

std::string GoldenName(unsigned type) { return (type < 10 ? "event_0" : "event_") + std::to_string(type); }

// The bytes of a golden file.
std::string Frozen(const std::string& name) {
  std::string hex;
  std::ifstream(std::string(std::getenv("POINTSMAN_SOURCE")) + "/tests/store/golden/" + name + ".hex") >> hex;
  std::string bytes;
  for (std::size_t i = 0; i + 2 <= hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST(Codec, EveryKindOfEventKeepsItsBytesForEver) {
  for (const policy::Event& event : EventOfEachKind()) {
    const auto type = policy::EventType(event.payload);
    EXPECT_EQ(PeekEventType(EncodeEvent(event)), type < 16 ? type : 0);
    // A preference of two contexts, of which one has floats alone, is written shorter than it was.
    ExpectGolden(GoldenName(type) + (type == 4 ? "_floats" : ""), EncodeEvent(event));
  }
}

TEST(Codec, EveryEventThatWasEverWrittenIsStillRead) {
  for (const policy::Event& event : EventOfEachKind()) {
    const std::string value = Frozen(GoldenName(policy::EventType(event.payload)));
    ASSERT_FALSE(value.empty());
    const auto back = DecodeEvent(event.seq, value);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_TRUE(back->payload == event.payload) << policy::EventTypeName(policy::EventType(event.payload));
  }
}

// As a daemon makes them: all but the probabilities of drawing are floats.
policy::Event RoundedDecision() {
  policy::Event event = EventOfEachKind()[0];
  auto& made = std::get<policy::DecisionMade>(event.payload);
  const auto round = [](double& value) { value = static_cast<double>(static_cast<float>(value)); };
  for (auto& entry : made.context.clusters) round(entry.weight);
  for (auto& entry : made.context.anchors) round(entry.weight);
  for (auto& entry : made.tasks) round(entry.probability);
  for (double* value : {&made.context.prior, &made.context.prior_centred, &made.context.predicted_quality,
                        &made.context.predicted_variance}) {
    round(*value);
  }
  return event;
}

TEST(Codec, ARoundedDecisionKeepsItsShorterBytesForEver) {
  const policy::Event event = RoundedDecision();
  ExpectGolden("event_01_rounded", EncodeEvent(event));
  const auto back = DecodeEvent(event.seq, EncodeEvent(event));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(back->payload == event.payload);
}

TEST(Codec, ADecisionUnderARolloutKeepsItsBytesForEver) {
  policy::Event event = RoundedDecision();
  auto& made = std::get<policy::DecisionMade>(event.payload);
  made.incumbent = ModelId{2};
  made.followed = true;
  made.router_share = 0.1;
  ExpectGolden("event_01_rollout", EncodeEvent(event));
  const auto back = DecodeEvent(event.seq, EncodeEvent(event));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(back->payload == event.payload);
  made.router_share = 1.5;
  EXPECT_FALSE(CheckPayload(event.payload).ok());
  made.router_share = 0.1;
  made.incumbent = ModelId{};
  EXPECT_FALSE(CheckPayload(event.payload).ok()) << "nobody to follow";
}

TEST(Codec, AModelThatJoinsOnTrialKeepsItsBytesForEver) {
  policy::ModelAdded added{ModelId{3}, "large", {1.5, 6}, 128'000};
  added.on_trial = true;
  added.like = {"small", "medium"};
  added.level_width = 0.15;
  const policy::Event event{LogSeq{1009}, kNoonUs + 5, policy::Origin::kOperator, 1000, added};
  ExpectGolden("event_09_trial", EncodeEvent(event));
  const auto back = DecodeEvent(event.seq, EncodeEvent(event));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(back->payload == event.payload);
  added.like.assign(policy::kLikeMax + 1, "small");
  EXPECT_FALSE(CheckPayload(added).ok());
  EXPECT_TRUE(CheckPayload(policy::ModelStateChanged{ModelId{3}, policy::ModelState::kProbation}).ok());
}

TEST(Codec, FirstWordsAndWhatGoldIsComparedWithKeepTheirBytesForEver) {
  for (policy::Event event : EventOfEachKind()) {
    if (auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) {
      gold->first_word = true;
      gold->compared = {{1, SubjectHash{0xfeedface}, 0.25}, {2, SubjectHash{5}, 1}};
      ExpectGolden("event_05_compared", EncodeEvent(event));
    } else if (auto* preference = std::get_if<policy::PreferenceGiven>(&event.payload)) {
      preference->first_word = true;
      preference->arrival_weight = 0.25;
      ExpectGolden("event_04_weight", EncodeEvent(event));
    } else {
      continue;
    }
    const auto back = DecodeEvent(event.seq, EncodeEvent(event));
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_TRUE(back->payload == event.payload);
    if (auto* gold = std::get_if<policy::GoldGiven>(&event.payload)) {
      gold->compared[1].channel = 0;
      EXPECT_FALSE(CheckPayload(event.payload).ok()) << "gold is not compared with gold";
      gold->compared[1] = {1, SubjectHash{5}, std::numeric_limits<double>::quiet_NaN()};
      EXPECT_FALSE(CheckPayload(event.payload).ok());
    }
  }
}

TEST(Codec, TokenAndBundleKeepTheirBytesForEver) {
  TokenKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  TokenMint mint(key, TokenKey{}, 0x00beef);
  const TokenBytes token = mint.Mint(1000, "team-a", kNoonUs + 1, Generation{7});
  ExpectGolden("token", {reinterpret_cast<const char*>(token.data()), token.size()});
  const auto bundle = DecodeBundle(EncodeBundle(SmallBundle()));
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  ExpectGolden("bundle_hash", KeyOf(bundle->hash));
}

TEST(Codec, EveryKindOfEventComesBackEqual) {
  std::set<int> types;
  for (const policy::Event& event : EventOfEachKind()) {
    const auto back = DecodeEvent(event.seq, EncodeEvent(event));
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->seq, event.seq);
    EXPECT_EQ(back->at_us, event.at_us);
    EXPECT_EQ(back->origin, event.origin);
    EXPECT_EQ(back->actor_uid, event.actor_uid);
    EXPECT_TRUE(back->payload == event.payload) << policy::EventTypeName(policy::EventType(event.payload));
    types.insert(policy::EventType(event.payload));
  }
  EXPECT_EQ(types.size(), 23u);
}

TEST(Codec, TheNumberOfAnEventIsItsFieldInTheRecord) {
  for (const policy::Event& event : EventOfEachKind()) {
    const std::string value = EncodeEvent(event);
    // Field number and wire type 2, as one or two bytes of varint, after the checksum.
    const unsigned tag = static_cast<unsigned>(policy::EventType(event.payload)) << 3 | 2U;
    if (policy::EventType(event.payload) > 20) {  // lies after the fields of every event
      EXPECT_NE(value.find(std::string{static_cast<char>((tag & 0x7fU) | 0x80U), static_cast<char>(tag >> 7)}, 8),
                std::string::npos);
      continue;
    }
    const auto first = static_cast<std::uint8_t>(value[8]);
    EXPECT_EQ(first & 0x7fU, tag & 0x7fU);
  }
}

TEST(Codec, ADecisionWithEightCandidatesStaysSmall) {
  const auto events = EventOfEachKind();
  const std::string full = EncodeEvent(events[0]);
  policy::Event usual = events[0];
  auto& made = std::get<policy::DecisionMade>(usual.payload);
  made.context.audit = false;
  made.context.gold_probability = 0;
  made.lambda = 0;
  const std::string typical = EncodeEvent(usual);
  RecordProperty("decision_full_bytes", static_cast<int>(full.size()));
  RecordProperty("decision_typical_bytes", static_cast<int>(typical.size()));
  EXPECT_LE(full.size(), 460u) << "typical " << typical.size();
  policy::Event rounded = RoundedDecision();
  EXPECT_LE(EncodeEvent(rounded).size(), 400u);
  // Of a pool and a bundle with large numbers.
  for (auto& candidate : std::get<policy::DecisionMade>(rounded.payload).candidates) candidate.model = ModelId{500};
  EXPECT_LE(EncodeEvent(rounded).size(), 420u);
  RecordProperty("decision_rounded_bytes", static_cast<int>(EncodeEvent(rounded).size()));
  EXPECT_LE(EncodeEvent(events[2]).size(), 400u);
}

TEST(Codec, ExtremeTimesAndNegativeZeroComeBackBitForBit) {
  policy::Event event = EventOfEachKind()[0];
  auto& made = std::get<policy::DecisionMade>(event.payload);
  made.context.decided_at_us = std::numeric_limits<std::int64_t>::min();
  made.expires_at_us = std::numeric_limits<std::int64_t>::max();
  made.context.prior_centred = -0.0;
  const auto back = DecodeEvent(event.seq, EncodeEvent(event));
  ASSERT_TRUE(back.ok());
  const auto& again = std::get<policy::DecisionMade>(back->payload);
  EXPECT_EQ(again.expires_at_us, made.expires_at_us);
  EXPECT_EQ(again.context.decided_at_us, made.context.decided_at_us);
  EXPECT_TRUE(std::signbit(again.context.prior_centred));
}

policy::DecisionRow FullRow() {
  policy::DecisionRow row;
  row.context = ContextOf(9);
  row.decided_seq = LogSeq{12};
  row.expires_at_us = kNoonUs;
  row.tokens_in = 5;
  row.last_folded = LogSeq{14};
  row.values = {{0, SubjectHash{0}, 0, false, 1.0, 1.0}, {1, SubjectHash{3}, 2, true, 0.5, 0.25}};
  row.pairs = {{IdOf(10), 1, SubjectHash{4}, 1, 0.5}};
  row.outcome = policy::OutcomeReported{};
  row.outcome->decision = IdOf(9);
  return row;
}

TEST(Codec, ADecisionRowComesBackEqual) {
  const auto row = FullRow();
  const auto back = DecodeRow(IdOf(9), EncodeRow(row));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(*back == row);
}

TEST(Codec, AValueUnderAnotherKeyIsDamage) {
  const auto events = EventOfEachKind();
  const auto moved = DecodeEvent(LogSeq{events[0].seq.value + 1}, EncodeEvent(events[0]));
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().code, Code::kDataLoss);
  const auto foreign = DecodeRow(IdOf(8), EncodeRow(FullRow()));
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().code, Code::kDataLoss);
}

TEST(Codec, EveryFlippedBitIsDamage) {
  const policy::Event event = EventOfEachKind()[2];
  const std::string value = EncodeEvent(event);
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string flipped = value;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto back = DecodeEvent(event.seq, flipped);
    ASSERT_FALSE(back.ok()) << "bit " << bit;
    EXPECT_EQ(back.error().code, Code::kDataLoss);
  }
}

// Sealed again after the change, so that the parser and the checks behind the
// checksum are reached: whatever they meet, it is a value or DATA_LOSS.
TEST(Codec, NoBytesMakeADecoderCrash) {
  const std::uint64_t seed = 20'260'101;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SplitMix64 random(seed);
  const auto events = EventOfEachKind();
  const std::string row = EncodeRow(FullRow());
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const policy::Event& event = events[random.Below(events.size())];
    std::string payload = round % 2 == 0 ? EncodeEvent(event).substr(8) : row.substr(8);
    const auto changes = random.Below(4) + 1;
    for (std::uint64_t i = 0; i < changes && !payload.empty(); ++i) {
      const auto at = random.Below(payload.size());
      switch (random.Below(4)) {
        case 0: payload[at] = static_cast<char>(random()); break;
        case 1: payload.erase(at, random.Below(8)); break;
        case 2: payload.insert(at, std::string(random.Below(8), static_cast<char>(random()))); break;
        default: payload.resize(at); break;
      }
    }
    if (round % 2 == 0) {
      const auto back = DecodeEvent(event.seq, Seal(LogKey(event.seq), payload));
      if (back.ok()) {
        EXPECT_TRUE(CheckPayload(back->payload).ok());
      } else {
        EXPECT_EQ(back.error().code, Code::kDataLoss);
        ++refused;
      }
    } else {
      const auto back = DecodeRow(IdOf(9), Seal(KeyOf(IdOf(9)), payload));
      EXPECT_TRUE(back.ok() || back.error().code == Code::kDataLoss);
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Codec, WhatCannotBeReadBackIsNotWritten) {
  policy::Event event = EventOfEachKind()[0];
  auto& made = std::get<policy::DecisionMade>(event.payload);
  made.context.prior = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(CheckPayload(event.payload).error().code, Code::kInvalidArgument);
  EXPECT_FALSE(CheckPayload(policy::AdminNote{std::string(kTextBytesMax + 1, 'x')}).ok());
  EXPECT_FALSE(CheckPayload(policy::ModelStateChanged{ModelId{1}, static_cast<policy::ModelState>(9)}).ok());
}

}  // namespace
}  // namespace pointsman::store
