// Whole folders, copied so that they are either there or not. Private to store/.
// Threads: one at a time on one folder. Sizes in bytes, at most 2^63.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace pointsman::store {

struct FileMark {
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;  // xxh3-64 of the content
  bool operator==(const FileMark&) const = default;
};

// A new folder under a temporary name until Finish.
class NewFolder {
 public:
  // Errors: CONFLICT exists; UNAVAILABLE.
  static Result<NewFolder> Make(const std::string& place);
  NewFolder(NewFolder&& other) noexcept;
  NewFolder& operator=(NewFolder&&) = delete;
  ~NewFolder();  // removes what was not finished

  const std::string& path() const { return partial_; }
  // Copies and syncs one file; mode 0600. Errors: UNAVAILABLE storage_full, storage_io.
  Result<FileMark> Copy(const std::string& from, const std::string& name);
  // Syncs the folder and gives it its name. Errors: CONFLICT exists; UNAVAILABLE.
  Status Finish() { return FinishAs(place_); }
  // The same under another name on the same file system.
  Status FinishAs(const std::string& place);
  // Syncs the folder, swaps it with the folder `place` in one step, and removes what
  // was there. Errors: UNAVAILABLE.
  Status ExchangeWith(const std::string& place);

 private:
  NewFolder() = default;
  std::string place_;
  std::string partial_;
};

// The marks of all regular files in a folder, by name. Errors: UNAVAILABLE.
Result<std::map<std::string, FileMark>> MarkFiles(const std::string& folder);
Result<FileMark> MarkFile(const std::string& path);

}  // namespace pointsman::store
