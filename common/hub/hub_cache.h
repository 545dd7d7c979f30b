// SPDX-License-Identifier: Apache-2.0
// The folder of one repository in the cache, in huggingface_hub's own layout, so that its tools read what is brought
// here and the other way round:
//
//   models--org--name/
//     refs/REVISION                   the commit, 40 digits without a line end
//     blobs/ETAG                      contents
//     snapshots/COMMIT/PATH           links to ../../blobs/ETAG; files themselves where the file system has no links
//     trees/COMMIT.json               all files of the commit
//     .lwq/ETAG.part                  what is not whole yet, ours alone: others take every file of blobs/ for whole
//   .locks/models--org--name/ETAG.lock
//
// Thread-safety: any thread, and any process. Errors: those of posix_file.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/download/file_lock.h"
#include "common/hub/hub_answers.h"
#include "common/hub/hub_uri.h"
#include "common/status/status.h"

namespace lwq {

class HubCache {
 public:
  HubCache(const std::string& cache_folder, const HubRepo& repo);

  // The commit that the revision was when it was asked for last; a commit is itself. Empty: not known.
  std::string FindCommit(std::string_view revision) const;
  Status WriteRef(std::string_view revision, const std::string& commit) const;

  // None where there is no list of the commit, or none that can be read.
  std::optional<std::vector<HubFile>> ReadTree(const std::string& commit) const;
  Status WriteTree(const std::string& commit, const std::vector<HubFile>& files) const;
  // What of the commit is here, by what is in its folder alone; without digests.
  std::vector<HubFile> FilesHere(const std::string& commit) const;

  std::string SnapshotFolder(const std::string& commit) const;
  // Whether the file of the commit is here and, where `size_bytes` is not negative, as long as that: blobs are trusted
  // by their names, so one that somebody cut short would be served for ever.
  bool HasFile(const std::string& commit, std::string_view path, int64_t size_bytes) const;
  bool HasBlob(const HubFile& file) const;
  // Makes the file of the commit from its blob, which is there.
  Status LinkFile(const std::string& commit, const HubFile& file) const;

  // Waits until nobody else brings this content here.
  StatusOr<FileLock> LockBlob(const std::string& etag, const RetryWait& wait) const;
  // Where it is put together, in a folder that is made.
  StatusOr<std::string> PartialPath(const std::string& etag) const;
  StatusOr<std::string> BlobPath(const std::string& etag) const;

  const std::string& folder() const { return folder_; }

 private:
  Status WriteWhole(const std::string& path, std::string_view text, bool is_private) const;

  const std::string folder_;  // of the repository
  const std::string locks_;
};

}  // namespace lwq
