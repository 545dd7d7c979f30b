// SPDX-License-Identifier: Apache-2.0
// Reads Thrift's compact protocol into a tree: what Parquet's metadata is written in.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
//
// Pure; thread-safe. Depth and number of values are bounded by the bytes there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/status/status.h"

namespace lwq {

struct ThriftField;

struct ThriftValue {
  // Numbers are truth values and integers; reals have no value here.
  enum class Kind { kNumber, kReal, kText, kList, kStruct };
  Kind kind = Kind::kNumber;
  int64_t number = 0;
  std::string_view text;            // into the bytes that were read
  std::vector<ThriftValue> items;   // of a list
  std::vector<ThriftField> fields;  // of a struct

  // Null where the struct has no such field.
  const ThriftValue* Field(int id) const;
  // Of a struct's fields that are numbers, or else `otherwise`.
  int64_t NumberOf(int id, int64_t otherwise) const;
  // The items of a list field; empty where there is none.
  const std::vector<ThriftValue>& ItemsOf(int id) const;
};

struct ThriftField {
  int id = 0;
  ThriftValue value;
};

// The struct at the beginning of the bytes, and in `*used_bytes` how many it takes. DATA_LOSS where there is none.
StatusOr<ThriftValue> ReadThriftStruct(std::string_view bytes, size_t* used_bytes);

}  // namespace lwq
