// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/file_tree.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <future>
#include <set>
#include <utility>

#include "common/file/posix_file.h"
#include "common/file/staging.h"

namespace lwq {
namespace {

constexpr std::string_view kFilesKind = "files";
constexpr int64_t kMaxPieceBytes = 1 << 30;
constexpr size_t kUploadsInFlight = 2;
constexpr char kPartial[] = ".partial-";  // begins the names of files that are being written

int64_t PieceCount(int64_t size_bytes, int64_t piece_bytes) {
  return size_bytes / piece_bytes + (size_bytes % piece_bytes != 0 ? 1 : 0);
}

std::string PieceName(std::string_view path, int64_t index) {
  return absl::StrCat(path, "#", index);
}

Status CheckTreePath(std::string_view path) {
  const auto bad = [&](std::string_view reason) {
    return absl::InvalidArgumentError(absl::StrCat("file tree path '", path.substr(0, 200), "' ", reason));
  };
  if (path.empty() || path.size() > 4096) return bad("must have 1 to 4096 bytes");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == 0x7f) return bad("holds a control character or '\\'");
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty()) return bad("is absolute or has an empty segment");
    if (segment == "." || segment == "..") return bad("has a '.' or '..' segment");
    begin = end + 1;
  }
  const StatusOr<Json> read_back = ParseJson(CanonicalJson(Json(std::string(path))), "path");
  if (!read_back.ok() || *read_back != Json(std::string(path))) return bad("is not UTF-8");
  return absl::OkStatus();
}

// Hashes and stores pieces a few at a time in the background, and keeps their references in order.
class TreeUploader {
 public:
  TreeUploader(ArtifactStore* store, const std::function<void(int64_t, int64_t)>* progress, int64_t total_bytes)
      : store_(store), progress_(progress), total_bytes_(total_bytes) {
    manifest_.kind = kFilesKind;
    manifest_.meta = {{"files", Json::array()}, {"piece_bytes", kPieceBytes}};
  }

  void StartFile(const std::string& path, int64_t size_bytes) {
    manifest_.meta["files"].push_back(
        {{"path", path}, {"size_bytes", size_bytes}, {"pieces", PieceCount(size_bytes, kPieceBytes)}});
  }

  Status AddPiece(std::string name, Bytes piece) {
    if (in_flight_.size() >= kUploadsInFlight) LWQ_RETURN_IF_ERROR(AwaitOne());
    in_flight_.push_back({std::move(name), std::async(std::launch::async, [store = store_, piece = std::move(piece)] {
                            return store->PutBlob(piece.span());
                          })});
    return absl::OkStatus();
  }

  StatusOr<ArtifactRef> Finish() {
    while (!in_flight_.empty()) LWQ_RETURN_IF_ERROR(AwaitOne());
    return store_->Publish(manifest_);
  }

 private:
  struct InFlight {
    std::string name;
    std::future<StatusOr<BlobRef>> blob;
  };

  Status AwaitOne() {
    InFlight oldest = std::move(in_flight_.front());
    in_flight_.pop_front();
    const StatusOr<BlobRef> blob = oldest.blob.get();
    if (!blob.ok()) return Annotate(blob.status(), absl::StrCat("upload ", oldest.name));
    manifest_.parts.push_back({std::move(oldest.name), *blob});
    done_bytes_ += blob->size_bytes;
    if (progress_ != nullptr && *progress_) (*progress_)(done_bytes_, total_bytes_);
    return absl::OkStatus();
  }

  ArtifactStore* store_;
  const std::function<void(int64_t, int64_t)>* progress_;
  const int64_t total_bytes_;
  int64_t done_bytes_ = 0;
  Manifest manifest_;
  std::deque<InFlight> in_flight_;
};

struct OpenedFile {
  std::string disk_path;
  int64_t size_bytes = 0;
};

StatusOr<OpenedFile> Inspect(const std::string& disk_path) {
  struct stat info {};
  if (::stat(disk_path.c_str(), &info) != 0) return ErrnoStatus(errno, "read", disk_path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(disk_path, " is not a regular file"));
  return OpenedFile{disk_path, static_cast<int64_t>(info.st_size)};
}

Status UploadFile(TreeUploader& uploader, const std::string& tree_path, const OpenedFile& file) {
  LWQ_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(file.disk_path, O_RDONLY));
  uploader.StartFile(tree_path, file.size_bytes);
  for (int64_t index = 0; index < PieceCount(file.size_bytes, kPieceBytes); ++index) {
    const int64_t offset = index * kPieceBytes;
    std::string piece(static_cast<size_t>(std::min(kPieceBytes, file.size_bytes - offset)), '\0');
    const Status read =
        ReadAt(fd.get(), offset, std::as_writable_bytes(std::span(piece.data(), piece.size())), file.disk_path);
    if (!read.ok()) return read;
    LWQ_RETURN_IF_ERROR(uploader.AddPiece(PieceName(tree_path, index), Bytes::FromString(std::move(piece))));
  }
  LWQ_ASSIGN_OR_RETURN(const OpenedFile now, Inspect(file.disk_path));
  if (now.size_bytes != file.size_bytes) {
    return absl::UnavailableError(absl::StrCat(file.disk_path, " changed while it was uploaded; try again"));
  }
  return absl::OkStatus();
}

// Removes what writers that are gone left half-written in `directory`: they held a lock on it (staging.h).
void SweepPartialFiles(const std::string& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    std::error_code ignored;
    if (!it->path().filename().string().starts_with(kPartial) || !it->is_regular_file(ignored)) continue;
    const StatusOr<UniqueFd> fd = OpenFile(path, O_RDWR | O_NOFOLLOW);
    if (fd.ok() && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
}

Status Malformed(std::string_view reason) {
  return absl::DataLossError(absl::StrCat("not a well-formed file tree: ", reason));
}

}  // namespace

StatusOr<ArtifactRef> UploadFiles(ArtifactStore& store, const std::map<std::string, std::string>& files,
                                  const std::function<void(int64_t, int64_t)>& progress) {
  std::map<std::string, OpenedFile> inspected;
  int64_t total_bytes = 0;
  for (const auto& [tree_path, disk_path] : files) {
    LWQ_RETURN_IF_ERROR(CheckTreePath(tree_path));
    LWQ_ASSIGN_OR_RETURN(const OpenedFile file, Inspect(disk_path));
    total_bytes += file.size_bytes;
    inspected.emplace(tree_path, file);
  }
  TreeUploader uploader(&store, &progress, total_bytes);
  for (const auto& [tree_path, file] : inspected) LWQ_RETURN_IF_ERROR(UploadFile(uploader, tree_path, file));
  return uploader.Finish();
}

StatusOr<ArtifactRef> UploadContents(ArtifactStore& store, const std::map<std::string, Bytes>& files) {
  TreeUploader uploader(&store, nullptr, 0);
  for (const auto& [path, content] : files) {
    LWQ_RETURN_IF_ERROR(CheckTreePath(path));
    const int64_t size_bytes = static_cast<int64_t>(content.size());
    uploader.StartFile(path, size_bytes);
    for (int64_t index = 0; index < PieceCount(size_bytes, kPieceBytes); ++index) {
      const int64_t offset = index * kPieceBytes;
      const int64_t length = std::min(kPieceBytes, size_bytes - offset);
      LWQ_RETURN_IF_ERROR(uploader.AddPiece(PieceName(path, index),
                                            content.Slice(static_cast<size_t>(offset), static_cast<size_t>(length))));
    }
  }
  return uploader.Finish();
}

StatusOr<FileTree> FileTree::FromManifest(BlobSource* blobs, const Manifest& manifest) {
  if (manifest.kind != kFilesKind) return Malformed(absl::StrCat("it is of kind '", manifest.kind.substr(0, 80), "'"));
  FileTree tree;
  tree.blobs_ = blobs;
  const StatusOr<int64_t> piece_bytes = JsonInt(manifest.meta, "piece_bytes", "meta");
  if (!piece_bytes.ok()) return Malformed(MessageOf(piece_bytes.status()));
  if (*piece_bytes < 1 || *piece_bytes > kMaxPieceBytes) {
    return Malformed(absl::StrCat("pieces of ", *piece_bytes, " bytes"));
  }
  tree.piece_bytes_ = *piece_bytes;
  const auto files = manifest.meta.find("files");
  if (files == manifest.meta.end() || !files->is_array()) return Malformed("'files' is not an array");
  size_t next_part = 0;
  for (const Json& entry : *files) {
    const Status added = tree.AddFile(entry, manifest, next_part);
    if (!added.ok()) return Malformed(MessageOf(added));
  }
  if (next_part != manifest.parts.size()) return Malformed("it has pieces that belong to no file");
  return tree;
}

Status FileTree::AddFile(const Json& entry, const Manifest& manifest, size_t& next_part) {
  LWQ_ASSIGN_OR_RETURN(const std::string path, JsonString(entry, "path", "file"));
  LWQ_RETURN_IF_ERROR(CheckTreePath(path));
  if (!files_.empty() && path <= files_.rbegin()->first) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is repeated or out of order"));
  }
  File file;
  LWQ_ASSIGN_OR_RETURN(file.size_bytes, JsonInt(entry, "size_bytes", path));
  LWQ_ASSIGN_OR_RETURN(const int64_t pieces, JsonInt(entry, "pieces", path));
  if (file.size_bytes < 0 || pieces != PieceCount(file.size_bytes, piece_bytes_)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' of ", file.size_bytes, " bytes cannot have ", pieces, " pieces"));
  }
  if (static_cast<size_t>(pieces) > manifest.parts.size() - next_part) {
    return absl::InvalidArgumentError(absl::StrCat("pieces of '", path, "' are missing"));
  }
  for (int64_t index = 0; index < pieces; ++index) {
    const Part& part = manifest.parts[next_part++];
    const int64_t expected_bytes = std::min(piece_bytes_, file.size_bytes - index * piece_bytes_);
    if (part.name != PieceName(path, index) || part.blob.size_bytes != expected_bytes) {
      return absl::InvalidArgumentError(absl::StrCat("piece ", index, " of '", path, "' has a wrong name or size"));
    }
    file.pieces.push_back(part.blob);
  }
  files_.emplace_hint(files_.end(), path, std::move(file));
  return absl::OkStatus();
}

StatusOr<FileTree> FileTree::Open(BlobSource* blobs, const ArtifactRef& artifact) {
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(*blobs, artifact));
  StatusOr<FileTree> tree = FromManifest(blobs, manifest);
  if (!tree.ok()) return Annotate(tree.status(), absl::StrCat("artifact ", artifact.digest.hex()));
  return tree;
}

std::vector<std::string> FileTree::paths() const {
  std::vector<std::string> paths;
  paths.reserve(files_.size());
  for (const auto& [path, file] : files_) paths.push_back(path);
  return paths;
}

bool FileTree::Contains(std::string_view path) const {
  return files_.find(path) != files_.end();
}

StatusOr<const FileTree::File*> FileTree::Find(std::string_view path) const {
  const auto it = files_.find(path);
  if (it == files_.end()) return absl::NotFoundError(absl::StrCat("file '", path, "' is not in the tree"));
  return &it->second;
}

FileTree FileTree::Renamed(std::string_view from, const std::string& to) const {
  FileTree renamed = *this;
  const auto found = renamed.files_.find(from);
  if (found == renamed.files_.end()) return renamed;
  auto file = renamed.files_.extract(found);
  renamed.files_.erase(to);
  file.key() = to;
  renamed.files_.insert(std::move(file));
  return renamed;
}

StatusOr<int64_t> FileTree::SizeBytes(std::string_view path) const {
  LWQ_ASSIGN_OR_RETURN(const File* file, Find(path));
  return file->size_bytes;
}

StatusOr<Bytes> FileTree::Read(std::string_view path, int64_t offset, int64_t length) const {
  LWQ_ASSIGN_OR_RETURN(const File* file, Find(path));
  if (offset < 0 || length < 0 || offset > file->size_bytes || length > file->size_bytes - offset) {
    return absl::OutOfRangeError(absl::StrCat("range of ", length, " bytes at ", offset, " is outside file '", path,
                                              "' of ", file->size_bytes, " bytes"));
  }
  if (length == 0) return Bytes();
  // All pieces are there, of the sizes promised, before memory is asked for.
  const int64_t first = offset / piece_bytes_;
  const int64_t last = (offset + length - 1) / piece_bytes_;
  std::vector<Bytes> slices;
  for (int64_t index = first; index <= last; ++index) {
    StatusOr<Bytes> piece = blobs_->Fetch(file->pieces[static_cast<size_t>(index)]);
    if (!piece.ok()) return Annotate(piece.status(), absl::StrCat("file '", path, "'"));
    const int64_t piece_begin = index * piece_bytes_;
    const int64_t begin = std::max(offset, piece_begin);
    const int64_t end = std::min(offset + length, piece_begin + static_cast<int64_t>(piece->size()));
    slices.push_back(piece->Slice(static_cast<size_t>(begin - piece_begin), static_cast<size_t>(end - begin)));
  }
  if (slices.size() == 1) return slices.front();
  std::string joined;
  joined.reserve(static_cast<size_t>(length));
  for (const Bytes& slice : slices) joined.append(slice.view());
  return Bytes::FromString(std::move(joined));
}

StatusOr<Bytes> FileTree::ReadAll(std::string_view path) const {
  LWQ_ASSIGN_OR_RETURN(const File* file, Find(path));
  return Read(path, 0, file->size_bytes);
}

Status FileTree::Download(const std::string& directory, const std::function<void(int64_t, int64_t)>& progress) const {
  int64_t total_bytes = 0;
  int64_t done_bytes = 0;
  for (const auto& [path, file] : files_) total_bytes += file.size_bytes;
  LWQ_RETURN_IF_ERROR(MakeDirectories(directory));
  std::set<std::string> swept;
  for (const auto& [path, file] : files_) {
    const std::string target = absl::StrCat(directory, "/", path);
    const std::string parent = ParentDirectory(target);
    LWQ_RETURN_IF_ERROR(MakeDirectories(parent));
    if (swept.insert(parent).second) SweepPartialFiles(parent);
    LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<StagingFile> out, StagingFile::Create(parent, kPartial));
    for (const BlobRef& blob : file.pieces) {
      StatusOr<Bytes> piece = blobs_->Fetch(blob);
      if (!piece.ok()) return Annotate(piece.status(), absl::StrCat("file '", path, "'"));
      LWQ_RETURN_IF_ERROR(out->Append(piece->span()));
      done_bytes += blob.size_bytes;
      if (progress) progress(done_bytes, total_bytes);
    }
    LWQ_RETURN_IF_ERROR(out->Seal(/*sync=*/false));
    LWQ_RETURN_IF_ERROR(out->RenameTo(target));
  }
  return absl::OkStatus();
}

}  // namespace lwq
