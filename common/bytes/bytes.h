// SPDX-License-Identifier: Apache-2.0
// An immutable run of bytes with shared ownership: a heap buffer, a memory-mapped file, or a part of either.
//
// Thread-safety: immutable; copies are cheap and may be used from any thread. The memory lives until the last copy is
// gone. A mapped file must not be truncated while it is mapped (artifacts are immutable, so it never is).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

class Bytes {
 public:
  Bytes() = default;
  Bytes(std::shared_ptr<const void> owner, const std::byte* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}

  // Takes the string's contents.
  static Bytes FromString(std::string text);
  // Maps a file read-only. NOT_FOUND, or UNAVAILABLE with the system's reason.
  static StatusOr<Bytes> MapFile(const std::string& path);

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  std::span<const std::byte> span() const { return {data_, size_}; }
  // Requires offset + length <= size().
  Bytes Slice(size_t offset, size_t length) const;
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lwq
