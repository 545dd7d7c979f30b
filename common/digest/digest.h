// SPDX-License-Identifier: Apache-2.0
// SHA-256 names: artifacts, blobs, derivation keys and action keys are all named by one.
//
// A Digest is a value; its text form is 64 lowercase hexadecimal digits everywhere (proto, SQLite, JSON, object keys).
// Thread-safety: values; a Sha256 hasher belongs to one thread.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

class Digest {
 public:
  static constexpr size_t kBytes = 32;
  Digest() = default;  // all zero: "no digest"
  explicit Digest(const std::array<uint8_t, kBytes>& bytes) : bytes_(bytes) {}

  // INVALID_ARGUMENT unless `hex` is exactly 64 lowercase hexadecimal digits.
  static StatusOr<Digest> FromHex(std::string_view hex);
  std::string hex() const;
  // First 12 hexadecimal digits, for messages and logs.
  std::string short_hex() const { return hex().substr(0, 12); }
  bool is_zero() const { return *this == Digest(); }
  const std::array<uint8_t, kBytes>& bytes() const { return bytes_; }

  friend bool operator==(const Digest& a, const Digest& b) {
    return ((a.Word(0) ^ b.Word(0)) | (a.Word(1) ^ b.Word(1)) | (a.Word(2) ^ b.Word(2)) | (a.Word(3) ^ b.Word(3))) == 0;
  }
  // As their texts. Without a call: maps by digest compare little else.
  friend std::strong_ordering operator<=>(const Digest& a, const Digest& b) {
    for (size_t i = 0; i < kBytes / sizeof(uint64_t); ++i) {
      if (a.Word(i) != b.Word(i)) return a.Word(i) <=> b.Word(i);
    }
    return std::strong_ordering::equal;
  }

 private:
  // Eight bytes, the first one highest.
  uint64_t Word(size_t i) const {
    uint64_t word = 0;
    std::memcpy(&word, bytes_.data() + i * sizeof(word), sizeof(word));
    return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
  }

  std::array<uint8_t, kBytes> bytes_{};
};

// Streaming SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(std::span<const std::byte> data);
  void Update(std::string_view text);
  // The digest of everything so far; the hasher may not be used afterwards.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest DigestOf(std::string_view text);
Digest DigestOf(std::span<const std::byte> data);

}  // namespace lwq

template <>
struct std::hash<lwq::Digest> {
  size_t operator()(const lwq::Digest& digest) const noexcept;
};
