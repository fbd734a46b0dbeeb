// The twenty-one payloads to messages and back: one Put and one Get each, found by
// overload, so that a payload without a conversion does not compile.
#include <array>
#include <utility>

#include "store/record_codec.h"

namespace pointsman::store {

namespace {

using namespace policy;  // NOLINT(google-build-using-namespace): every type here is one of the domain

std::uint64_t Wrap(std::int64_t value) { return static_cast<std::uint64_t>(value); }

void Put(const DecisionMade& from, record::DecisionMade* to) {
  PutContext(from.context, to->mutable_context());
  PutNumbers(std::array{from.weights.quality, from.weights.cost, from.lambda}, to->mutable_weights(),
             to->mutable_weights_float());
  to->set_tokens_in(from.tokens_in);
  to->set_flags((from.gold_wanted ? 1U : 0U) | (from.forced ? 2U : 0U) | (from.no_explore ? 4U : 0U) |
                (from.observed ? 8U : 0U) | (from.followed ? 16U : 0U));
  to->set_advised(from.advised.value);
  if (from.incumbent.value != 0) {
    to->set_incumbent(from.incumbent.value);
    to->set_router_share(from.router_share);
  }
  to->set_owner_uid(from.owner_uid);
  to->set_tenant(from.tenant);
  to->set_expires_after_us(static_cast<std::int64_t>(Wrap(from.expires_at_us) - Wrap(from.context.decided_at_us)));
  to->set_eligible(from.eligible);
  for (const LoggedCandidate& candidate : from.candidates) {
    to->add_models(candidate.model.value);
    to->add_probabilities(candidate.probability);
    to->add_qualities(candidate.quality);
    to->add_costs_usd(candidate.cost_usd);
    to->add_utilities(candidate.utility);
  }
  std::array<double, decltype(from.tasks)::capacity()> probabilities{};
  for (std::size_t i = 0; i < from.tasks.size(); ++i) {
    to->add_tasks(from.tasks[i].task);
    probabilities[i] = from.tasks[i].probability;
  }
  PutNumbers(std::span(probabilities).first(from.tasks.size()), to->mutable_task_probabilities(),
             to->mutable_task_probabilities_float());
}

bool Get(const record::DecisionMade& from, DecisionMade* to) {
  if (!GetContext(from.context(), &to->context)) return false;
  const int candidates = from.models_size();
  if (CountNumbers(from.weights(), from.weights_float()) != 3 || from.flags() > 31 ||
      candidates > static_cast<int>(kLoggedCandidatesMax) || from.probabilities_size() != candidates ||
      from.qualities_size() != candidates || from.costs_usd_size() != candidates ||
      from.utilities_size() != candidates || from.tasks_size() > 3 ||
      CountNumbers(from.task_probabilities(), from.task_probabilities_float()) != from.tasks_size()) {
    return false;
  }
  const auto weight = [&](int i) { return GetNumber(from.weights(), from.weights_float(), i); };
  to->weights = Weights{weight(0), weight(1)};
  to->lambda = weight(2);
  to->tokens_in = from.tokens_in();
  to->gold_wanted = (from.flags() & 1U) != 0;
  to->forced = (from.flags() & 2U) != 0;
  to->no_explore = (from.flags() & 4U) != 0;
  to->observed = (from.flags() & 8U) != 0;
  to->advised = ModelId{from.advised()};
  to->incumbent = ModelId{from.incumbent()};
  to->followed = (from.flags() & 16U) != 0;
  to->router_share = from.incumbent() == 0 ? 1 : from.router_share();
  to->owner_uid = from.owner_uid();
  to->tenant = from.tenant();
  to->expires_at_us = static_cast<std::int64_t>(Wrap(from.expires_after_us()) + Wrap(to->context.decided_at_us));
  to->eligible = from.eligible();
  for (int i = 0; i < candidates; ++i) {
    to->candidates.push_back(
        {ModelId{from.models(i)}, from.probabilities(i), from.qualities(i), from.costs_usd(i), from.utilities(i)});
  }
  for (int i = 0; i < from.tasks_size(); ++i) {
    to->tasks.push_back({from.tasks(i), GetNumber(from.task_probabilities(), from.task_probabilities_float(), i)});
  }
  return true;
}

void Put(const OutcomeReported& from, record::OutcomeReported* to) { PutOutcome(from, to); }
bool Get(const record::OutcomeReported& from, OutcomeReported* to) { return GetOutcome(from, to); }

void PutChannels(const Channels& from, record::Channels* to) {
  for (const ChannelValue& entry : from) {
    to->add_channels(entry.channel);
    to->add_values(entry.value);
    to->add_offsets(entry.offset);
  }
}

bool GetChannels(const record::Channels& from, Channels* to) {
  if (from.channels_size() > static_cast<int>(kChannelsMax) || from.values_size() != from.channels_size() ||
      from.offsets_size() != from.channels_size()) {
    return false;
  }
  for (int i = 0; i < from.channels_size(); ++i) {
    if (from.channels(i) >= kChannelsMax) return false;
    to->push_back({static_cast<std::uint8_t>(from.channels(i)), from.values(i), from.offsets(i)});
  }
  return true;
}

void Put(const RowChanged& from, record::RowChanged* to) {
  PutContext(from.context, to->mutable_context());
  if (!from.before.empty()) PutChannels(from.before, to->mutable_before());
  if (!from.after.empty()) PutChannels(from.after, to->mutable_after());
  to->set_weight_before(from.weight_before);
  to->set_weight_after(from.weight_after);
  to->set_last_folded(from.last_folded.value);
  to->set_channel(from.channel);
  to->set_subject(from.subject.value);
  to->set_revision(from.revision);
  to->set_value(from.value);
  to->set_arrival_weight(from.arrival_weight);
  to->set_first_word(from.first_word);
  for (const SubjectSaid& said : from.compared) {
    auto* entry = to->add_compared();
    entry->set_channel(said.channel);
    entry->set_subject(said.subject.value);
    entry->set_value(said.value);
  }
}

bool Get(const record::RowChanged& from, RowChanged* to) {
  if (!GetContext(from.context(), &to->context) || !GetChannels(from.before(), &to->before) ||
      !GetChannels(from.after(), &to->after) || from.channel() >= kChannelsMax) {
    return false;
  }
  to->weight_before = from.weight_before();
  to->weight_after = from.weight_after();
  to->last_folded = LogSeq{from.last_folded()};
  to->channel = static_cast<std::uint8_t>(from.channel());
  to->subject = SubjectHash{from.subject()};
  to->revision = from.revision();
  to->value = from.value();
  to->arrival_weight = from.arrival_weight();
  to->first_word = from.first_word();
  if (from.compared_size() > static_cast<int>(kComparedMax)) return false;
  for (const auto& said : from.compared()) {
    if (said.channel() < 1 || said.channel() >= kChannelsMax) return false;
    to->compared.push_back({static_cast<std::uint8_t>(said.channel()), SubjectHash{said.subject()}, said.value()});
  }
  return true;
}

void Put(const PreferenceGiven& from, record::PreferenceGiven* to) {
  PutContext(from.winner, to->mutable_winner());
  PutContext(from.loser, to->mutable_loser());
  to->set_outcome(from.outcome);
  to->set_channel(from.channel);
  to->set_subject(from.subject.value);
  to->set_revision(from.revision);
  if (from.replaced_outcome) to->set_replaced_outcome(*from.replaced_outcome);
  to->set_last_folded(from.last_folded.value);
  if (from.arrival_weight != 1) to->set_arrival_weight(from.arrival_weight);
  to->set_first_word(from.first_word);
}

bool Get(const record::PreferenceGiven& from, PreferenceGiven* to) {
  if (!GetContext(from.winner(), &to->winner) || !GetContext(from.loser(), &to->loser) ||
      from.channel() >= kChannelsMax) {
    return false;
  }
  to->outcome = from.outcome();
  to->channel = static_cast<std::uint8_t>(from.channel());
  to->subject = SubjectHash{from.subject()};
  to->revision = from.revision();
  if (from.has_replaced_outcome()) to->replaced_outcome = from.replaced_outcome();
  to->last_folded = LogSeq{from.last_folded()};
  if (from.has_arrival_weight()) to->arrival_weight = from.arrival_weight();
  to->first_word = from.first_word();
  return true;
}

void Put(const DecisionExpired& from, record::DecisionExpired* to) {
  to->set_count(from.count);
  to->set_up_to(from.up_to.value);
}
bool Get(const record::DecisionExpired& from, DecisionExpired* to) {
  *to = DecisionExpired{from.count(), LogSeq{from.up_to()}};
  return true;
}

void Put(const Tick&, record::Tick*) {}
bool Get(const record::Tick&, Tick*) { return true; }

void PutPrice(const Price& from, record::Price* to) {
  to->set_input_usd_per_million(from.input_usd_per_million);
  to->set_output_usd_per_million(from.output_usd_per_million);
}
Price GetPrice(const record::Price& from) { return {from.input_usd_per_million(), from.output_usd_per_million()}; }

void Put(const ModelAdded& from, record::ModelAdded* to) {
  to->set_id(from.id.value);
  to->set_name(from.name);
  PutPrice(from.price, to->mutable_price());
  to->set_context_tokens(from.context_tokens);
  to->set_on_trial(from.on_trial);
  for (const std::string& name : from.like) to->add_like(name);
  to->set_level_width(from.level_width);
}
bool Get(const record::ModelAdded& from, ModelAdded* to) {
  *to = ModelAdded{ModelId{from.id()}, from.name(), GetPrice(from.price()), from.context_tokens()};
  to->on_trial = from.on_trial();
  to->like.assign(from.like().begin(), from.like().end());
  to->level_width = from.level_width();
  return true;
}

void Put(const ModelProbed& from, record::ModelProbed* to) {
  to->set_id(from.id.value);
  for (const ProbeRow& row : from.rows) {
    record::ProbeRow* stored = to->add_rows();
    PutContext(row.context, stored->mutable_context());
    stored->set_value(row.value);
  }
}
bool Get(const record::ModelProbed& from, ModelProbed* to) {
  to->id = ModelId{from.id()};
  if (from.rows_size() > static_cast<int>(kProbeRowsMax)) return false;
  for (const record::ProbeRow& stored : from.rows()) {
    ProbeRow& row = to->rows.emplace_back();
    if (!GetContext(stored.context(), &row.context)) return false;
    row.value = stored.value();
  }
  return true;
}

void Put(const ModelStateChanged& from, record::ModelStateChanged* to) {
  to->set_id(from.id.value);
  to->set_state(static_cast<std::uint32_t>(from.state));
}
bool Get(const record::ModelStateChanged& from, ModelStateChanged* to) {
  if (from.state() < 1 || from.state() > static_cast<std::uint32_t>(ModelState::kProbation)) return false;
  *to = ModelStateChanged{ModelId{from.id()}, static_cast<ModelState>(from.state())};
  return true;
}

void Put(const PriceChanged& from, record::PriceChanged* to) {
  to->set_id(from.id.value);
  PutPrice(from.price, to->mutable_price());
}
bool Get(const record::PriceChanged& from, PriceChanged* to) {
  *to = PriceChanged{ModelId{from.id()}, GetPrice(from.price())};
  return true;
}

void Put(const EpochDeclared& from, record::EpochDeclared* to) { to->set_id(from.id.value); }
bool Get(const record::EpochDeclared& from, EpochDeclared* to) {
  *to = EpochDeclared{ModelId{from.id()}};
  return true;
}

void Put(const OptionsChanged& from, record::OptionsChanged* to) {
  const Options& options = from.options;
  const Options usual;
  for (const std::string& source : options.sources) to->add_sources(source);
  to->set_rating_half_life_days(options.rating_half_life_days);
  to->set_gold_half_life_days(options.gold_half_life_days);
  to->set_gold_rate(options.gold_rate);
  to->set_audit_rate_start(options.audit_rate_start);
  to->set_audit_rate(options.audit_rate);
  to->set_audit_start_decisions(options.audit_start_decisions);
  to->set_exploration(static_cast<std::uint32_t>(options.exploration));
  to->set_thompson_scale(options.thompson_scale);
  to->set_probability_floor(options.probability_floor);
  if (options.epsilon != usual.epsilon) to->set_epsilon(options.epsilon);
  if (options.squarecb_gamma != usual.squarecb_gamma) to->set_squarecb_gamma(options.squarecb_gamma);
  if (options.budget_usd != usual.budget_usd) to->set_budget_usd(options.budget_usd);
  if (options.pacing_step != usual.pacing_step) to->set_pacing_step(options.pacing_step);
  if (options.lambda_max != usual.lambda_max) to->set_lambda_max(options.lambda_max);
  if (options.change_detection != usual.change_detection) to->set_change_detection(options.change_detection);
  if (options.subject_cap != usual.subject_cap) to->set_subject_cap(options.subject_cap);
  for (const TenantBudget& budget : options.tenant_budgets) {
    to->add_budget_tenants(budget.tenant);
    to->add_budget_tenants_usd(budget.usd);
  }
  to->set_widths_overridden(options.widths_overridden);
  PutWidths(options.widths, to->mutable_widths());
  to->set_fallback_model(options.fallback_model);
}

bool Get(const record::OptionsChanged& from, OptionsChanged* to) {
  Options& options = to->options;
  if (from.sources_size() > static_cast<int>(kSourcesMax) || !GetWidths(from.widths(), &options.widths)) return false;
  if (from.exploration() < 1 || from.exploration() > static_cast<std::uint32_t>(Exploration::kSquareCb)) return false;
  options.sources.assign(from.sources().begin(), from.sources().end());
  options.rating_half_life_days = from.rating_half_life_days();
  options.gold_half_life_days = from.gold_half_life_days();
  options.gold_rate = from.gold_rate();
  options.audit_rate_start = from.audit_rate_start();
  options.audit_rate = from.audit_rate();
  options.audit_start_decisions = from.audit_start_decisions();
  options.exploration = static_cast<Exploration>(from.exploration());
  options.thompson_scale = from.thompson_scale();
  options.probability_floor = from.probability_floor();
  if (from.has_epsilon()) options.epsilon = from.epsilon();
  if (from.has_squarecb_gamma()) options.squarecb_gamma = from.squarecb_gamma();
  if (from.has_budget_usd()) options.budget_usd = from.budget_usd();
  if (from.has_pacing_step()) options.pacing_step = from.pacing_step();
  if (from.has_lambda_max()) options.lambda_max = from.lambda_max();
  if (from.has_change_detection()) options.change_detection = from.change_detection();
  if (from.has_subject_cap()) options.subject_cap = from.subject_cap();
  if (from.budget_tenants_size() != from.budget_tenants_usd_size()) return false;
  for (int i = 0; i < from.budget_tenants_size(); ++i) {
    options.tenant_budgets.push_back({from.budget_tenants(i), from.budget_tenants_usd(i)});
  }
  options.widths_overridden = from.widths_overridden();
  options.fallback_model = from.fallback_model();
  return true;
}

void Put(const GenerationActivated& from, record::GenerationActivated* to) {
  to->set_generation(from.generation.value);
  PutHash(from.bundle, to->mutable_bundle());
  to->set_reason(from.reason);
}
bool Get(const record::GenerationActivated& from, GenerationActivated* to) {
  to->generation = Generation{from.generation()};
  to->reason = from.reason();
  return GetHash(from.bundle(), &to->bundle);
}

void Put(const BiasSurfaceInstalled& from, record::BiasSurfaceInstalled* to) {
  to->set_channel(from.channel);
  to->set_version(from.version);
  PutHash(from.bundle, to->mutable_bundle());
  to->set_fitted_from(from.fitted_from.value);
  to->set_fitted_to(from.fitted_to.value);
  to->set_ratings(from.ratings);
  to->set_gold(from.gold);
  to->set_noise(from.noise);
  to->set_error(from.error);
  to->set_learner(from.learner);
  to->mutable_clusters()->Assign(from.clusters.begin(), from.clusters.end());
  for (const ModelBias& model : from.models) {
    to->add_models(model.model.value);
    to->add_model_biases(model.bias);
  }
}
bool Get(const record::BiasSurfaceInstalled& from, BiasSurfaceInstalled* to) {
  if (from.channel() >= kChannelsMax || from.models_size() != from.model_biases_size() ||
      from.clusters_size() > static_cast<int>(kSurfaceClustersMax) ||
      from.models_size() > static_cast<int>(kSurfaceModelsMax)) {
    return false;
  }
  to->channel = static_cast<std::uint8_t>(from.channel());
  to->version = from.version();
  to->fitted_from = LogSeq{from.fitted_from()};
  to->fitted_to = LogSeq{from.fitted_to()};
  to->ratings = from.ratings();
  to->gold = from.gold();
  to->noise = from.noise();
  to->error = from.error();
  to->learner = from.learner();
  to->clusters.assign(from.clusters().begin(), from.clusters().end());
  for (int i = 0; i < from.models_size(); ++i) to->models.push_back({ModelId{from.models(i)}, from.model_biases(i)});
  return GetHash(from.bundle(), &to->bundle);
}

void Put(const SubjectExcluded& from, record::SubjectExcluded* to) { to->set_subject(from.subject.value); }
bool Get(const record::SubjectExcluded& from, SubjectExcluded* to) {
  *to = SubjectExcluded{SubjectHash{from.subject()}};
  return true;
}

void Put(const SubjectIncluded& from, record::SubjectIncluded* to) { to->set_subject(from.subject.value); }
bool Get(const record::SubjectIncluded& from, SubjectIncluded* to) {
  *to = SubjectIncluded{SubjectHash{from.subject()}};
  return true;
}

void Put(const LearningSwitched& from, record::LearningSwitched* to) { to->set_frozen(from.frozen); }
bool Get(const record::LearningSwitched& from, LearningSwitched* to) {
  *to = LearningSwitched{from.frozen()};
  return true;
}

void Put(const CellReset& from, record::CellReset* to) {
  to->set_cluster(from.cluster.value);
  to->set_model(from.model.value);
}
bool Get(const record::CellReset& from, CellReset* to) {
  *to = CellReset{ClusterId{from.cluster()}, ModelId{from.model()}};
  return true;
}

void Put(const AdminNote& from, record::AdminNote* to) { to->set_text(from.text); }
bool Get(const record::AdminNote& from, AdminNote* to) {
  *to = AdminNote{from.text()};
  return true;
}

void Put(const Refitted& from, record::Refitted* to) {
  to->mutable_noise()->Assign(from.noise.begin(), from.noise.end());
  to->mutable_response()->Assign(from.response.begin(), from.response.end());
  to->set_model_width(from.model_width);
  to->set_trust_width(from.trust_width);
  for (const PacerStart& pacer : from.pacers) {
    to->add_pacer_tenants(pacer.tenant);
    to->add_pacer_lambdas(pacer.lambda);
  }
}
bool Get(const record::Refitted& from, Refitted* to) {
  to->noise.assign(from.noise().begin(), from.noise().end());
  to->response.assign(from.response().begin(), from.response().end());
  to->model_width = from.model_width();
  to->trust_width = from.trust_width();
  if (from.pacer_tenants_size() != from.pacer_lambdas_size()) return false;
  for (int i = 0; i < from.pacer_tenants_size(); ++i) {
    to->pacers.push_back({from.pacer_tenants(i), from.pacer_lambdas(i)});
  }
  return true;
}

void Put(const RolloutChanged& from, record::RolloutChanged* to) {
  to->set_mode(static_cast<std::uint32_t>(from.rollout.mode));
  to->set_share(from.rollout.share);
  to->set_incumbent(from.rollout.incumbent);
  to->set_reason(from.reason);
}
bool Get(const record::RolloutChanged& from, RolloutChanged* to) {
  if (from.mode() < 1 || from.mode() > static_cast<std::uint32_t>(RolloutMode::kApprentice)) return false;
  to->rollout = {static_cast<RolloutMode>(from.mode()), from.share(), from.incumbent()};
  to->reason = from.reason();
  return true;
}

// Where each payload lies in record.Event.
record::DecisionMade* Slot(const DecisionMade&, record::Event* to) { return to->mutable_decision_made(); }
record::OutcomeReported* Slot(const OutcomeReported&, record::Event* to) { return to->mutable_outcome_reported(); }
record::RowChanged* Slot(const RatingGiven&, record::Event* to) { return to->mutable_rating_given(); }
record::PreferenceGiven* Slot(const PreferenceGiven&, record::Event* to) { return to->mutable_preference_given(); }
record::RowChanged* Slot(const GoldGiven&, record::Event* to) { return to->mutable_gold_given(); }
record::RowChanged* Slot(const Retracted&, record::Event* to) { return to->mutable_retracted(); }
record::DecisionExpired* Slot(const DecisionExpired&, record::Event* to) { return to->mutable_decision_expired(); }
record::Tick* Slot(const Tick&, record::Event* to) { return to->mutable_tick(); }
record::ModelAdded* Slot(const ModelAdded&, record::Event* to) { return to->mutable_model_added(); }
record::ModelStateChanged* Slot(const ModelStateChanged&, record::Event* to) {
  return to->mutable_model_state_changed();
}
record::PriceChanged* Slot(const PriceChanged&, record::Event* to) { return to->mutable_price_changed(); }
record::EpochDeclared* Slot(const EpochDeclared&, record::Event* to) { return to->mutable_epoch_declared(); }
record::OptionsChanged* Slot(const OptionsChanged&, record::Event* to) { return to->mutable_options_changed(); }
record::GenerationActivated* Slot(const GenerationActivated&, record::Event* to) {
  return to->mutable_generation_activated();
}
record::BiasSurfaceInstalled* Slot(const BiasSurfaceInstalled&, record::Event* to) {
  return to->mutable_bias_surface_installed();
}
record::SubjectExcluded* Slot(const SubjectExcluded&, record::Event* to) { return to->mutable_subject_excluded(); }
record::SubjectIncluded* Slot(const SubjectIncluded&, record::Event* to) { return to->mutable_subject_included(); }
record::LearningSwitched* Slot(const LearningSwitched&, record::Event* to) { return to->mutable_learning_switched(); }
record::CellReset* Slot(const CellReset&, record::Event* to) { return to->mutable_cell_reset(); }
record::AdminNote* Slot(const AdminNote&, record::Event* to) { return to->mutable_admin_note(); }
record::Refitted* Slot(const Refitted&, record::Event* to) { return to->mutable_refitted(); }
record::RolloutChanged* Slot(const RolloutChanged&, record::Event* to) { return to->mutable_rollout_changed(); }
record::ModelProbed* Slot(const ModelProbed&, record::Event* to) { return to->mutable_model_probed(); }

template <typename Domain, typename Message>
bool Take(const Message& from, Payload* to) {
  return Get(from, &to->emplace<Domain>());
}

}  // namespace

void PutPayload(const Payload& from, record::Event* to) {
  std::visit([to](const auto& payload) { Put(payload, Slot(payload, to)); }, from);
}

bool GetPayload(const record::Event& from, Payload* to) {
  switch (from.payload_case()) {
    case record::Event::kDecisionMade: return Take<DecisionMade>(from.decision_made(), to);
    case record::Event::kOutcomeReported: return Take<OutcomeReported>(from.outcome_reported(), to);
    case record::Event::kRatingGiven: return Take<RatingGiven>(from.rating_given(), to);
    case record::Event::kPreferenceGiven: return Take<PreferenceGiven>(from.preference_given(), to);
    case record::Event::kGoldGiven: return Take<GoldGiven>(from.gold_given(), to);
    case record::Event::kRetracted: return Take<Retracted>(from.retracted(), to);
    case record::Event::kDecisionExpired: return Take<DecisionExpired>(from.decision_expired(), to);
    case record::Event::kTick: return Take<Tick>(from.tick(), to);
    case record::Event::kModelAdded: return Take<ModelAdded>(from.model_added(), to);
    case record::Event::kModelStateChanged: return Take<ModelStateChanged>(from.model_state_changed(), to);
    case record::Event::kPriceChanged: return Take<PriceChanged>(from.price_changed(), to);
    case record::Event::kEpochDeclared: return Take<EpochDeclared>(from.epoch_declared(), to);
    case record::Event::kOptionsChanged: return Take<OptionsChanged>(from.options_changed(), to);
    case record::Event::kGenerationActivated: return Take<GenerationActivated>(from.generation_activated(), to);
    case record::Event::kBiasSurfaceInstalled: return Take<BiasSurfaceInstalled>(from.bias_surface_installed(), to);
    case record::Event::kSubjectExcluded: return Take<SubjectExcluded>(from.subject_excluded(), to);
    case record::Event::kSubjectIncluded: return Take<SubjectIncluded>(from.subject_included(), to);
    case record::Event::kLearningSwitched: return Take<LearningSwitched>(from.learning_switched(), to);
    case record::Event::kCellReset: return Take<CellReset>(from.cell_reset(), to);
    case record::Event::kAdminNote: return Take<AdminNote>(from.admin_note(), to);
    case record::Event::kRefitted: return Take<Refitted>(from.refitted(), to);
    case record::Event::kRolloutChanged: return Take<RolloutChanged>(from.rollout_changed(), to);
    case record::Event::kModelProbed: return Take<ModelProbed>(from.model_probed(), to);
    case record::Event::PAYLOAD_NOT_SET: return false;
  }
  return false;
}

}  // namespace pointsman::store
