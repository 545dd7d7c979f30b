// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_snapshot.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "common/digest/foreign_digest.h"
#include "common/download/partial_file.h"
#include "common/sync/parallel.h"

namespace lwq {
namespace {

// Of blobs whose digest was wrong: once more, since damage may have happened on the way.
constexpr int kFetchesMax = 2;
// Left free beside what comes.
constexpr int64_t kSpareBytes = int64_t{64} << 20;

}  // namespace

std::string HubSnapshot::Name() const {
  return absl::StrCat(repo_.Describe(), revision_ == "main" ? "" : absl::StrCat(" at ", revision_));
}

StatusOr<std::unique_ptr<HubSnapshot>> HubSnapshot::Open(const HubSettings& settings, const HubRepo& repo,
                                                         const std::string& revision, const HubFetchOptions& options) {
  LWQ_RETURN_IF_ERROR(CheckRepoId(repo.id));
  LWQ_RETURN_IF_ERROR(CheckRevision(revision));
  std::unique_ptr<HubSnapshot> snapshot(new HubSnapshot(settings, repo, revision, options));
  if (settings.offline) {
    LWQ_RETURN_IF_ERROR(snapshot->FindFilesOffline());
  } else {
    LWQ_RETURN_IF_ERROR(snapshot->FindFiles());
  }
  return snapshot;
}

Status HubSnapshot::FindFilesOffline() {
  commit_ = cache_.FindCommit(revision_);
  if (!commit_.empty()) {
    const std::optional<std::vector<HubFile>> tree = cache_.ReadTree(commit_);
    for (const HubFile& file : tree.has_value() ? *tree : cache_.FilesHere(commit_)) files_.emplace(file.path, file);
  }
  if (!files_.empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(Name(), " is not in ", settings_.cache_folder,
                                          ", and HF_HUB_OFFLINE is set: fetch it once without"));
}

Status HubSnapshot::FindFiles() {
  LWQ_ASSIGN_OR_RETURN(client_, HubClient::Make(settings_, options_.client));
  const auto explain = [&](const Status& status) {
    if (!absl::IsUnavailable(status)) return status;
    const bool has_commit = !cache_.FindCommit(revision_).empty();
    return Status(status.code(),
                  absl::StrCat(Name(), ": ", MessageOf(status),
                               has_commit ? "; what was fetched before is used with HF_HUB_OFFLINE=1" : ""));
  };
  StatusOr<std::string> commit = client_->Resolve(repo_, revision_);
  if (!commit.ok()) return explain(commit.status());
  commit_ = *std::move(commit);
  std::optional<std::vector<HubFile>> tree = cache_.ReadTree(commit_);
  if (!tree.has_value()) {
    StatusOr<std::vector<HubFile>> listed = client_->List(repo_, commit_);
    if (!listed.ok()) return explain(listed.status());
    // A cache that cannot be written to may still have every file.
    cache_.WriteTree(commit_, *listed).IgnoreError();
    tree = *std::move(listed);
  }
  for (const HubFile& file : *tree) files_.emplace(file.path, file);
  return absl::OkStatus();
}

StatusOr<std::vector<const HubFile*>> HubSnapshot::Missing(const std::vector<std::string>& paths) const {
  std::vector<const HubFile*> missing;
  for (const std::string& path : paths) {
    const auto found = files_.find(path);
    if (found == files_.end()) {
      return absl::NotFoundError(absl::StrCat(Name(), " has no file ", path, settings_.offline ? " in the cache" : ""));
    }
    if (cache_.HasFile(commit_, path, found->second.size_bytes)) continue;
    if (settings_.offline) {
      return absl::NotFoundError(absl::StrCat(Name(), ": ", path, " is not, or not whole, in ", settings_.cache_folder,
                                              ", and HF_HUB_OFFLINE is set: fetch it once without"));
    }
    missing.push_back(&found->second);
  }
  return missing;
}

Status HubSnapshot::CheckSpace(int64_t bytes) const {
  struct statvfs info {};
  if (::statvfs(cache_.folder().c_str(), &info) != 0) return absl::OkStatus();
  const int64_t free_bytes = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
  if (bytes + kSpareBytes <= free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(Name(), " needs ", bytes >> 20, " MiB more in ",
                                                   settings_.cache_folder, ", where ", free_bytes >> 20,
                                                   " MiB are free; free some, or set HF_HUB_CACHE to another folder"));
}

Status HubSnapshot::Fetch(const std::vector<std::string>& paths, const FetchProgress& progress) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<const HubFile*> missing, Missing(paths));
  if (missing.empty()) return absl::OkStatus();
  int64_t total_bytes = 0;
  std::vector<const HubFile*> small;
  std::vector<const HubFile*> large;
  for (const HubFile* file : missing) {
    total_bytes += file->size_bytes;
    (file->size_bytes <= options_.part_bytes ? small : large).push_back(file);
  }
  LWQ_RETURN_IF_ERROR(MakeDirectories(cache_.folder()));
  std::atomic<int64_t> done_bytes{0};
  const auto on_bytes = [&](int64_t bytes) {
    const int64_t done = done_bytes += bytes;
    if (progress) progress(std::min(done, total_bytes), total_bytes);
  };
  const auto fetch_all = [&]() -> Status {
    // Small ones side by side; of a large one the parts.
    LWQ_RETURN_IF_ERROR(ParallelFor(std::ssize(small), options_.parallel,
                                    [&](int64_t i) { return FetchFile(*small[static_cast<size_t>(i)], 1, on_bytes); }));
    for (const HubFile* file : large) LWQ_RETURN_IF_ERROR(FetchFile(*file, options_.parallel, on_bytes));
    return absl::OkStatus();
  };
  const Status fetched = fetch_all();
  return absl::IsUnavailable(fetched) ? Annotate(fetched, Name()) : fetched;
}

Status HubSnapshot::FetchFile(const HubFile& file, int parallel, const std::function<void(int64_t)>& on_bytes) {
  LWQ_ASSIGN_OR_RETURN(const FileLock lock, cache_.LockBlob(file.etag, options_.client.wait));
  if (cache_.HasBlob(file)) {  // of another commit, or of another process
    on_bytes(file.size_bytes);
    return cache_.LinkFile(commit_, file);
  }
  Status fetched;
  for (int attempt = 0; attempt < kFetchesMax; ++attempt) {
    fetched = FetchBlob(file, parallel, options_.part_bytes, on_bytes);
    if (absl::IsUnimplemented(fetched)) fetched = FetchBlob(file, 1, std::max<int64_t>(1, file.size_bytes), on_bytes);
    if (!absl::IsDataLoss(fetched)) break;
  }
  LWQ_RETURN_IF_ERROR(fetched);
  return cache_.LinkFile(commit_, file);
}

Status HubSnapshot::FetchBlob(const HubFile& file, int parallel, int64_t part_bytes,
                              const std::function<void(int64_t)>& on_bytes) {
  LWQ_ASSIGN_OR_RETURN(const std::string path, cache_.PartialPath(file.etag));
  LWQ_ASSIGN_OR_RETURN(const std::string blob, cache_.BlobPath(file.etag));
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<PartialFile> partial,
                       PartialFile::Open(path, file.etag, file.size_bytes, part_bytes));
  const int64_t stored_bytes = partial->stored_bytes();
  LWQ_RETURN_IF_ERROR(CheckSpace(file.size_bytes - stored_bytes));
  on_bytes(stored_bytes);
  HubFileReader reader(client_.get(), repo_, commit_, file);
  LWQ_RETURN_IF_ERROR(
      partial->Fill([&](int64_t begin, int64_t end, const ByteSink& sink) { return reader.Read(begin, end, sink); },
                    client_->retrier(), parallel, on_bytes));
  const Status content = CheckContent(file, *partial);
  if (absl::IsDataLoss(content)) partial->Remove();
  LWQ_RETURN_IF_ERROR(content);
  return partial->RenameTo(blob);
}

Status HubSnapshot::CheckContent(const HubFile& file, const PartialFile& partial) const {
  const bool is_lfs = file.etag != file.git_sha1;
  ForeignHasher hasher(is_lfs ? ForeignDigest::kSha256 : ForeignDigest::kGitBlobSha1, file.size_bytes);
  LWQ_RETURN_IF_ERROR(partial.Read([&](std::span<const std::byte> piece) -> Status {
    hasher.Update(piece);
    return options_.client.keep_going == nullptr ? absl::OkStatus() : options_.client.keep_going();
  }));
  const std::string digest = hasher.FinishHex();
  if (digest == file.etag) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      Name(), ": what came of ", file.path, " has the ", is_lfs ? "SHA-256 " : "git SHA-1 ", digest.substr(0, 12),
      "…, and the Hub says ", file.etag.substr(0, 12), "…; nothing of it was kept: try again, or another network"));
}

Status HubSnapshot::Remember(bool is_whole) {
  if (settings_.offline || (!is_whole && !cache_.FindCommit(revision_).empty())) return absl::OkStatus();
  return cache_.WriteRef(revision_, commit_);
}

}  // namespace lwq
