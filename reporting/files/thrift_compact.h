// SPDX-License-Identifier: Apache-2.0
// Writes Thrift's compact protocol, as far as Parquet's metadata needs it: structs of i32, i64, texts, structs and
// lists. https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
//
// The writer stands inside a struct from its construction on. Fields are written by growing id; Finish ends the
// outermost struct. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lwq::reporting {

class ThriftCompactWriter {
 public:
  // The compact protocol's numbers of types.
  enum class Type : uint8_t { kI32 = 5, kI64 = 6, kBinary = 8, kList = 9, kStruct = 12 };

  void I32(int16_t id, int32_t value);
  void I64(int16_t id, int64_t value);
  void Text(int16_t id, std::string_view text);

  void BeginStruct(int16_t id);
  void EndStruct();

  // A list's elements follow: of structs each between BeginElement and EndStruct.
  void BeginList(int16_t id, Type element, size_t size);
  void I32Element(int32_t value);
  void TextElement(std::string_view text);
  void BeginElement();

  // The bytes; the writer may not be used afterwards.
  std::string Finish();

 private:
  void FieldHeader(int16_t id, Type type);
  void Varint(uint64_t value);

  std::string bytes_;
  std::vector<int16_t> last_id_ = {0};  // of every struct that is open
};

}  // namespace lwq::reporting
