// SPDX-License-Identifier: Apache-2.0
// A bounded cache of verified blobs on a worker's own disk, in front of an artifact store.
//
// A fetched blob is verified and kept as a file, which later fetches map without reading it again. What was verified is
// one content of one file (FileIdentity): bytes of another identity are verified anew, also if an equal blob was good
// before, so a file that was replaced, cut or written to is never used unseen (docs/adr/0018-verified-once.md). When
// the files exceed cache_bytes, those used least recently go first; a file whose mapping somebody still holds stays.
// What does not fit, and what the disk refuses, is served from the store without being kept: a full cache never fails a
// fetch. The folder survives a restart: its files are found again and each is verified when it is first used.
//
// Where the store is local (file://), a copy would cost a write and gain nothing: blobs are mapped in place, and only
// names and identities of those that were verified are remembered. (tests/bench/stores: later reads are equally fast;
// the first costs the hash alone instead of the hash and a write.) A store that shares no files has its blobs verified
// at each fetch. Mapped pages are the page cache's: the
// kernel takes them back under pressure, and they leave the process with the bytes.
//
// One process per folder, held by a lock file. Thread-safety: any thread; concurrent fetches of one blob make one
// request. Errors: those of ArtifactStore::Fetch.
#pragma once

#include <cstdint>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/artifact/artifact.h"
#include "common/bytes/mapped_file.h"
#include "common/file/posix_file.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq {

struct BlobCacheOptions {
  std::string directory;    // created if absent
  int64_t cache_bytes = 0;  // what the files may hold in sum; 0 keeps nothing
};

struct BlobCacheStats {
  int64_t hits = 0;           // fetches answered without reading the store's bytes again
  int64_t misses = 0;         // fetches that read and verified the store's bytes
  int64_t joined = 0;         // fetches that waited for another thread's
  int64_t damaged = 0;        // cached files that failed their verification and were fetched again
  int64_t held_bytes = 0;     // in the folder now
  int64_t fetched_bytes = 0;  // read from the store
};

class BlobCache : public BlobSource {
 public:
  // `store` must outlive the cache. FAILED_PRECONDITION when another process uses the folder; INVALID_ARGUMENT for a
  // negative size.
  static StatusOr<std::unique_ptr<BlobCache>> Open(ArtifactStore* store, const BlobCacheOptions& options);
  ~BlobCache() override;

  StatusOr<Bytes> Fetch(const BlobRef& blob) override;
  BlobCacheStats stats() const;

 private:
  struct Entry {
    int64_t size_bytes = 0;
    std::optional<FileIdentity> verified;  // the file's, when its bytes were last known to be the blob's
    std::weak_ptr<const void> mapping;     // of the bytes handed out last, if anybody still holds them
    const std::byte* data = nullptr;       // where that mapping begins
    std::list<Digest>::iterator recency;   // in recency_
  };
  struct Flight {
    std::promise<StatusOr<Bytes>> promise;
    std::shared_future<StatusOr<Bytes>> result{promise.get_future()};
  };

  BlobCache(ArtifactStore* store, BlobCacheOptions options) : store_(store), options_(std::move(options)) {}
  Status Rescan();

  StatusOr<Bytes> FetchShared(const Digest& digest);
  StatusOr<Bytes> FetchInPlace(const Digest& digest);
  StatusOr<Bytes> FetchThroughDisk(const Digest& digest);
  // The cached file, verified; nullopt if there is none that is good.
  std::optional<Bytes> ReadCached(const Digest& digest);
  // Keeps a copy and gives its mapping; the bytes themselves if they cannot be kept.
  Bytes Keep(const Digest& digest, Bytes bytes);
  StatusOr<Bytes> WriteCopy(const Digest& digest, const Bytes& bytes);
  // Marks the file as used now, for the order after a restart, and gives the identity it has then; none when it is no
  // longer the file that is mapped.
  static std::optional<FileIdentity> Touch(const std::string& path, const Bytes& mapping);
  std::string PathOf(const Digest& digest) const;

  bool MakeRoom(int64_t size_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Entry& Insert(const Digest& digest, int64_t size_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Use(Entry& entry, const Bytes& mapping) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const Digest& digest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ArtifactStore* const store_;
  const BlobCacheOptions options_;
  UniqueFd lock_;

  mutable Mutex mutex_;  // not held while bytes are read, verified or written
  std::unordered_map<Digest, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::list<Digest> recency_ ABSL_GUARDED_BY(mutex_);  // least recently used first
  std::unordered_map<Digest, FileIdentity> verified_in_place_;
  std::unordered_map<Digest, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mutex_);
  int64_t reserved_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of files being written
  BlobCacheStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq
