// SPDX-License-Identifier: Apache-2.0
// The safetensors format: u64 little-endian header length, JSON header, tensor data.
//
// Reading is by view (a mapped file is never copied) and trusts nothing: header length, offsets, overlaps, dtype, shape
// and file size are checked before the first tensor is handed out; a damaged file is DATA_LOSS with the file's name. A
// tensor of a dtype that this program does not compute with is no error until it is asked for: then it is
// FAILED_PRECONDITION with the tensor's name. Thread-safety: a parsed file is immutable.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/status/status.h"

namespace lwq {

struct SafetensorsEntry {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  int64_t begin_bytes = 0;  // from the start of the FILE (not of the data section)
  int64_t end_bytes = 0;
  // Of a tensor this program does not compute with ("BOOL", "F8_E4M3", "U16", …) the dtype's name; `dtype` then says
  // nothing. Sizes of those that safetensors 0.8 has are checked like any other's.
  std::string other_dtype = {};

  std::string_view dtype_name() const { return other_dtype.empty() ? DTypeName(dtype) : other_dtype; }
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> tensors;
  std::map<std::string, std::string> metadata;  // "__metadata__"
  int64_t data_begin_bytes = 0;                 // where the data section starts in the file
};

inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100 << 20;

// The header's length from a file's beginning, eight bytes at least (header_bytes excludes those eight); DATA_LOSS if
// it cannot be, which says what the file is where its first kForeignBytes (foreign_file.h) are given and tell.
StatusOr<int64_t> ParseSafetensorsHeaderBytes(std::string_view beginning, int64_t file_bytes, std::string_view what);
// `json` is the header text. `file_bytes` the whole file's size. `what` names the file in errors.
StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, int64_t file_bytes, std::string_view what);

// FAILED_PRECONDITION naming the tensor and its dtype unless the program computes with it.
Status CheckReadable(const SafetensorsEntry& entry, std::string_view name);

class SafetensorsFile {
 public:
  static StatusOr<SafetensorsFile> Open(const std::string& path);  // memory-mapped
  static StatusOr<SafetensorsFile> Parse(Bytes file, std::string_view what);

  const SafetensorsHeader& header() const { return header_; }
  bool Contains(std::string_view name) const;
  // NOT_FOUND naming tensor and file; FAILED_PRECONDITION for a dtype that is not ours.
  StatusOr<HostTensor> Get(std::string_view name) const;

 private:
  std::string what_;
  Bytes file_;
  SafetensorsHeader header_;
};

// Serializes tensors (in map order, data 8-byte aligned after the header, so equal tensors give equal bytes).
// INVALID_ARGUMENT when a tensor's bytes do not match its shape.
StatusOr<std::string> SerializeSafetensors(const std::map<std::string, HostTensor>& tensors,
                                           const std::map<std::string, std::string>& metadata);

}  // namespace lwq
