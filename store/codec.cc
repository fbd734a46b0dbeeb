#include "store/codec.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "store/keys.h"
#include "store/little_endian.h"
#include "store/record_codec.h"

namespace pointsman::store {

namespace {

constexpr std::size_t kChecksumBytes = 8;

std::uint64_t ChecksumOf(std::string_view key, std::string_view payload) {
  // Seeded with the key's checksum: the same as hashing both, without a copy.
  return XXH3_64bits_withSeed(payload.data(), payload.size(), XXH3_64bits(key.data(), key.size()));
}

Error Damaged(std::string_view what, std::string_view why) {
  return MakeError(Code::kDataLoss, "damaged_record",
                   std::string(what) + ": " + std::string(why) + "; restore the store from a backup");
}

std::string NameOf(LogSeq seq) { return "event " + std::to_string(seq.value); }

Error BadField(std::string_view field) {
  return MakeError(Code::kInvalidArgument, "bad_field",
                   "field " + std::string(field) + " is not finite, unknown or too long; it cannot be stored");
}

bool Ascending(const policy::Channels& channels) {
  int last = -1;
  for (const auto& entry : channels) {
    if (entry.channel >= policy::kChannelsMax || entry.channel <= last || !Finite(entry.value, entry.offset)) {
      return false;
    }
    last = entry.channel;
  }
  return true;
}

bool FinitePrice(const policy::Price& price) {
  return Finite(price.input_usd_per_million, price.output_usd_per_million) && price.input_usd_per_million >= 0 &&
         price.output_usd_per_million >= 0;
}

bool AllFinite(const std::vector<double>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](double number) { return std::isfinite(number); });
}

// "" when the payload is sound, else the field.
struct FaultOf {
  std::string_view operator()(const policy::DecisionMade& made) const {
    if (const auto fault = FaultOfContext(made.context); !fault.empty()) return fault;
    if (!Finite(made.weights.quality, made.weights.cost, made.lambda)) return "weights";
    if (made.tenant.size() > kTenantBytesMax) return "tenant";
    if (!(made.router_share >= 0 && made.router_share <= 1)) return "router_share";
    if (made.incumbent.value == 0 && (made.followed || made.router_share != 1)) return "incumbent";
    for (const auto& task : made.tasks) {
      if (!Finite(task.probability)) return "tasks";
    }
    return {};
  }
  std::string_view operator()(const policy::OutcomeReported& outcome) const { return FaultOfOutcome(outcome); }
  std::string_view operator()(const policy::RowChanged& row) const {
    if (const auto fault = FaultOfContext(row.context); !fault.empty()) return fault;
    if (!Ascending(row.before)) return "before";
    if (!Ascending(row.after)) return "after";
    if (row.channel >= policy::kChannelsMax) return "channel";
    if (!Finite(row.value)) return "value";
    if (!Finite(row.weight_before, row.weight_after, row.arrival_weight)) return "weight";
    for (const policy::SubjectSaid& said : row.compared) {
      if (said.channel < 1 || said.channel >= policy::kChannelsMax || !Finite(said.value)) return "compared";
    }
    return {};
  }
  std::string_view operator()(const policy::PreferenceGiven& preference) const {
    if (const auto fault = FaultOfContext(preference.winner); !fault.empty()) return fault;
    if (const auto fault = FaultOfContext(preference.loser); !fault.empty()) return fault;
    if (preference.channel >= policy::kChannelsMax) return "channel";
    if (!Finite(preference.outcome) || (preference.replaced_outcome && !Finite(*preference.replaced_outcome))) {
      return "outcome";
    }
    if (!Finite(preference.arrival_weight)) return "weight";
    return {};
  }
  std::string_view operator()(const policy::ModelAdded& model) const {
    if (model.name.size() > kNameBytesMax) return "name";
    if (model.like.size() > policy::kLikeMax || !Finite(model.level_width)) return "trial";
    for (const std::string& name : model.like) {
      if (name.size() > kNameBytesMax) return "like";
    }
    return FinitePrice(model.price) ? std::string_view{} : "price";
  }
  std::string_view operator()(const policy::ModelProbed& probed) const {
    if (probed.rows.size() > policy::kProbeRowsMax) return "rows";
    for (const policy::ProbeRow& row : probed.rows) {
      if (const auto fault = FaultOfContext(row.context); !fault.empty()) return fault;
      if (!Finite(row.value)) return "value";
    }
    return {};
  }
  std::string_view operator()(const policy::ModelStateChanged& change) const {
    return change.state < policy::ModelState::kActive || change.state > policy::ModelState::kProbation
               ? "state"
               : std::string_view{};
  }
  std::string_view operator()(const policy::PriceChanged& change) const {
    return FinitePrice(change.price) ? std::string_view{} : "price";
  }
  std::string_view operator()(const policy::OptionsChanged& change) const {
    const policy::Options& options = change.options;
    if (options.sources.size() > policy::kSourcesMax) return "sources";
    for (const auto& source : options.sources) {
      if (source.size() > kNameBytesMax) return "sources";
    }
    if (options.fallback_model.size() > kNameBytesMax) return "fallback_model";
    if (options.exploration < policy::Exploration::kGreedyAudits ||
        options.exploration > policy::Exploration::kSquareCb) {
      return "exploration";
    }
    for (const policy::TenantBudget& budget : options.tenant_budgets) {
      if (budget.tenant.size() > kNameBytesMax || !Finite(budget.usd)) return "tenant_budgets";
    }
    const policy::Widths& widths = options.widths;
    if (!Finite(options.rating_half_life_days, options.gold_half_life_days, options.gold_rate, options.audit_rate_start,
                options.audit_rate, options.thompson_scale, options.probability_floor, options.epsilon,
                options.squarecb_gamma, options.budget_usd, options.pacing_step, options.lambda_max, widths.model,
                widths.trust, widths.cell, widths.source, widths.source_model, widths.source_cell, widths.common)) {
      return "options";
    }
    return {};
  }
  std::string_view operator()(const policy::GenerationActivated& activated) const {
    return activated.reason.size() > kTextBytesMax ? "reason" : std::string_view{};
  }
  std::string_view operator()(const policy::AdminNote& note) const {
    return note.text.size() > kTextBytesMax ? "text" : std::string_view{};
  }
  std::string_view operator()(const policy::Refitted& refitted) const {
    if (refitted.noise.size() > policy::kChannelsMax * policy::kChannelsMax || !AllFinite(refitted.noise)) {
      return "noise";
    }
    if (refitted.response.size() > policy::kSourcesMax || !AllFinite(refitted.response)) return "response";
    for (const policy::PacerStart& pacer : refitted.pacers) {
      if (pacer.tenant.size() > kNameBytesMax || !Finite(pacer.lambda)) return "pacers";
    }
    return Finite(refitted.model_width, refitted.trust_width) ? std::string_view{} : "widths";
  }
  std::string_view operator()(const policy::BiasSurfaceInstalled& surface) const {
    if (surface.channel < 1 || surface.channel >= policy::kChannelsMax) return "channel";
    if (!Finite(surface.noise, surface.error)) return "noise";
    if (surface.learner.size() > policy::kSurfaceLearnerBytes) return "learner";
    if (surface.clusters.size() > policy::kSurfaceClustersMax || !AllFinite(surface.clusters)) return "clusters";
    if (surface.models.size() > policy::kSurfaceModelsMax) return "models";
    for (const policy::ModelBias& model : surface.models) {
      if (!Finite(model.bias)) return "models";
    }
    return {};
  }
  std::string_view operator()(const policy::RolloutChanged& changed) const {
    if (changed.reason.size() > kTextBytesMax) return "reason";
    return policy::ValidateRollout(changed.rollout).ok() ? std::string_view{} : "rollout";
  }
  // Nothing but whole numbers.
  std::string_view operator()(const policy::DecisionExpired&) const { return {}; }
  std::string_view operator()(const policy::Tick&) const { return {}; }
  std::string_view operator()(const policy::EpochDeclared&) const { return {}; }
  std::string_view operator()(const policy::SubjectExcluded&) const { return {}; }
  std::string_view operator()(const policy::SubjectIncluded&) const { return {}; }
  std::string_view operator()(const policy::LearningSwitched&) const { return {}; }
  std::string_view operator()(const policy::CellReset&) const { return {}; }
};

bool KnownOrigin(std::uint32_t origin) {
  return origin >= static_cast<std::uint32_t>(policy::Origin::kClient) &&
         origin <= static_cast<std::uint32_t>(policy::Origin::kStore);
}

}  // namespace

std::string Seal(std::string_view key, std::string_view payload) {
  std::string value;
  value.reserve(kChecksumBytes + payload.size());
  AppendLittle(ChecksumOf(key, payload), kChecksumBytes, &value);
  value.append(payload);
  return value;
}

Result<std::string_view> Unseal(std::string_view key, std::string_view value) {
  if (value.size() < kChecksumBytes) return Damaged("stored value", "shorter than its checksum");
  const std::string_view payload = value.substr(kChecksumBytes);
  if (GetLittle(value.data(), kChecksumBytes) != ChecksumOf(key, payload)) {
    return Damaged("stored value", "the checksum does not fit");
  }
  return payload;
}

Status CheckPayload(const policy::Payload& payload) {
  const std::string_view fault = std::visit(FaultOf{}, payload);
  if (!fault.empty()) return BadField(fault);
  return {};
}

Status CheckRow(const policy::DecisionRow& row) {
  if (const auto fault = FaultOfContext(row.context); !fault.empty()) return BadField(fault);
  if (row.values.size() > policy::kSubjectValuesMax) return BadField("values");
  for (const auto& value : row.values) {
    if (value.channel >= policy::kChannelsMax || !Finite(value.value, value.arrival_weight)) return BadField("values");
  }
  if (row.pairs.size() > policy::kSubjectValuesMax) return BadField("pairs");
  for (const auto& pair : row.pairs) {
    if (pair.channel >= policy::kChannelsMax || !Finite(pair.outcome, pair.arrival_weight)) return BadField("pairs");
  }
  if (row.outcome) {
    if (const auto fault = FaultOfOutcome(*row.outcome); !fault.empty()) return BadField(fault);
  }
  return {};
}

std::string EncodeEvent(const policy::Event& event) {
  REQUIRE(event.seq.value >= 1, "events are numbered from 1");
  record::Event message;
  PutPayload(event.payload, &message);
  message.set_previous(event.seq.value - 1);
  message.set_at_us(event.at_us);
  message.set_origin(static_cast<std::uint32_t>(event.origin));
  message.set_actor_uid(event.actor_uid);
  return Seal(LogKey(event.seq), message.SerializeAsString());
}

Result<policy::Event> DecodeEvent(LogSeq seq, std::string_view value) {
  const auto payload = Unseal(LogKey(seq), value);
  if (!payload.ok()) return Damaged(NameOf(seq), "the checksum does not fit");
  record::Event message;
  if (!message.ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
    return Damaged(NameOf(seq), "not a record.Event");
  }
  policy::Event event;
  event.seq = seq;
  event.at_us = message.at_us();
  event.actor_uid = message.actor_uid();
  if (!KnownOrigin(message.origin())) return Damaged(NameOf(seq), "unknown origin");
  event.origin = static_cast<policy::Origin>(message.origin());
  if (message.previous() + 1 != seq.value) return Damaged(NameOf(seq), "it follows another event than the one before");
  if (!GetPayload(message, &event.payload)) return Damaged(NameOf(seq), "unknown or malformed payload");
  if (const Status sound = CheckPayload(event.payload); !sound.ok()) return Damaged(NameOf(seq), sound.error().message);
  return event;
}

std::uint8_t PeekEventType(std::string_view value) {
  // Fields are written in the order of their numbers and the payload has the smallest:
  // the first tag, (number << 3 | 2), one byte below 16.
  constexpr std::uint8_t kLengthDelimited = 2;
  if (value.size() <= kChecksumBytes) return 0;
  const auto tag = static_cast<std::uint8_t>(value[kChecksumBytes]);
  return tag < 0x80 && (tag & 7) == kLengthDelimited ? tag >> 3 : 0;
}

std::string EncodeRow(const policy::DecisionRow& row) {
  record::DecisionRow message;
  PutContext(row.context, message.mutable_context());
  message.set_decided_seq(row.decided_seq.value);
  message.set_expires_at_us(row.expires_at_us);
  message.set_tokens_in(row.tokens_in);
  message.set_last_folded(row.last_folded.value);
  for (const auto& value : row.values) {
    auto* to = message.add_values();
    to->set_channel(value.channel);
    to->set_subject(value.subject.value);
    to->set_revision(value.revision);
    to->set_retracted(value.retracted);
    to->set_value(value.value);
    to->set_arrival_weight(value.arrival_weight);
  }
  for (const auto& pair : row.pairs) {
    auto* to = message.add_pairs();
    to->set_other(std::string(KeyOf(pair.other)));
    to->set_channel(pair.channel);
    to->set_subject(pair.subject.value);
    to->set_revision(pair.revision);
    to->set_outcome(pair.outcome);
    to->set_last_folded(pair.last_folded.value);
    if (pair.arrival_weight != 1) to->set_arrival_weight(pair.arrival_weight);
  }
  if (row.outcome) PutOutcome(*row.outcome, message.mutable_outcome());
  return Seal(KeyOf(row.context.decision), message.SerializeAsString());
}

Result<policy::DecisionRow> DecodeRow(const DecisionId& id, std::string_view value) {
  constexpr std::string_view kWhat = "decision row";
  const auto payload = Unseal(KeyOf(id), value);
  if (!payload.ok()) return Damaged(kWhat, "the checksum does not fit");
  record::DecisionRow message;
  if (!message.ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
    return Damaged(kWhat, "not a record.DecisionRow");
  }
  policy::DecisionRow row;
  if (!GetContext(message.context(), &row.context)) return Damaged(kWhat, "malformed context");
  if (row.context.decision != id) return Damaged(kWhat, "it belongs to another decision");
  row.decided_seq = LogSeq{message.decided_seq()};
  row.expires_at_us = message.expires_at_us();
  row.tokens_in = message.tokens_in();
  row.last_folded = LogSeq{message.last_folded()};
  for (const auto& from : message.values()) {
    if (from.channel() >= policy::kChannelsMax) return Damaged(kWhat, "unknown channel");
    row.values.push_back({static_cast<std::uint8_t>(from.channel()), SubjectHash{from.subject()}, from.revision(),
                          from.retracted(), from.value(), from.arrival_weight()});
  }
  for (const auto& from : message.pairs()) {
    policy::PairValue pair;
    if (from.channel() >= policy::kChannelsMax || !GetDecision(from.other(), &pair.other)) {
      return Damaged(kWhat, "malformed pair");
    }
    pair.channel = static_cast<std::uint8_t>(from.channel());
    pair.subject = SubjectHash{from.subject()};
    pair.revision = from.revision();
    pair.outcome = from.outcome();
    pair.last_folded = LogSeq{from.last_folded()};
    if (from.has_arrival_weight()) pair.arrival_weight = from.arrival_weight();
    row.pairs.push_back(pair);
  }
  if (message.has_outcome() && !GetOutcome(message.outcome(), &row.outcome.emplace())) {
    return Damaged(kWhat, "malformed outcome");
  }
  if (const Status sound = CheckRow(row); !sound.ok()) return Damaged(kWhat, sound.error().message);
  return row;
}

}  // namespace pointsman::store
