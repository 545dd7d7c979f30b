// SPDX-License-Identifier: Apache-2.0
// Messages in protobuf's wire format, field by field: for the messages of other programs, of which we write a few
// fields. https://protobuf.dev/programming-guides/encoding/ Pure; a writer belongs to one thread.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace lwq::reporting {

class ProtoWriter {
 public:
  ProtoWriter& Integer(int field, int64_t value) {
    Tag(field, 0);
    Varint(static_cast<uint64_t>(value));
    return *this;
  }
  ProtoWriter& Double(int field, double value) {
    Tag(field, 1);
    Fixed(std::bit_cast<uint64_t>(value));
    return *this;
  }
  ProtoWriter& Float(int field, float value) {
    Tag(field, 5);
    Fixed(std::bit_cast<uint32_t>(value));
    return *this;
  }
  // Text, or a message that is finished.
  ProtoWriter& Bytes(int field, std::string_view bytes) {
    Tag(field, 2);
    Varint(bytes.size());
    bytes_ += bytes;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Tag(int field, uint32_t wire_type) { Varint(static_cast<uint64_t>(field) << 3 | wire_type); }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  template <typename Unsigned>
  void Fixed(Unsigned value) {
    for (size_t i = 0; i < sizeof(value); ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
  }

  std::string bytes_;
};

}  // namespace lwq::reporting
