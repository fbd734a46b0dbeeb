#include "policy/learning/event.h"

namespace pointsman::policy {

namespace {

// In the order of the variant; numbers are stored for ever.
constexpr std::uint8_t kTypes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 25, 26, 27};
static_assert(std::size(kTypes) == std::variant_size_v<Payload>);
static_assert(std::is_same_v<std::variant_alternative_t<0, Payload>, DecisionMade>);
static_assert(std::is_same_v<std::variant_alternative_t<13, Payload>, GenerationActivated>);
static_assert(std::is_same_v<std::variant_alternative_t<14, Payload>, BiasSurfaceInstalled>);
static_assert(std::is_same_v<std::variant_alternative_t<19, Payload>, Refitted>);
static_assert(std::is_same_v<std::variant_alternative_t<20, Payload>, RolloutChanged>);
static_assert(std::is_same_v<std::variant_alternative_t<21, Payload>, ModelProbed>);
static_assert(std::is_same_v<std::variant_alternative_t<22, Payload>, SubjectIncluded>);

}  // namespace

bool DecisionMade::operator==(const DecisionMade& other) const {
  return context == other.context && weights.quality == other.weights.quality && weights.cost == other.weights.cost &&
         lambda == other.lambda && tokens_in == other.tokens_in && gold_wanted == other.gold_wanted &&
         forced == other.forced && no_explore == other.no_explore && observed == other.observed &&
         advised == other.advised && incumbent == other.incumbent && followed == other.followed &&
         router_share == other.router_share && owner_uid == other.owner_uid && tenant == other.tenant &&
         expires_at_us == other.expires_at_us && eligible == other.eligible && candidates == other.candidates &&
         tasks == other.tasks;
}

std::uint8_t EventType(const Payload& payload) {
  REQUIRE(!payload.valueless_by_exception(), "an event without a payload");
  return kTypes[payload.index()];
}

std::string_view EventTypeName(std::uint8_t type) {
  switch (type) {
    case 1: return "DecisionMade";
    case 2: return "OutcomeReported";
    case 3: return "RatingGiven";
    case 4: return "PreferenceGiven";
    case 5: return "GoldGiven";
    case 6: return "Retracted";
    case 7: return "DecisionExpired";
    case 8: return "Tick";
    case 9: return "ModelAdded";
    case 10: return "ModelStateChanged";
    case 11: return "PriceChanged";
    case 12: return "EpochDeclared";
    case 13: return "OptionsChanged";
    case 14: return "GenerationActivated";
    case 15: return "BiasSurfaceInstalled";
    case 16: return "SubjectExcluded";
    case 17: return "LearningSwitched";
    case 18: return "CellReset";
    case 19: return "AdminNote";
    case 20: return "Refitted";
    case 25: return "RolloutChanged";
    case 26: return "ModelProbed";
    case 27: return "SubjectIncluded";
    default: return "Unknown";
  }
}

}  // namespace pointsman::policy
