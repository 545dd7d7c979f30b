// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/wire_reader.h"

#include <bit>

namespace lwq {
namespace {

Status WrongWireType(std::string_view what, uint32_t number) {
  return absl::InvalidArgumentError(absl::StrCat("'", what, "' (field ", number, ") has the wrong wire type"));
}

}  // namespace

StatusOr<bool> WireField::AsBool(std::string_view what) const {
  if (type != Type::kVarint) return WrongWireType(what, number);
  return value != 0;
}

StatusOr<int32_t> WireField::AsInt32(std::string_view what) const {
  if (type != Type::kVarint) return WrongWireType(what, number);
  return static_cast<int32_t>(static_cast<uint32_t>(value));
}

StatusOr<float> WireField::AsFloat(std::string_view what) const {
  if (type != Type::kFixed32) return WrongWireType(what, number);
  return std::bit_cast<float>(static_cast<uint32_t>(value));
}

StatusOr<std::string_view> WireField::AsBytes(std::string_view what) const {
  if (type != Type::kBytes) return WrongWireType(what, number);
  return bytes;
}

StatusOr<WireField> WireReader::Next() {
  LWQ_ASSIGN_OR_RETURN(const uint64_t tag, Varint());
  WireField field;
  if (tag >> 3 == 0 || tag >> 32 != 0) return Damaged("has an impossible field number");
  field.number = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0: {
      field.type = WireField::Type::kVarint;
      LWQ_ASSIGN_OR_RETURN(field.value, Varint());
      return field;
    }
    case 1: {
      field.type = WireField::Type::kFixed64;
      LWQ_ASSIGN_OR_RETURN(field.value, Fixed(8));
      return field;
    }
    case 2: {
      field.type = WireField::Type::kBytes;
      LWQ_ASSIGN_OR_RETURN(const uint64_t size, Varint());
      if (size > message_.size() - offset_) return Damaged("ends inside a field");
      field.bytes = message_.substr(offset_, size);
      offset_ += size;
      return field;
    }
    case 5: {
      field.type = WireField::Type::kFixed32;
      LWQ_ASSIGN_OR_RETURN(field.value, Fixed(4));
      return field;
    }
    default:
      return Damaged("has a field of an unknown wire type");
  }
}

StatusOr<uint64_t> WireReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (done()) return Damaged("ends inside a number");
    const uint8_t byte = static_cast<uint8_t>(message_[offset_++]);
    if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return Damaged("has a number longer than ten bytes");
}

StatusOr<uint64_t> WireReader::Fixed(int size_bytes) {
  if (message_.size() - offset_ < static_cast<size_t>(size_bytes)) return Damaged("ends inside a number");
  uint64_t value = 0;
  for (int i = 0; i < size_bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(message_[offset_++])) << (8 * i);
  }
  return value;
}

Status WireReader::Damaged(std::string_view reason) const {
  return absl::InvalidArgumentError(
      absl::StrCat("the protobuf message ", reason, " at byte ", offset_, " of ", message_.size()));
}

}  // namespace lwq
