// SPDX-License-Identifier: Apache-2.0
// Reads the protobuf wire format field by field, without a schema and without libprotobuf's generated code: the
// SentencePiece library and its schema cannot share a process with the protobuf of gRPC and LibTorch.
//
// Trusts nothing: every length is checked against what is left. Errors are INVALID_ARGUMENT with the byte offset inside
// the message; the caller names the file. Not thread-safe; views point into the caller's buffer.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

struct WireField {
  enum class Type { kVarint, kFixed64, kBytes, kFixed32 };
  uint32_t number = 0;
  Type type = Type::kVarint;
  uint64_t value = 0;      // varint, fixed64, fixed32
  std::string_view bytes;  // length-delimited

  // The value as the schema's type; INVALID_ARGUMENT naming `what` when the wire type is another.
  StatusOr<bool> AsBool(std::string_view what) const;
  StatusOr<int32_t> AsInt32(std::string_view what) const;
  StatusOr<float> AsFloat(std::string_view what) const;
  StatusOr<std::string_view> AsBytes(std::string_view what) const;
};

class WireReader {
 public:
  explicit WireReader(std::string_view message) : message_(message) {}
  bool done() const { return offset_ == message_.size(); }
  // The next field; requires !done().
  StatusOr<WireField> Next();

 private:
  StatusOr<uint64_t> Varint();
  StatusOr<uint64_t> Fixed(int size_bytes);
  Status Damaged(std::string_view reason) const;

  std::string_view message_;
  size_t offset_ = 0;
};

}  // namespace lwq
