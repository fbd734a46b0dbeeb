// Conversions that events and decision rows share. Private to store/.
//
// Get* return false when the message breaks a bound; the caller names the record.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/learning/attribution.h"
#include "policy/learning/event.h"
#include "record.pb.h"

namespace pointsman::store {

// A list of doubles and its twin of floats (record.proto): into the twin where every
// number is a float exactly, signs of zero included.
using Doubles = google::protobuf::RepeatedField<double>;
using Floats = google::protobuf::RepeatedField<float>;
void PutNumbers(std::span<const double> from, Doubles* doubles, Floats* floats);
// How many numbers there are; -1 when both lists have some.
inline int CountNumbers(const Doubles& doubles, const Floats& floats) {
  return doubles.empty() ? floats.size() : floats.empty() ? doubles.size() : -1;
}
inline double GetNumber(const Doubles& doubles, const Floats& floats, int i) {
  return floats.empty() ? doubles.Get(i) : static_cast<double>(floats.Get(i));
}

void PutContext(const policy::DecisionContext& from, record::Context* to);
bool GetContext(const record::Context& from, policy::DecisionContext* to);

void PutOutcome(const policy::OutcomeReported& from, record::OutcomeReported* to);
bool GetOutcome(const record::OutcomeReported& from, policy::OutcomeReported* to);

void PutWidths(const policy::Widths& from, record::Widths* to);
bool GetWidths(const record::Widths& from, policy::Widths* to);

// Zero hashes are stored as nothing.
void PutHash(const BundleHash& from, std::string* to);
bool GetHash(std::string_view from, BundleHash* to);
bool GetDecision(std::string_view from, DecisionId* to);

// The payload's message; false for one that breaks a bound.
void PutPayload(const policy::Payload& from, record::Event* to);
bool GetPayload(const record::Event& from, policy::Payload* to);

// Parts of CheckPayload; "" when sound, else the name of the field.
std::string_view FaultOfContext(const policy::DecisionContext& context);
std::string_view FaultOfOutcome(const policy::OutcomeReported& outcome);

template <typename... Numbers>
bool Finite(Numbers... numbers) {
  return (std::isfinite(numbers) && ...);
}

}  // namespace pointsman::store
