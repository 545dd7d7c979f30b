// SPDX-License-Identifier: Apache-2.0
// Files as artifacts: kind "files", each file cut into pieces of `piece_bytes`, so that any range of a file of any size
// can be fetched and verified alone, an upload resumes where it stopped, and equal files are stored once.
//
// meta: {"files":[{"path","size_bytes","pieces"}],"piece_bytes"}; parts: the pieces of the files in order, named
// "<path>#<index>". Paths are relative, '/'-separated, sorted, without "." or ".." segments.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"

namespace lwq {

inline constexpr int64_t kPieceBytes = 16 << 20;

// Uploads what the store lacks. `files` maps the path inside the tree to the path on this disk. `progress` (may be
// null) is called by the calling thread with (bytes done, bytes in total). INVALID_ARGUMENT for a bad path; NOT_FOUND,
// or UNAVAILABLE (it changed meanwhile, try again), naming the file.
StatusOr<ArtifactRef> UploadFiles(ArtifactStore& store, const std::map<std::string, std::string>& files,
                                  const std::function<void(int64_t, int64_t)>& progress);
// The same for contents in memory (exports, small files).
StatusOr<ArtifactRef> UploadContents(ArtifactStore& store, const std::map<std::string, Bytes>& files);

class FileTree {
 public:
  // `blobs` must outlive the tree. DATA_LOSS when the manifest is not a well-formed file tree.
  static StatusOr<FileTree> Open(BlobSource* blobs, const ArtifactRef& artifact);

  std::vector<std::string> paths() const;
  bool Contains(std::string_view path) const;
  // NOT_FOUND naming the path.
  StatusOr<int64_t> SizeBytes(std::string_view path) const;
  // The same files, with `from` under the name `to`, in the place of a file that has it; unchanged where there is no
  // `from`.
  FileTree Renamed(std::string_view from, const std::string& to) const;
  // Fetches only the pieces that cover the range; zero-copy when one piece does. OUT_OF_RANGE past the end.
  StatusOr<Bytes> Read(std::string_view path, int64_t offset, int64_t length) const;
  StatusOr<Bytes> ReadAll(std::string_view path) const;
  // Writes every file below `directory` (created); each file appears whole or not at all. What an earlier call that was
  // killed left half-written there is removed.
  Status Download(const std::string& directory, const std::function<void(int64_t, int64_t)>& progress) const;

 private:
  struct File {
    int64_t size_bytes = 0;
    std::vector<BlobRef> pieces;
  };
  static StatusOr<FileTree> FromManifest(BlobSource* blobs, const Manifest& manifest);
  Status AddFile(const Json& entry, const Manifest& manifest, size_t& next_part);
  StatusOr<const File*> Find(std::string_view path) const;
  BlobSource* blobs_ = nullptr;
  int64_t piece_bytes_ = kPieceBytes;
  std::map<std::string, File, std::less<>> files_;
};

}  // namespace lwq
