// A set of rows that wait for something (a checkpoint, a publication), and marks that
// lie with the rows, so that a row which is in the list already costs one comparison.
//
// Outside the canonical bytes. Threads: not synchronised; the learner thread's.
#pragma once

#include <cstdint>
#include <utility>

namespace pointsman::policy {

// Belongs to one row and one list; copied with its row. Never part of what makes two
// rows equal.
struct RowMark {
  std::uint64_t round = 0;  // the list's when the row was put in; 0: never
  bool operator==(const RowMark&) const { return true; }
};

template <typename Set>
class RowList {
 public:
  using Key = typename Set::key_type;

  void insert(Key key) { keys_.insert(std::move(key)); }
  // `make_key` is called only when the row is not in the list by this mark.
  template <typename MakeKey>
  void insert_once(RowMark& mark, MakeKey&& make_key) {
    if (mark.round == round_) return;
    mark.round = round_;
    keys_.insert(make_key());
  }
  void clear() {
    keys_.clear();
    ++round_;
  }
  bool empty() const { return keys_.empty(); }
  std::size_t size() const { return keys_.size(); }
  auto begin() const { return keys_.begin(); }
  auto end() const { return keys_.end(); }

 private:
  Set keys_;
  std::uint64_t round_ = 1;
};

}  // namespace pointsman::policy
