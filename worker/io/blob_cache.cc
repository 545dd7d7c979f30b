// SPDX-License-Identifier: Apache-2.0
#include "worker/io/blob_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "common/bytes/mapped_file.h"
#include "common/bytes/release_pages.h"
#include "common/file/staging.h"
#include "worker/io/folder_lock.h"

namespace lwq {
namespace {

struct FoundFile {
  Digest digest;
  int64_t size_bytes = 0;
  timespec used{};
};

bool UsedBefore(const FoundFile& a, const FoundFile& b) {
  return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
}

// The blobs a former process left, least recently used first. Files with other names are not ours.
std::vector<FoundFile> FindBlobs(const std::string& directory) {
  std::vector<FoundFile> found;
  std::error_code error;
  std::filesystem::directory_iterator it(directory, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const StatusOr<Digest> digest = Digest::FromHex(it->path().filename().string());
    struct stat info {};
    if (!digest.ok() || ::stat(it->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    found.push_back({*digest, static_cast<int64_t>(info.st_size), info.st_mtim});
  }
  std::sort(found.begin(), found.end(), UsedBefore);
  return found;
}

}  // namespace

StatusOr<std::unique_ptr<BlobCache>> BlobCache::Open(ArtifactStore* store, const BlobCacheOptions& options) {
  if (options.cache_bytes < 0) {
    return absl::InvalidArgumentError(absl::StrCat("cache_bytes is ", options.cache_bytes, "; 0 or more is needed"));
  }
  std::unique_ptr<BlobCache> cache(new BlobCache(store, options));
  if (options.cache_bytes > 0) {
    LWQ_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(options.directory, "/blobs")));
    LWQ_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(options.directory, "/staging")));
    LWQ_ASSIGN_OR_RETURN(cache->lock_, LockFolder(options.directory, "cache folder"));
    LWQ_RETURN_IF_ERROR(cache->Rescan());
  }
  return cache;
}

BlobCache::~BlobCache() = default;

Status BlobCache::Rescan() {
  SweepStaging(absl::StrCat(options_.directory, "/staging"));
  const MutexLock lock(&mutex_);
  for (const FoundFile& file : FindBlobs(absl::StrCat(options_.directory, "/blobs"))) {
    Insert(file.digest, file.size_bytes);
  }
  MakeRoom(0);
  return absl::OkStatus();
}

StatusOr<Bytes> BlobCache::Fetch(const BlobRef& blob) {
  StatusOr<Bytes> bytes = FetchShared(blob.digest);
  if (bytes.ok() && blob.size_bytes != kSizeUnknown && static_cast<int64_t>(bytes->size()) != blob.size_bytes) {
    return absl::DataLossError(absl::StrCat("blob ", blob.digest.hex(), " has ", bytes->size(), " bytes instead of ",
                                            blob.size_bytes, ": its reference is wrong"));
  }
  return bytes;
}

StatusOr<Bytes> BlobCache::FetchShared(const Digest& digest) {
  std::shared_ptr<Flight> flight;
  {
    MutexLock lock(&mutex_);
    const auto it = flights_.find(digest);
    if (it != flights_.end()) {
      ++stats_.joined;
      const std::shared_future<StatusOr<Bytes>> result = it->second->result;
      lock.Unlock();
      return result.get();
    }
    flight = flights_.emplace(digest, std::make_shared<Flight>()).first->second;
  }
  const bool is_in_place = store_->store()->IsLocal();
  StatusOr<Bytes> bytes = is_in_place ? FetchInPlace(digest) : FetchThroughDisk(digest);
  {
    const MutexLock lock(&mutex_);
    flights_.erase(digest);
  }
  flight->promise.set_value(bytes);
  return bytes;
}

StatusOr<Bytes> BlobCache::FetchInPlace(const Digest& digest) {
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, store_->FetchUnverified(digest));
  const std::optional<FileIdentity> identity = MappedIdentity(bytes);
  {
    const MutexLock lock(&mutex_);
    const auto it = verified_in_place_.find(digest);
    if (it != verified_in_place_.end() && identity == it->second) {
      ++stats_.hits;
      return bytes;
    }
  }
  LWQ_RETURN_IF_ERROR(store_->Verify(digest, bytes));
  ReleasePages(bytes);  // all were read to verify them; few readers need all at once
  const MutexLock lock(&mutex_);
  ++stats_.misses;
  stats_.fetched_bytes += static_cast<int64_t>(bytes.size());
  if (identity.has_value()) verified_in_place_[digest] = *identity;
  return bytes;
}

StatusOr<Bytes> BlobCache::FetchThroughDisk(const Digest& digest) {
  if (std::optional<Bytes> cached = ReadCached(digest)) return *std::move(cached);
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, store_->Fetch({digest, kSizeUnknown}));
  {
    const MutexLock lock(&mutex_);
    ++stats_.misses;
    stats_.fetched_bytes += static_cast<int64_t>(bytes.size());
  }
  return Keep(digest, std::move(bytes));
}

std::optional<Bytes> BlobCache::ReadCached(const Digest& digest) {
  std::optional<FileIdentity> verified;
  Bytes held;
  {
    const MutexLock lock(&mutex_);
    const auto it = entries_.find(digest);
    if (it == entries_.end()) return std::nullopt;
    verified = it->second.verified;
    held = Bytes(it->second.mapping.lock(), it->second.data, static_cast<size_t>(it->second.size_bytes));
  }
  const std::string path = PathOf(digest);
  const bool is_held = held.owner() != nullptr && verified.has_value() && IdentityOfFile(path) == verified;
  const StatusOr<Bytes> bytes = is_held ? StatusOr<Bytes>(held) : Bytes::MapFile(path);
  const bool is_verified = bytes.ok() && verified.has_value() && MappedIdentity(*bytes) == verified;
  if (bytes.ok() && !is_held) LoadPages(*bytes);
  const bool is_good = bytes.ok() && (is_held || is_verified || DigestOf(bytes->span()) == digest);
  if (is_good && !is_held) verified = Touch(path, *bytes);
  const MutexLock lock(&mutex_);
  const auto it = entries_.find(digest);
  if (!is_good) {
    if (bytes.ok()) ++stats_.damaged;
    if (it != entries_.end()) Remove(digest);
    return std::nullopt;
  }
  ++stats_.hits;
  if (it != entries_.end()) {
    it->second.verified = verified;
    Use(it->second, *bytes);
  }
  return *bytes;
}

Bytes BlobCache::Keep(const Digest& digest, Bytes bytes) {
  const int64_t size_bytes = static_cast<int64_t>(bytes.size());
  {
    const MutexLock lock(&mutex_);
    if (!MakeRoom(size_bytes)) return bytes;
    reserved_bytes_ += size_bytes;
  }
  StatusOr<Bytes> copy = WriteCopy(digest, bytes);
  const MutexLock lock(&mutex_);
  reserved_bytes_ -= size_bytes;
  if (!copy.ok()) return bytes;  // the disk is full or gone: serve what was fetched
  Entry& entry = Insert(digest, size_bytes);
  entry.verified = MappedIdentity(*copy);
  Use(entry, *copy);
  return *std::move(copy);
}

StatusOr<Bytes> BlobCache::WriteCopy(const Digest& digest, const Bytes& bytes) {
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<StagingFile> file,
                       StagingFile::Create(absl::StrCat(options_.directory, "/staging")));
  LWQ_RETURN_IF_ERROR(file->Append(bytes.span()));
  LWQ_RETURN_IF_ERROR(file->Seal(/*sync=*/false));  // what a crash damages, the next verification finds
  LWQ_RETURN_IF_ERROR(file->RenameTo(PathOf(digest)));
  return Bytes::MapFile(PathOf(digest));
}

std::optional<FileIdentity> BlobCache::Touch(const std::string& path, const Bytes& mapping) {
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  const std::optional<FileIdentity> mapped = MappedIdentity(mapping);
  const std::optional<FileIdentity> touched = IdentityOfFile(path);
  const bool is_same_file = mapped.has_value() && touched.has_value() && touched->device == mapped->device &&
                            touched->inode == mapped->inode && touched->size_bytes == mapped->size_bytes;
  return is_same_file ? touched : std::nullopt;
}

std::string BlobCache::PathOf(const Digest& digest) const {
  return absl::StrCat(options_.directory, "/blobs/", digest.hex());
}

bool BlobCache::MakeRoom(int64_t size_bytes) {
  const int64_t limit_bytes = options_.cache_bytes - reserved_bytes_ - size_bytes;
  // First choose, then remove: what will not fit anyway must not cost others their place.
  std::vector<Digest> chosen;
  int64_t left_bytes = stats_.held_bytes;
  for (auto it = recency_.begin(); it != recency_.end() && left_bytes > limit_bytes; ++it) {
    const Entry& entry = entries_.at(*it);
    if (!entry.mapping.expired()) continue;
    chosen.push_back(*it);
    left_bytes -= entry.size_bytes;
  }
  if (left_bytes > limit_bytes) return false;
  for (const Digest& digest : chosen) Remove(digest);
  return true;
}

BlobCache::Entry& BlobCache::Insert(const Digest& digest, int64_t size_bytes) {
  Entry& entry = entries_[digest];
  entry.size_bytes = size_bytes;
  entry.recency = recency_.insert(recency_.end(), digest);
  stats_.held_bytes += size_bytes;
  return entry;
}

void BlobCache::Use(Entry& entry, const Bytes& mapping) {
  entry.mapping = mapping.owner();
  entry.data = mapping.data();
  recency_.splice(recency_.end(), recency_, entry.recency);
}

void BlobCache::Remove(const Digest& digest) {
  const auto it = entries_.find(digest);
  ::unlink(PathOf(digest).c_str());
  stats_.held_bytes -= it->second.size_bytes;
  recency_.erase(it->second.recency);
  entries_.erase(it);
}

BlobCacheStats BlobCache::stats() const {
  const MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace lwq
