// SPDX-License-Identifier: Apache-2.0
// One commit of a repository on the Hub as a folder here, with those of its files that are wanted.
//
// A file that comes is compared with its digest before it is called whole: a wrong one is fetched once more, then
// DATA_LOSS. What was here before is taken by name and length, as the Hub's own tools do. A file that is already here,
// or comes by another process meanwhile, is not fetched; a commit whose files are all here asks nobody. Whatever ends a
// fetch, the next one goes on with the parts that came.
//
// Thread-safety: one thread, with threads of its own. Errors: those of hub_client.h and posix_file.h, and NOT_FOUND for
// what is not there, annotated with the repository; each in one line that says what to do.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/hub/hub_cache.h"
#include "common/hub/hub_client.h"
#include "common/hub/hub_settings.h"
#include "common/hub/hub_uri.h"
#include "common/status/status.h"

namespace lwq {

struct HubFetchOptions {
  HubClientOptions client;
  int64_t part_bytes = int64_t{8} << 20;  // of large files, in one request each
  int parallel = 8;                       // requests at once
};

// Told of bytes that are here and of all that were missing, from any thread.
using FetchProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

class HubSnapshot {
 public:
  // Finds out which commit the revision is and which files that has.
  static StatusOr<std::unique_ptr<HubSnapshot>> Open(const HubSettings& settings, const HubRepo& repo,
                                                     const std::string& revision, const HubFetchOptions& options);

  // By their paths. Offline, and where the list was not kept: those that are here.
  const std::map<std::string, HubFile>& files() const { return files_; }
  const std::string& commit() const { return commit_; }
  std::string folder() const { return cache_.SnapshotFolder(commit_); }

  Status Fetch(const std::vector<std::string>& paths, const FetchProgress& progress);

  // From now on the revision is this commit for those who are offline. Called when everything wanted is here, so that a
  // fetch that was broken off leaves them the commit they had; so does one of a part, unless they have none.
  Status Remember(bool is_whole);

 private:
  HubSnapshot(HubSettings settings, HubRepo repo, std::string revision, const HubFetchOptions& options)
      : settings_(std::move(settings)),
        repo_(std::move(repo)),
        revision_(std::move(revision)),
        options_(options),
        cache_(settings_.cache_folder, repo_) {}

  Status FindFilesOffline();
  Status FindFiles();
  // Those that are not here.
  StatusOr<std::vector<const HubFile*>> Missing(const std::vector<std::string>& paths) const;
  Status CheckSpace(int64_t bytes) const;
  Status FetchFile(const HubFile& file, int parallel, const std::function<void(int64_t)>& on_bytes);
  Status FetchBlob(const HubFile& file, int parallel, int64_t part_bytes, const std::function<void(int64_t)>& on_bytes);
  Status CheckContent(const HubFile& file, const PartialFile& partial) const;
  std::string Name() const;

  const HubSettings settings_;
  const HubRepo repo_;
  const std::string revision_;
  const HubFetchOptions options_;
  const HubCache cache_;
  std::unique_ptr<HubClient> client_;  // null offline
  std::string commit_;
  std::map<std::string, HubFile> files_;
};

}  // namespace lwq
