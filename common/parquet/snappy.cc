// SPDX-License-Identifier: Apache-2.0
#include "common/parquet/snappy.h"

#include <algorithm>

namespace lwq {
namespace {

Status NotSnappy(std::string_view what) {
  return absl::DataLossError(absl::StrCat("packed bytes are damaged: ", what));
}

// `count` bytes at `at`, little endian.
uint32_t LittleEndian(std::string_view bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

}  // namespace

StatusOr<std::string> Unsnappy(std::string_view bytes, int64_t max_bytes) {
  size_t at = 0;
  uint64_t size = 0;
  for (int shift = 0;; shift += 7) {
    if (at >= bytes.size() || shift > 28) return NotSnappy("no length");
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    size |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) break;
  }
  if (size > static_cast<uint64_t>(max_bytes)) return NotSnappy("a length beyond what is taken");
  std::string out;
  out.reserve(size);
  while (at < bytes.size()) {
    const auto tag = static_cast<uint8_t>(bytes[at++]);
    const size_t kind = tag & 3;
    if (kind == 0) {
      size_t length = tag >> 2;
      const size_t extra = length < 60 ? 0 : length - 59;
      if (extra > bytes.size() - at) return NotSnappy("it ends too early");
      if (extra > 0) length = LittleEndian(bytes, at, extra);
      at += extra;
      ++length;
      if (length > bytes.size() - at || length > size - out.size()) return NotSnappy("a literal too long");
      out.append(bytes.substr(at, length));
      at += length;
      continue;
    }
    const size_t width = kind == 1 ? 1 : kind == 2 ? 2 : 4;
    if (width > bytes.size() - at) return NotSnappy("it ends too early");
    const size_t length = kind == 1 ? ((tag >> 2) & 7) + size_t{4} : (tag >> 2) + size_t{1};
    size_t offset = LittleEndian(bytes, at, width);
    if (kind == 1) offset |= static_cast<size_t>(tag >> 5) << 8;
    at += width;
    if (offset == 0 || offset > out.size() || length > size - out.size()) return NotSnappy("a copy from nowhere");
    for (size_t i = 0; i < length; ++i) out.push_back(out[out.size() - offset]);  // may overlap itself
  }
  if (out.size() != size) return NotSnappy("another length than it states");
  return out;
}

}  // namespace lwq
