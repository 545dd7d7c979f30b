// SPDX-License-Identifier: Apache-2.0
// Files that are being written: named in a staging folder, invisible to readers until they are linked or renamed into
// place, gone when abandoned, and swept up when their process died.
//
// Who is alive is asked of the kernel: a StagingFile holds an exclusive flock on its descriptor for as long as it
// lives, so whoever obtains that lock knows that the owner is gone, whatever the process, container or host (as far as
// the file system carries locks; where it has none, files untouched for a day are taken for dead).
//
// Thread-safety: a StagingFile belongs to one thread at a time; the functions may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/file/posix_file.h"
#include "common/status/status.h"

namespace lwq {

class StagingFile {
 public:
  // Creates an empty file with a unique name, beginning with `prefix`, in `directory`, which must exist.
  static StatusOr<std::unique_ptr<StagingFile>> Create(const std::string& directory, std::string_view prefix = "");
  ~StagingFile();  // removes the staging name, if it still has one
  StagingFile(const StagingFile&) = delete;
  StagingFile& operator=(const StagingFile&) = delete;

  // Appends; a failed Append may be repeated and leaves no trace.
  Status Append(std::span<const std::byte> data);
  // Ends the file after what was appended; with `sync`, waits until the bytes are on the disk. Call before naming it.
  Status Seal(bool sync);

  // Gives the file its final name in the same file system. ALREADY_EXISTS (code only) when `path` exists; a repeated
  // call after the name was given is OK. NOT_FOUND when the folder of `path` is missing.
  Status LinkTo(const std::string& path);
  // The same, replacing what had that name.
  Status RenameTo(const std::string& path);

 private:
  StagingFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
  int64_t size_bytes_ = 0;
  bool append_failed_ = false;  // there may be bytes behind size_bytes_
  bool renamed_ = false;
};

// Removes the staging files in `directory` whose owners are gone. Files in use are left alone; errors are ignored: what
// stays is removed another time.
void SweepStaging(const std::string& directory);

}  // namespace lwq
