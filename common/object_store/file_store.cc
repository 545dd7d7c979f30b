// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/file_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>
#include <vector>

#include "common/bytes/mapped_file.h"
#include "common/file/posix_file.h"
#include "common/file/staging.h"
#include "common/object_store/store_checks.h"
#include "common/sync/mutex.h"

namespace lwq {
namespace {

constexpr char kFolderMark = '+';
constexpr size_t kMaxRootBytes = 2048;

// "a/b/c" below root → "root/a+/b+/c".
std::string PathOfKey(const std::string& root, std::string_view key) {
  std::string path = root + "/";
  for (const char c : key) {
    if (c == '/') path.push_back(kFolderMark);
    path.push_back(c);
  }
  return path;
}

// One entry of a folder: an object, or a folder of objects. `key` is what their keys begin with: "a/b" or "a/b/".
struct FolderEntry {
  std::string key;
  std::string path;
  bool is_folder = false;
};

// Ascending by key; comparing a folder by "name/" gives the order of the keys inside it among its siblings.
StatusOr<std::vector<FolderEntry>> ReadFolder(const std::string& path, const std::string& key_prefix) {
  std::vector<FolderEntry> entries;
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) {
    if (errno == ENOENT) return entries;
    return ErrnoStatus(errno, "list", path);
  }
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name.front() == kFolderMark || name == "." || name == "..") continue;
    const bool is_folder = name.back() == kFolderMark;
    std::string key = absl::StrCat(key_prefix, is_folder ? name.substr(0, name.size() - 1) : name);
    if (!ValidateObjectKey(key).ok()) continue;  // not ours
    if (is_folder) key.push_back('/');
    entries.push_back({std::move(key), absl::StrCat(path, "/", name), is_folder});
    errno = 0;
  }
  const int error = errno;
  ::closedir(stream);
  if (error != 0) return ErrnoStatus(error, "list", path);
  std::sort(entries.begin(), entries.end(), [](const FolderEntry& a, const FolderEntry& b) { return a.key < b.key; });
  return entries;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

ObjectInfo InfoOf(std::string key, const struct stat& info) {
  return {std::move(key), static_cast<int64_t>(info.st_size),
          static_cast<int64_t>(info.st_mtim.tv_sec) * 1000 + info.st_mtim.tv_nsec / 1'000'000};
}

// Walks folders in key order, entering only those that can hold a key of the page.
class Lister {
 public:
  Lister(std::string_view prefix, std::string_view start_after, int limit)
      : prefix_(prefix), start_after_(start_after), limit_(static_cast<size_t>(limit)) {}

  Status Walk(const std::string& path, const std::string& key_prefix) {
    LWQ_ASSIGN_OR_RETURN(const std::vector<FolderEntry> entries, ReadFolder(path, key_prefix));
    for (const FolderEntry& entry : entries) {
      if (page_.truncated) break;
      if (entry.is_folder) {
        if (CanHoldMatches(entry.key)) LWQ_RETURN_IF_ERROR(Walk(entry.path, entry.key));
      } else if (StartsWith(entry.key, prefix_) && entry.key > start_after_) {
        AddObject(entry);
      }
    }
    return absl::OkStatus();
  }

  ListPage TakePage() { return std::move(page_); }

 private:
  bool CanHoldMatches(std::string_view folder_key) const {
    const bool on_prefix = StartsWith(folder_key, prefix_) || StartsWith(prefix_, folder_key);
    const bool is_before_start = start_after_ > folder_key && !StartsWith(start_after_, folder_key);
    return on_prefix && !is_before_start;
  }

  void AddObject(const FolderEntry& entry) {
    struct stat info {};
    if (::stat(entry.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;  // deleted meanwhile, or not ours
    if (page_.objects.size() == limit_) {
      page_.truncated = true;
    } else {
      page_.objects.push_back(InfoOf(entry.key, info));
    }
  }

  const std::string_view prefix_;
  const std::string_view start_after_;
  const size_t limit_;
  ListPage page_;
};

class FileStore : public ObjectStore {
 public:
  FileStore(std::string root, const FileStoreOptions& options) : root_(std::move(root)), options_(options) {}

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override;
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override;
  StatusOr<Bytes> Get(std::string_view key) override;
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override;
  StatusOr<ObjectInfo> Head(std::string_view key) override;
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override;
  Status Renew(std::string_view key) override;
  Status Delete(std::string_view key) override;
  std::string Describe() const override { return absl::StrCat("file://", root_); }
  bool IsLocal() const override { return true; }

  std::string StagingDirectory() const { return root_ + "/" + kFolderMark + "staging"; }
  Status Publish(StagingFile& file, const std::string& key, const PutOptions& options);

 private:
  StatusOr<Bytes> Map(std::string_view key);
  Status EnsureFolder(const std::string& path);
  void ForgetFolders();

  const std::string root_;
  const FileStoreOptions options_;
  Mutex mutex_;
  std::set<std::string> folders_ ABSL_GUARDED_BY(mutex_);  // exist, with durable names
};

class FileUpload : public Upload {
 public:
  FileUpload(FileStore* store, std::string key, const PutOptions& options, std::unique_ptr<StagingFile> file)
      : store_(store), key_(std::move(key)), options_(options), file_(std::move(file)) {}

  Status Write(std::span<const std::byte> data) override {
    LWQ_RETURN_IF_ERROR(CheckOpen());
    return file_->Append(data);
  }

  Status Commit() override {
    LWQ_RETURN_IF_ERROR(CheckOpen());
    const Status published = store_->Publish(*file_, key_, options_);
    if (!absl::IsUnavailable(published)) file_.reset();
    return published;
  }

 private:
  Status CheckOpen() const {
    if (file_ != nullptr) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("upload of '", key_, "' is already committed"));
  }

  FileStore* store_;
  const std::string key_;
  const PutOptions options_;
  std::unique_ptr<StagingFile> file_;
};

Status FileStore::Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> upload, StartUpload(key, options));
  LWQ_RETURN_IF_ERROR(upload->Write(data));
  return upload->Commit();
}

StatusOr<std::unique_ptr<Upload>> FileStore::StartUpload(std::string_view key, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  StatusOr<std::unique_ptr<StagingFile>> file = StagingFile::Create(StagingDirectory());
  if (absl::IsNotFound(file.status())) {
    ForgetFolders();
    LWQ_RETURN_IF_ERROR(EnsureFolder(StagingDirectory()));
    file = StagingFile::Create(StagingDirectory());
  }
  if (!file.ok()) return Annotate(file.status(), absl::StrCat("put '", key, "'"));
  return std::make_unique<FileUpload>(this, std::string(key), options, std::move(*file));
}

Status FileStore::Publish(StagingFile& file, const std::string& key, const PutOptions& options) {
  const std::string path = PathOfKey(root_, key);
  const std::string folder = ParentDirectory(path);
  LWQ_RETURN_IF_ERROR(file.Seal(options_.sync));
  Status named;
  for (int attempt = 0; attempt < 2; ++attempt) {
    LWQ_RETURN_IF_ERROR(EnsureFolder(folder));
    named = options.if_absent ? file.LinkTo(path) : file.RenameTo(path);
    if (!absl::IsNotFound(named)) break;
    ForgetFolders();  // somebody removed it behind our back
  }
  if (absl::IsAlreadyExists(named)) return ObjectExists(key, Describe());
  if (absl::IsNotFound(named)) return absl::UnavailableError(named.message());
  LWQ_RETURN_IF_ERROR(named);
  if (options_.sync) LWQ_RETURN_IF_ERROR(SyncDirectory(folder));
  return absl::OkStatus();
}

// A folder may have been made by a process that died before it synced the folder above; so whoever first uses a folder
// syncs the one above it.
Status FileStore::EnsureFolder(const std::string& path) {
  if (path == root_) return absl::OkStatus();
  {
    const MutexLock lock(&mutex_);
    if (folders_.count(path) > 0) return absl::OkStatus();
  }
  const std::string parent = ParentDirectory(path);
  LWQ_RETURN_IF_ERROR(EnsureFolder(parent));
  LWQ_RETURN_IF_ERROR(MakeDirectories(path));
  if (options_.sync) LWQ_RETURN_IF_ERROR(SyncDirectory(parent));
  const MutexLock lock(&mutex_);
  folders_.insert(path);
  return absl::OkStatus();
}

void FileStore::ForgetFolders() {
  const MutexLock lock(&mutex_);
  folders_.clear();
}

StatusOr<Bytes> FileStore::Map(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  StatusOr<Bytes> bytes = Bytes::MapFile(PathOfKey(root_, key));
  if (absl::IsNotFound(bytes.status())) return ObjectNotFound(key, Describe());
  return bytes;
}

StatusOr<Bytes> FileStore::Get(std::string_view key) {
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, Map(key));
  LoadPages(bytes);
  return bytes;
}

StatusOr<Bytes> FileStore::GetRange(std::string_view key, int64_t offset, int64_t length) {
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Map(key));
  LWQ_RETURN_IF_ERROR(ValidateRange(key, offset, length, static_cast<int64_t>(bytes.size())));
  return bytes.Slice(static_cast<size_t>(offset), static_cast<size_t>(length));
}

StatusOr<ObjectInfo> FileStore::Head(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const std::string path = PathOfKey(root_, key);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? ObjectNotFound(key, Describe()) : ErrnoStatus(errno, "stat", path);
  }
  if (!S_ISREG(info.st_mode)) return ObjectNotFound(key, Describe());
  return InfoOf(std::string(key), info);
}

StatusOr<ListPage> FileStore::List(std::string_view prefix, std::string_view start_after, int limit) {
  LWQ_RETURN_IF_ERROR(ValidateListArguments(prefix, start_after, limit));
  // The deepest folder that holds every match; a prefix that no key can have ("a//b") matches nothing.
  const size_t slash = prefix.rfind('/');
  const std::string folder_key = slash == std::string_view::npos ? "" : std::string(prefix.substr(0, slash + 1));
  if (slash != std::string_view::npos && !ValidateObjectKey(prefix.substr(0, slash)).ok()) return ListPage{};
  std::string path = PathOfKey(root_, folder_key);
  path.pop_back();
  Lister lister(prefix, start_after, limit);
  LWQ_RETURN_IF_ERROR(lister.Walk(path, folder_key));
  return lister.TakePage();
}

Status FileStore::Renew(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const std::string path = PathOfKey(root_, key);
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0) return absl::OkStatus();
  return errno == ENOENT ? ObjectNotFound(key, Describe()) : ErrnoStatus(errno, "renew", path);
}

Status FileStore::Delete(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const std::string path = PathOfKey(root_, key);
  if (::unlink(path.c_str()) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "delete", path);
  }
  if (options_.sync) LWQ_RETURN_IF_ERROR(SyncDirectory(ParentDirectory(path)));
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<ObjectStore>> OpenFileStore(const std::string& root, const FileStoreOptions& options) {
  std::string path = root;
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (path.empty() || path.front() != '/' || path.size() > kMaxRootBytes) {
    return absl::InvalidArgumentError(absl::StrCat("object store folder '", root.substr(0, 200),
                                                   "' must be an absolute path below / of at most ", kMaxRootBytes,
                                                   " bytes"));
  }
  auto store = std::make_unique<FileStore>(path, options);
  const std::string staging = store->StagingDirectory();
  const Status made = MakeDirectories(staging);
  if (!made.ok()) return Annotate(made, absl::StrCat("object store file://", path));
  if (::access(staging.c_str(), W_OK | X_OK) != 0) return ErrnoStatus(errno, "write to object store", staging);
  SweepStaging(staging);
  return store;
}

}  // namespace lwq
