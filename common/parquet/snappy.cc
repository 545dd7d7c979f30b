// SPDX-License-Identifier: Apache-2.0
#include "common/parquet/snappy.h"

#include <snappy.h>

namespace lwq {

StatusOr<std::string> Unsnappy(std::string_view bytes, int64_t max_bytes) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(bytes.data(), bytes.size(), &size)) {
    return absl::DataLossError("packed bytes are damaged: no length");
  }
  if (size > static_cast<uint64_t>(max_bytes)) {
    return absl::DataLossError("packed bytes are damaged: a length beyond what is taken");
  }
  std::string unpacked(size, '\0');
  if (!snappy::RawUncompress(bytes.data(), bytes.size(), unpacked.data())) {
    return absl::DataLossError("packed bytes are damaged: they are not Snappy's, or not as many as they state");
  }
  return unpacked;
}

}  // namespace lwq
