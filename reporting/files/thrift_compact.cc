// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/thrift_compact.h"

#include <utility>

#include "common/status/status.h"

namespace lwq::reporting {
namespace {

// Small numbers of either sign become small ones without.
uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

}  // namespace

void ThriftCompactWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    bytes_ += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes_ += static_cast<char>(value);
}

void ThriftCompactWriter::FieldHeader(int16_t id, Type type) {
  const int step = id - last_id_.back();
  LWQ_CHECK(step > 0, "fields are written by growing id");
  if (step <= 15) {
    bytes_ += static_cast<char>((step << 4) | static_cast<int>(type));
  } else {
    bytes_ += static_cast<char>(type);
    Varint(ZigZag(id));
  }
  last_id_.back() = id;
}

void ThriftCompactWriter::I32(int16_t id, int32_t value) {
  FieldHeader(id, Type::kI32);
  I32Element(value);
}

void ThriftCompactWriter::I64(int16_t id, int64_t value) {
  FieldHeader(id, Type::kI64);
  Varint(ZigZag(value));
}

void ThriftCompactWriter::Text(int16_t id, std::string_view text) {
  FieldHeader(id, Type::kBinary);
  TextElement(text);
}

void ThriftCompactWriter::BeginStruct(int16_t id) {
  FieldHeader(id, Type::kStruct);
  last_id_.push_back(0);
}

void ThriftCompactWriter::EndStruct() {
  bytes_ += '\0';
  last_id_.pop_back();
}

void ThriftCompactWriter::BeginList(int16_t id, Type element, size_t size) {
  FieldHeader(id, Type::kList);
  const bool is_short = size < 15;
  bytes_ += static_cast<char>(((is_short ? size : 15) << 4) | static_cast<size_t>(element));
  if (!is_short) Varint(size);
}

void ThriftCompactWriter::I32Element(int32_t value) {
  Varint(ZigZag(value));
}

void ThriftCompactWriter::TextElement(std::string_view text) {
  Varint(text.size());
  bytes_ += text;
}

void ThriftCompactWriter::BeginElement() {
  last_id_.push_back(0);
}

std::string ThriftCompactWriter::Finish() {
  EndStruct();
  LWQ_CHECK(last_id_.empty(), "a struct is still open");
  return std::move(bytes_);
}

}  // namespace lwq::reporting
