// SPDX-License-Identifier: Apache-2.0
// A GGUF file, version 3: metadata, descriptions of tensors, and their bytes, each at a multiple of an alignment.
//
//   "GGUF", u32 version, u64 tensors, u64 keys
//   per key      string key, u32 type, value          string: u64 length, bytes; array: u32 type, u64 count, elements
//   per tensor   string name, u32 dimensions, u64 size of each (the fastest first), u32 type, u64 offset in the data
//   padding, data
// All little-endian. Source: the format's specification, which is part of ggml's documents.
//
// Reading trusts nothing: every count and length is held against what is left of the file before anything is made of
// it; a damaged file is DATA_LOSS, a file of another version or with types that are not ours FAILED_PRECONDITION, each
// naming the file and the key or tensor. A parsed file is immutable; it shares the bytes (a mapped file is not copied).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/bytes/bytes.h"
#include "common/export/gguf/gguf_value.h"
#include "common/export_format/ggml_type.h"
#include "common/status/status.h"

namespace lwq::qat {

// Of a file that says no other, as ours do not.
inline constexpr int64_t kGgufAlignment = 32;

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::vector<int64_t> shape;  // as everywhere here: rows first
  // Bytes of the tensor. Requires a shape whose rows are whole blocks.
  int64_t bytes() const;
};

// Everything before the data, padded; data then follows in the order of `tensors`, each padded to kGgufAlignment with
// zeros, the last one too. Requires shapes of 1 to 4 dimensions whose rows are whole blocks. Deterministic.
std::string GgufHeader(const GgufMetadata& metadata, const std::vector<GgufTensor>& tensors);
// Zeros that follow so many bytes of data.
int64_t GgufPadding(int64_t bytes, int64_t alignment = kGgufAlignment);

class GgufFile {
 public:
  static StatusOr<GgufFile> Parse(Bytes file, std::string_view what);

  const GgufMetadata& metadata() const { return metadata_; }
  // In the order of the file.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  bool Contains(std::string_view name) const { return index_.contains(name); }

  // As stored: plain types in their dtype and shape, blocks as U8 [rows, bytes of a row]. NOT_FOUND naming it.
  StatusOr<HostTensor> Read(std::string_view name) const;
  // Its weights: F32, of the tensor's shape. NOT_FOUND naming it.
  StatusOr<HostTensor> Weights(std::string_view name) const;

 private:
  friend class GgufParser;
  StatusOr<size_t> Find(std::string_view name) const;

  std::string what_;
  Bytes file_;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
  std::vector<int64_t> begins_;  // in the file
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace lwq::qat
