// SPDX-License-Identifier: Apache-2.0
// Where an export's files are written as their bytes are made: into the object store (file_tree_writer.h), or into a
// folder (folder_writer.h).
//
// Files may be written in any order, each from beginning to end. One thread at a time. After an error no further call
// is meaningful.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq::qat {

class FileSink {
 public:
  virtual ~FileSink() = default;

  // Ends the file before. INVALID_ARGUMENT for a path that was begun already. Paths are relative, with '/'.
  virtual Status Begin(const std::string& path) = 0;
  // Requires Begin.
  virtual Status Write(std::span<const std::byte> data) = 0;
  Status Write(std::string_view text) { return Write(std::as_bytes(std::span(text.data(), text.size()))); }
  // A whole small file.
  Status Add(const std::string& path, std::string_view contents) {
    LWQ_RETURN_IF_ERROR(Begin(path));
    return Write(contents);
  }
  // What has been written so far, in all files.
  virtual int64_t total_bytes() const = 0;
};

}  // namespace lwq::qat
