#include "store/bundle_file.h"

#include <sodium.h>
#include <xxhash.h>

#include <array>
#include <cstring>
#include <utility>

#include "record.pb.h"
#include "store/atomic_file.h"
#include "store/little_endian.h"
#include "store/record_codec.h"

namespace pointsman::store {

namespace {

// magic 8 | format u32 | table length u32 | table checksum u64 | table | sections
constexpr std::string_view kMagic = "PMBUNDLE";
constexpr std::uint32_t kFormat = 2;  // with a head; without one the bytes are those of format 1
constexpr std::uint32_t kFormatWithoutHead = 1;
constexpr std::size_t kPreambleBytes = 24;
constexpr std::size_t kTableBytesMax = 4096;
constexpr std::uint64_t kFileBytesMax = 1ULL << 30;

// Sections in file order. Names are never reused with another meaning.
constexpr std::array<std::string_view, 8> kSections = {"embedder", "embedder_model", "models",     "clusters",
                                                       "anchors",  "tasks",          "provenance", "head"};
constexpr std::size_t kSectionsWithoutHead = kSections.size() - 1;
using SectionBytes = std::vector<std::string>;  // the first so many of kSections
using SectionViews = std::vector<std::string_view>;

std::size_t SectionCount(std::uint64_t format) {
  return format == kFormatWithoutHead ? kSectionsWithoutHead : kSections.size();
}

std::uint64_t Checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

BundleHash HashOf(const SectionViews& sections) {
  const auto update = [](crypto_generichash_state* state, std::string_view bytes) {
    crypto_generichash_update(state, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  };
  crypto_generichash_state state;
  BundleHash hash;
  crypto_generichash_init(&state, nullptr, 0, hash.bytes.size());
  for (std::size_t i = 0; i < sections.size(); ++i) {
    std::string lengths;
    AppendLittle(kSections[i].size(), 4, &lengths);
    AppendLittle(sections[i].size(), 8, &lengths);
    update(&state, lengths);
    update(&state, kSections[i]);
    update(&state, sections[i]);
  }
  crypto_generichash_final(&state, hash.bytes.data(), hash.bytes.size());
  return hash;
}

template <typename T>
void Assign(const std::vector<T>& from, google::protobuf::RepeatedField<T>* to) {
  to->Assign(from.begin(), from.end());
}
template <typename T>
void Assign(const google::protobuf::RepeatedField<T>& from, std::vector<T>* to) {
  to->assign(from.begin(), from.end());
}
void AssignNames(const std::vector<std::string>& from, google::protobuf::RepeatedPtrField<std::string>* to) {
  for (const std::string& name : from) *to->Add() = name;
}
void AssignNames(const google::protobuf::RepeatedPtrField<std::string>& from, std::vector<std::string>* to) {
  to->assign(from.begin(), from.end());
}

std::string EncodeEmbedder(const policy::Bundle& bundle) {
  record::EmbedderSection section;
  section.set_kind(bundle.embedder.kind);
  section.set_dimension(bundle.embedder.dimension);
  section.set_digest(bundle.embedder.digest.data(), bundle.embedder.digest.size());
  return section.SerializeAsString();
}

std::string EncodeModels(const policy::Bundle& bundle) {
  record::ModelsSection section;
  AssignNames(bundle.models, section.mutable_names());
  Assign(bundle.mean_prior, section.mutable_mean_prior());
  for (const policy::TokenStatistics& tokens : bundle.tokens) {
    section.add_token_mean_log(tokens.mean_log);
    section.add_token_variance_log(tokens.variance_log);
    section.add_token_rows(tokens.rows);
  }
  PutWidths(bundle.widths, section.mutable_widths());
  section.set_task_share(bundle.task_share);
  return section.SerializeAsString();
}

std::string EncodeClusters(const policy::Bundle& bundle) {
  record::ClustersSection section;
  Assign(bundle.centroids, section.mutable_centroids());
  AssignNames(bundle.cluster_names, section.mutable_names());
  Assign(bundle.cluster_sizes, section.mutable_sizes());
  Assign(bundle.skills, section.mutable_skills());
  section.set_membership_temperature(bundle.membership_temperature);
  section.set_background_similarity(bundle.background_similarity);
  return section.SerializeAsString();
}

std::string EncodeAnchors(const policy::Bundle& bundle) {
  record::AnchorsSection section;
  Assign(bundle.anchors, section.mutable_anchors());
  PutHash(bundle.bridge_from, section.mutable_bridge_from());
  Assign(bundle.bridge, section.mutable_bridge());
  return section.SerializeAsString();
}

std::string EncodeTasks(const policy::Bundle& bundle) {
  record::TasksSection section;
  AssignNames(bundle.task_names, section.mutable_names());
  Assign(bundle.task_weights, section.mutable_weights());
  Assign(bundle.task_bias, section.mutable_bias());
  Assign(bundle.task_quality, section.mutable_quality());
  return section.SerializeAsString();
}

std::string EncodeProvenance(const policy::Bundle& bundle) {
  record::ProvenanceSection section;
  section.set_made_from(bundle.made_from);
  section.set_made_at_us(bundle.made_at_us);
  section.set_rows(bundle.rows);
  section.set_labels(bundle.labels);
  return section.SerializeAsString();
}

std::string EncodeHead(const policy::Bundle& bundle) {
  record::HeadSection section;
  Assign(bundle.head_basis, section.mutable_basis());
  Assign(bundle.head_loadings, section.mutable_loadings());
  Assign(bundle.head_bias, section.mutable_bias());
  section.set_share(bundle.head_share);
  return section.SerializeAsString();
}

SectionBytes EncodeSections(const policy::Bundle& bundle) {
  SectionBytes sections = {
      EncodeEmbedder(bundle),  std::string(bundle.embedder_model.begin(), bundle.embedder_model.end()),
      EncodeModels(bundle),    EncodeClusters(bundle),
      EncodeAnchors(bundle),   EncodeTasks(bundle),
      EncodeProvenance(bundle)};
  if (!bundle.head_basis.empty()) sections.push_back(EncodeHead(bundle));
  return sections;
}

bool Take(const record::EmbedderSection& section, policy::Bundle* bundle) {
  bundle->embedder.kind = section.kind();
  bundle->embedder.dimension = section.dimension();
  if (section.digest().size() != bundle->embedder.digest.size()) return false;
  std::memcpy(bundle->embedder.digest.data(), section.digest().data(), section.digest().size());
  return true;
}

bool Take(const record::ModelsSection& section, policy::Bundle* bundle) {
  if (section.token_mean_log_size() != section.token_rows_size() ||
      section.token_variance_log_size() != section.token_rows_size() || !GetWidths(section.widths(), &bundle->widths)) {
    return false;
  }
  AssignNames(section.names(), &bundle->models);
  Assign(section.mean_prior(), &bundle->mean_prior);
  for (int i = 0; i < section.token_rows_size(); ++i) {
    bundle->tokens.push_back({section.token_mean_log(i), section.token_variance_log(i), section.token_rows(i)});
  }
  bundle->task_share = section.task_share();
  return true;
}

bool Take(const record::ClustersSection& section, policy::Bundle* bundle) {
  Assign(section.centroids(), &bundle->centroids);
  AssignNames(section.names(), &bundle->cluster_names);
  Assign(section.sizes(), &bundle->cluster_sizes);
  Assign(section.skills(), &bundle->skills);
  bundle->membership_temperature = section.membership_temperature();
  bundle->background_similarity = section.background_similarity();
  return true;
}

bool Take(const record::AnchorsSection& section, policy::Bundle* bundle) {
  Assign(section.anchors(), &bundle->anchors);
  Assign(section.bridge(), &bundle->bridge);
  return GetHash(section.bridge_from(), &bundle->bridge_from);
}

bool Take(const record::TasksSection& section, policy::Bundle* bundle) {
  AssignNames(section.names(), &bundle->task_names);
  Assign(section.weights(), &bundle->task_weights);
  Assign(section.bias(), &bundle->task_bias);
  Assign(section.quality(), &bundle->task_quality);
  return true;
}

bool Take(const record::ProvenanceSection& section, policy::Bundle* bundle) {
  bundle->made_from = section.made_from();
  bundle->made_at_us = section.made_at_us();
  bundle->rows = section.rows();
  bundle->labels = section.labels();
  return true;
}

bool Take(const record::HeadSection& section, policy::Bundle* bundle) {
  Assign(section.basis(), &bundle->head_basis);
  Assign(section.loadings(), &bundle->head_loadings);
  Assign(section.bias(), &bundle->head_bias);
  bundle->head_share = section.share();
  return true;
}

Error DamagedBundle(const std::string& what) {
  return MakeError(Code::kDataLoss, "damaged_bundle", "bundle: " + what + "; copy it again or make a new one");
}

template <typename Section>
Status Read(std::size_t index, const SectionViews& sections, policy::Bundle* bundle) {
  Section section;
  const std::string_view bytes = sections[index];
  if (!section.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !Take(section, bundle)) {
    return DamagedBundle("section " + std::string(kSections[index]) + " is malformed");
  }
  return {};
}

Status ReadSections(const SectionViews& sections, policy::Bundle* bundle) {
  bundle->embedder_model.assign(sections[1].begin(), sections[1].end());
  for (const Status& read :
       {Read<record::EmbedderSection>(0, sections, bundle), Read<record::ModelsSection>(2, sections, bundle),
        Read<record::ClustersSection>(3, sections, bundle), Read<record::AnchorsSection>(4, sections, bundle),
        Read<record::TasksSection>(5, sections, bundle), Read<record::ProvenanceSection>(6, sections, bundle)}) {
    if (!read.ok()) return read;
  }
  if (sections.size() == kSectionsWithoutHead) return {};
  return Read<record::HeadSection>(7, sections, bundle);
}

Result<record::BundleTable> ReadTable(std::string_view bytes) {
  if (bytes.size() < kPreambleBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    return DamagedBundle("it does not begin like a bundle file");
  }
  const std::uint64_t format = GetLittle(bytes.data() + 8, 4);
  if (format > kFormat) {
    return MakeError(Code::kFailedPrecondition, "newer_format",
                     "bundle format " + std::to_string(format) + " is newer than " + std::to_string(kFormat) +
                         ", which this program reads; upgrade it");
  }
  const std::uint64_t length = GetLittle(bytes.data() + 12, 4);
  if (format == 0 || length > kTableBytesMax || length > bytes.size() - kPreambleBytes) {
    return DamagedBundle("the section table does not fit");
  }
  const std::string_view table_bytes = bytes.substr(kPreambleBytes, length);
  record::BundleTable table;
  if (GetLittle(bytes.data() + 16, 8) != Checksum(table_bytes) ||
      !table.ParseFromArray(table_bytes.data(), static_cast<int>(table_bytes.size())) ||
      table.sections_size() != static_cast<int>(SectionCount(format))) {
    return DamagedBundle("the section table is damaged");
  }
  return table;
}

}  // namespace

std::string EncodeBundle(const policy::Bundle& bundle) {
  REQUIRE(policy::ValidateBundle(bundle).ok(), "only a valid bundle is written");
  const SectionBytes sections = EncodeSections(bundle);
  const std::uint32_t format = sections.size() == kSectionsWithoutHead ? kFormatWithoutHead : kFormat;
  const SectionViews views(sections.begin(), sections.end());
  record::BundleTable table;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    auto* entry = table.add_sections();
    entry->set_name(std::string(kSections[i]));
    entry->set_length(sections[i].size());
    entry->set_checksum(Checksum(sections[i]));
  }
  PutHash(HashOf(views), table.mutable_hash());
  const std::string table_bytes = table.SerializeAsString();
  std::string bytes(kMagic);
  AppendLittle(format, 4, &bytes);
  AppendLittle(table_bytes.size(), 4, &bytes);
  AppendLittle(Checksum(table_bytes), 8, &bytes);
  bytes += table_bytes;
  for (const std::string& section : sections) bytes += section;
  return bytes;
}

Result<policy::Bundle> DecodeBundle(std::string_view bytes) {
  const auto table = ReadTable(bytes);
  if (!table.ok()) return table.error();
  bytes.remove_prefix(kPreambleBytes + GetLittle(bytes.data() + 12, 4));
  SectionViews sections(static_cast<std::size_t>(table->sections_size()));
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const auto& entry = table->sections(static_cast<int>(i));
    if (entry.name() != kSections[i]) return DamagedBundle("section " + std::string(kSections[i]) + " is missing");
    if (entry.length() > bytes.size()) return DamagedBundle("section " + entry.name() + " is cut short");
    sections[i] = bytes.substr(0, entry.length());
    bytes.remove_prefix(entry.length());
    if (Checksum(sections[i]) != entry.checksum()) {
      return DamagedBundle("the checksum of section " + entry.name() + " does not fit");
    }
  }
  if (!bytes.empty()) return DamagedBundle("there are bytes after the last section");
  BundleHash stated;
  if (!GetHash(table->hash(), &stated) || stated != HashOf(sections)) {
    return DamagedBundle("the content hash does not fit");
  }
  policy::Bundle bundle;
  if (const Status read = ReadSections(sections, &bundle); !read.ok()) return read.error();
  if (const Status valid = policy::ValidateBundle(bundle); !valid.ok()) return DamagedBundle(valid.error().message);
  bundle.hash = stated;
  return bundle;
}

Status WriteBundleFile(const std::string& path, policy::Bundle& bundle) {
  const std::string bytes = EncodeBundle(bundle);
  auto again = DecodeBundle(bytes);
  if (!again.ok()) return again.error();
  bundle.hash = again->hash;
  return WriteFileAtomically(path, bytes, 0640);
}

Result<policy::Bundle> ReadBundleFile(const std::string& path) {
  const auto bytes = ReadFileBounded(path, kFileBytesMax);
  if (!bytes.ok()) return bytes.error();
  return DecodeBundle(*bytes);
}

}  // namespace pointsman::store
