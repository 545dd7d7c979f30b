// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/download/blob_link.h"
#include "common/file/posix_file.h"
#include "common/file/staging.h"
#include "common/json/json.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;

constexpr int kTreeFormat = 1;
constexpr char kStaging[] = "/.lwq";

Json TreeJson(const std::vector<HubFile>& files) {
  Json list = Json::object();
  for (const HubFile& file : files) {
    Json entry = {{"size", file.size_bytes}, {"blob_id", file.git_sha1}};
    if (file.etag != file.git_sha1) {
      entry["lfs_sha256"] = file.etag;
      entry["lfs_size"] = file.size_bytes;
    }
    if (!file.xet_hash.empty()) entry["xet_hash"] = file.xet_hash;
    list[file.path] = std::move(entry);
  }
  return {{"format_version", kTreeFormat}, {"files", std::move(list)}};
}

// None for what is no entry.
std::optional<HubFile> ReadTreeJsonEntry(const std::string& path, const Json& entry) {
  if (!entry.is_object() || !CheckRepoPath(path).ok()) return std::nullopt;
  const auto size = JsonInt(entry, "size", path);
  const auto git_sha1 = JsonString(entry, "blob_id", path);
  if (!size.ok() || !git_sha1.ok()) return std::nullopt;
  HubFile file = {path, *size, *git_sha1, *git_sha1, ""};
  if (const auto sha256 = entry.find("lfs_sha256"); sha256 != entry.end() && sha256->is_string()) {
    const auto lfs_size = JsonInt(entry, "lfs_size", path);
    if (!lfs_size.ok()) return std::nullopt;
    file.etag = sha256->get<std::string>();
    file.size_bytes = *lfs_size;
  }
  if (PlainEtag(file.etag).empty() || file.size_bytes < 0 || file.size_bytes > kMaxHubFileBytes) return std::nullopt;
  const auto xet = entry.find("xet_hash");
  if (xet != entry.end() && xet->is_string()) file.xet_hash = xet->get<std::string>();
  return file;
}

}  // namespace

HubCache::HubCache(const std::string& cache_folder, const HubRepo& repo)
    : folder_(absl::StrCat(cache_folder, "/", repo.FolderName())),
      locks_(absl::StrCat(cache_folder, "/.locks/", repo.FolderName())) {}

std::string HubCache::FindCommit(std::string_view revision) const {
  if (IsCommit(revision)) return std::string(revision);
  const StatusOr<Bytes> ref = Bytes::MapFile(absl::StrCat(folder_, "/refs/", revision));
  if (!ref.ok()) return "";
  const std::string_view line = ref->view().substr(0, ref->view().find_last_not_of("\r\n") + 1);
  return IsCommit(line) ? std::string(line) : "";
}

// Other readers see the old text or the new one.
Status HubCache::WriteWhole(const std::string& path, std::string_view text, bool is_private) const {
  const std::string staging = folder_ + kStaging;
  LWQ_RETURN_IF_ERROR(MakeDirectories(staging));
  LWQ_RETURN_IF_ERROR(MakeDirectories(ParentDirectory(path)));
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<StagingFile> file, StagingFile::Create(staging, "text-"));
  LWQ_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(text.data(), text.size()))));
  LWQ_RETURN_IF_ERROR(file->Seal(/*sync=*/false));
  LWQ_RETURN_IF_ERROR(file->RenameTo(path));
  if (is_private && ::chmod(path.c_str(), 0600) != 0) return ErrnoStatus(errno, "chmod", path);
  return absl::OkStatus();
}

Status HubCache::WriteRef(std::string_view revision, const std::string& commit) const {
  if (IsCommit(revision) || FindCommit(revision) == commit) return absl::OkStatus();
  return WriteWhole(absl::StrCat(folder_, "/refs/", revision), commit, /*is_private=*/false);
}

std::optional<std::vector<HubFile>> HubCache::ReadTree(const std::string& commit) const {
  const StatusOr<Bytes> text = Bytes::MapFile(absl::StrCat(folder_, "/trees/", commit, ".json"));
  if (!text.ok()) return std::nullopt;
  const StatusOr<Json> tree = ParseJson(text->view(), "tree");
  if (!tree.ok() || !tree->is_object() || tree->value("format_version", Json()) != Json(kTreeFormat))
    return std::nullopt;
  const auto files = tree->find("files");
  if (files == tree->end() || !files->is_object()) return std::nullopt;
  std::vector<HubFile> list;
  for (const auto& [path, entry] : files->items()) {
    std::optional<HubFile> file = ReadTreeJsonEntry(path, entry);
    if (!file.has_value()) return std::nullopt;
    list.push_back(*std::move(file));
  }
  return list;
}

Status HubCache::WriteTree(const std::string& commit, const std::vector<HubFile>& files) const {
  return WriteWhole(absl::StrCat(folder_, "/trees/", commit, ".json"), TreeJson(files).dump(1), /*is_private=*/true);
}

std::vector<HubFile> HubCache::FilesHere(const std::string& commit) const {
  std::vector<HubFile> files;
  const fs::path root = SnapshotFolder(commit);
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().lexically_relative(root).generic_string();
    const int64_t size_bytes = SizeOfFile(it->path().string());
    if (size_bytes >= 0 && CheckRepoPath(path).ok()) files.push_back({path, size_bytes, "", "", ""});
  }
  return files;
}

std::string HubCache::SnapshotFolder(const std::string& commit) const {
  return absl::StrCat(folder_, "/snapshots/", commit);
}

bool HubCache::HasFile(const std::string& commit, std::string_view path, int64_t size_bytes) const {
  const int64_t here = SizeOfFile(absl::StrCat(SnapshotFolder(commit), "/", path));
  return here >= 0 && (size_bytes < 0 || here == size_bytes);
}

bool HubCache::HasBlob(const HubFile& file) const {
  return SizeOfFile(absl::StrCat(folder_, "/blobs/", file.etag)) == file.size_bytes;
}

Status HubCache::LinkFile(const std::string& commit, const HubFile& file) const {
  const std::string path = absl::StrCat(SnapshotFolder(commit), "/", file.path);
  LWQ_RETURN_IF_ERROR(MakeDirectories(ParentDirectory(path)));
  const std::string target = BlobSeenFrom(file.path, file.etag);
  const std::string blob = absl::StrCat(folder_, "/blobs/", file.etag);
  for (int attempt = 0;; ++attempt) {
    if (::symlink(target.c_str(), path.c_str()) == 0) return absl::OkStatus();
    const int error = errno;
    if (error == EPERM || error == EOPNOTSUPP || error == ENOSYS) break;  // a file system without links
    if (error != EEXIST || attempt > 0) return ErrnoStatus(error, "link", path);
    if (SizeOfFile(path) == file.size_bytes) return absl::OkStatus();
    ::unlink(path.c_str());  // to nowhere, or to what was cut short
  }
  return std::rename(blob.c_str(), path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "rename to", path);
}

StatusOr<FileLock> HubCache::LockBlob(const std::string& etag, const RetryWait& wait) const {
  LWQ_RETURN_IF_ERROR(MakeDirectories(locks_));
  return FileLock::Take(absl::StrCat(locks_, "/", etag, ".lock"), wait);
}

StatusOr<std::string> HubCache::PartialPath(const std::string& etag) const {
  LWQ_RETURN_IF_ERROR(MakeDirectories(folder_ + kStaging));
  return absl::StrCat(folder_, kStaging, "/", etag, ".part");
}

StatusOr<std::string> HubCache::BlobPath(const std::string& etag) const {
  LWQ_RETURN_IF_ERROR(MakeDirectories(folder_ + "/blobs"));
  return absl::StrCat(folder_, "/blobs/", etag);
}

}  // namespace lwq
