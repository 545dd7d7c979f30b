// SPDX-License-Identifier: Apache-2.0
// What is known of a mapped file beside its bytes: which content of which file it is, and how to have all of it at
// once.
//
// Thread-safety: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "common/bytes/bytes.h"

namespace lwq {

// Tells one content of a file from the next without reading it: writing to a file changes its times, and another file
// put in its place has another inode. Not told apart: two writes within one tick of the file system's clock (a few
// milliseconds at most), and bytes that the disk itself changed.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size_bytes = 0;
  int64_t modified_ns = 0;  // of the bytes, since 1970
  int64_t changed_ns = 0;   // of the bytes or of anything else about the file
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Of the file that `bytes` map, or are a slice of, as it was when it was mapped; none for other bytes, and for an empty
// file.
std::optional<FileIdentity> MappedIdentity(const Bytes& bytes);
// Of the file at `path` now; none if it cannot be looked at.
std::optional<FileIdentity> IdentityOfFile(const std::string& path);

// Files up to this size are worth having in the process's memory at once.
inline constexpr size_t kMaxLoadedBytes = size_t{2} << 20;

// Brings the pages of a small mapped file into the process in one call, where reading them one after the other would
// cost a fault for every few of them. Of larger files and of other bytes, nothing.
void LoadPages(const Bytes& bytes);

}  // namespace lwq
