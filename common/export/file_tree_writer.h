// SPDX-License-Identifier: Apache-2.0
// Writes a file-tree artifact (common/artifact/file_tree.h) as its bytes are made, one piece in memory and one on
// its way to the store: an exported model of any size passes through. The same contents give the same artifact as
// UploadContents.
//
// The store must outlive the writer. Errors are the store's, with the file's name.
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
#include "common/export/file_sink.h"
#include "common/status/status.h"

namespace lwq::qat {

class FileTreeWriter : public FileSink {
 public:
  explicit FileTreeWriter(ArtifactStore* store) : store_(store) {}
  FileTreeWriter(const FileTreeWriter&) = delete;
  FileTreeWriter& operator=(const FileTreeWriter&) = delete;

  Status Begin(const std::string& path) override;
  Status Write(std::span<const std::byte> data) override;
  using FileSink::Write;
  int64_t total_bytes() const override { return total_bytes_; }
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
