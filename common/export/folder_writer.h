// SPDX-License-Identifier: Apache-2.0
// Writes an export into a folder of this disk that appears whole or not at all: under a hidden name beside it until it
// is committed.
//
// FAILED_PRECONDITION where the folder is there and not empty, or is a file; else the file system's errors, with the
// path. Without Commit nothing is left. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "common/export/file_sink.h"
#include "common/file/posix_file.h"
#include "common/status/status.h"

namespace lwq::qat {

class FolderWriter : public FileSink {
 public:
  // Makes the folders above it.
  static StatusOr<std::unique_ptr<FolderWriter>> Create(const std::string& folder);
  ~FolderWriter() override;
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  Status Begin(const std::string& path) override;
  Status Write(std::span<const std::byte> data) override;
  using FileSink::Write;
  int64_t total_bytes() const override { return total_bytes_; }

  // Where the files are until they are committed.
  const std::string& staging() const { return staging_; }
  // Gives the folder its name. No call may follow.
  Status Commit();

 private:
  FolderWriter(std::string folder, std::string staging) : folder_(std::move(folder)), staging_(std::move(staging)) {}

  const std::string folder_;
  const std::string staging_;
  std::set<std::string> begun_;
  UniqueFd file_;
  std::string path_;
  int64_t file_bytes_ = 0;
  int64_t total_bytes_ = 0;
  bool committed_ = false;
};

}  // namespace lwq::qat
