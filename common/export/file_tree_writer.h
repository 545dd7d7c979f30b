// SPDX-License-Identifier: Apache-2.0
// Writes a file-tree artifact (common/artifact/file_tree.h) as its bytes are made, one piece in memory and one on
// its way to the store: an exported model of any size passes through. The same contents give the same artifact as
// UploadContents.
//
// Files may be written in any order, each from beginning to end. One thread at a time. The store must outlive the
// writer. Errors are the store's, with the file's name; after one, no further call is meaningful.
#pragma once

#include <cstdint>
#include <future>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/artifact/file_tree.h"
#include "common/status/status.h"

namespace lwq::qat {

class FileTreeWriter {
 public:
  explicit FileTreeWriter(ArtifactStore* store) : store_(store) {}
  FileTreeWriter(const FileTreeWriter&) = delete;
  FileTreeWriter& operator=(const FileTreeWriter&) = delete;

  // Ends the file before. INVALID_ARGUMENT for a path that was begun already.
  Status Begin(const std::string& path);
  // Requires Begin.
  Status Write(std::span<const std::byte> data);
  Status Write(std::string_view text) { return Write(std::as_bytes(std::span(text.data(), text.size()))); }
  // A whole small file.
  Status Add(const std::string& path, std::string_view contents);

  // What has been written so far, in all files.
  int64_t total_bytes() const { return total_bytes_; }
  // Publishes the tree. No call may follow.
  StatusOr<ArtifactRef> Finish();

 private:
  struct File {
    int64_t size_bytes = 0;
    std::vector<BlobRef> pieces;
  };
  Status FlushPiece();
  Status AwaitUpload();

  ArtifactStore* store_;
  std::map<std::string, File> files_;
  File* current_ = nullptr;
  std::string current_path_;
  std::string pending_;
  std::future<StatusOr<BlobRef>> upload_;
  File* uploading_ = nullptr;
  std::string uploading_path_;
  int64_t total_bytes_ = 0;
};

}  // namespace lwq::qat
