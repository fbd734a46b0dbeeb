// Bytes of the values of state rows (state_codec.h has their format); inner header.
// A decoder reads what the encoder wrote, after the version byte; the reader's own
// checks tell whether the bytes were there. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "policy/belief/byte_codec.h"
#include "policy/belief/state.h"

namespace pointsman::policy {

// A writer that has written the version byte, kFoldVersion.
ByteWriter Begin();

std::string EncodeMeta(const State& state);
void DecodeMeta(ByteReader& in, State& state);
std::string EncodeOptions(const Options& options);
void DecodeOptions(ByteReader& in, Options& options);
std::string EncodeCell(const Cell& cell);
void DecodeCell(ByteReader& in, Cell& cell);
std::string EncodeCounters(const Counters& counters);
void DecodeCounters(ByteReader& in, Counters& counters);
std::string EncodeGeneration(const GenerationRecord& record);
std::string EncodeIrregular(const IrregularRow& row);
bool DecodeIrregular(ByteReader& in, IrregularRow& row);
std::string EncodeModel(const Model& model);
std::string EncodeNoise(const NoiseModel& noise);
void DecodeNoise(ByteReader& in, NoiseModel& noise);
std::string EncodePair(const PairTally& tally);
std::string EncodePreference(const PreferenceMoments& moments);
void DecodePreference(ByteReader& in, PreferenceMoments& moments);
std::string EncodeHeld(const HeldPreference& held);
void DecodeHeld(ByteReader& in, HeldPreference& held);
std::string EncodeSources(const State& state);
void DecodeSources(ByteReader& in, State& state);
std::string EncodeTally(const ModelTally& tally);
void DecodeTally(ByteReader& in, ModelTally& tally);
std::string EncodeDiscounts(const std::vector<Discount>& discounts);
void DecodeDiscounts(ByteReader& in, std::vector<Discount>& discounts);
std::string EncodeWatch(const ModelWatch& watch);
void DecodeWatch(ByteReader& in, ModelWatch& watch);
std::string EncodePacer(const Pacer& pacer);
void DecodePacer(ByteReader& in, Pacer& pacer);
std::string EncodeHealth(const ModelHealth& health);
void DecodeHealth(ByteReader& in, ModelHealth& health);
std::string EncodeSurface(const BiasSurfaceInstalled& surface);
bool DecodeSurface(ByteReader& in, std::uint32_t channel, State& state);
std::string EncodeRollout(const RolloutRecord& record);
bool DecodeRollout(ByteReader& in, RolloutRecord& record);
std::string EncodeLastChange(const LastChange& change);
bool DecodeLastChange(ByteReader& in, LastChange& change);
std::string EncodeSubjectTable(const SubjectTable& table);
bool DecodeSubjectTable(ByteReader& in, SubjectTable& table);
std::string EncodeSubjectRecord(const SubjectRecord& record);
void DecodeSubjectRecord(ByteReader& in, SubjectRecord& record);
// The book's settings and totals.
std::string EncodeSubjectTotals(const SubjectBook& book);
void DecodeSubjectTotals(ByteReader& in, SubjectBook& book);
std::string EncodeAlarms(const std::vector<Alarm>& alarms);
void DecodeAlarms(ByteReader& in, std::vector<Alarm>& alarms);
// Empty for a model that did not join on trial. Decoding needs the model's own row first.
std::string EncodeNewcomer(const State& state, ModelId model);
bool DecodeNewcomer(ByteReader& in, ModelId model, State& state);

}  // namespace pointsman::policy
