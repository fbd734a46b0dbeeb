// State values of who rated how often.
#include "policy/belief/state_values.h"

namespace pointsman::policy {

std::string EncodeSubjectTable(const SubjectTable& table) {
  ByteWriter out = Begin();
  out.I32(table.base);
  out.F64(table.all);
  out.U8(static_cast<std::uint8_t>(table.subjects.size()));
  for (const SubjectCount& entry : table.subjects) {
    out.U64(entry.subject.value);
    out.F64(entry.count);
  }
  return out.Take();
}

bool DecodeSubjectTable(ByteReader& in, SubjectTable& table) {
  table.base = in.I32();
  table.all = in.F64();
  const std::uint8_t count = in.U8();
  if (count > kSubjectsPerCell) return false;
  table.subjects.resize(count);
  for (SubjectCount& entry : table.subjects) {
    entry.subject.value = in.U64();
    entry.count = in.F64();
  }
  return true;
}

std::string EncodeSubjectRecord(const SubjectRecord& record) {
  ByteWriter out = Begin();
  out.U64(record.last.value);
  out.U64(record.reports);
  out.F64(record.weight);
  for (const double value :
       {record.residuals, record.centred_count, record.centred_sum, record.likened, record.likeness,
        record.likeness_squares, record.pairs, record.disagreement, record.expected, record.variance}) {
    out.F64(value);
  }
  return out.Take();
}

void DecodeSubjectRecord(ByteReader& in, SubjectRecord& record) {
  record.last.value = in.U64();
  record.reports = in.U64();
  record.weight = in.F64();
  for (double* value :
       {&record.residuals, &record.centred_count, &record.centred_sum, &record.likened, &record.likeness,
        &record.likeness_squares, &record.pairs, &record.disagreement, &record.expected, &record.variance}) {
    *value = in.F64();
  }
}

std::string EncodeSubjectTotals(const SubjectBook& book) {
  const SubjectTotals& totals = book.totals;
  ByteWriter out = Begin();
  out.Bytes(book.bundle.bytes);
  out.F64(book.half_life_days);
  out.Bool(book.capped);
  out.U64(totals.named);
  out.U64(totals.lessened);
  out.F64(totals.withheld);
  for (const SourceSubjects& source : totals.sources) {
    out.F64(source.pairs);
    out.F64(source.disagreement);
    for (std::size_t i = 0; i < source.subject.size(); ++i) {
      out.U64(source.subject[i].value);
      out.F64(source.residual[i]);
    }
  }
  for (const double value : {totals.rows, totals.sum, totals.squares}) out.F64(value);
  out.Bool(totals.alarm);
  out.U64(totals.since.value);
  out.U64(totals.alarms);
  return out.Take();
}

void DecodeSubjectTotals(ByteReader& in, SubjectBook& book) {
  SubjectTotals& totals = book.totals;
  in.Bytes(book.bundle.bytes);
  book.half_life_days = in.F64();
  book.capped = in.Bool();
  totals.named = in.U64();
  totals.lessened = in.U64();
  totals.withheld = in.F64();
  for (SourceSubjects& source : totals.sources) {
    source.pairs = in.F64();
    source.disagreement = in.F64();
    for (std::size_t i = 0; i < source.subject.size(); ++i) {
      source.subject[i].value = in.U64();
      source.residual[i] = in.F64();
    }
  }
  for (double* value : {&totals.rows, &totals.sum, &totals.squares}) *value = in.F64();
  totals.alarm = in.Bool();
  totals.since.value = in.U64();
  totals.alarms = in.U64();
}

}  // namespace pointsman::policy
