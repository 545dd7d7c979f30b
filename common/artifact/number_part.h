// SPDX-License-Identifier: Apache-2.0
// Lists of numbers as parts of an artifact: raw, little endian, nothing else in the part.
//
// Thread-safety: free functions.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"

namespace lwq {

// Uploads the numbers and puts them behind the manifest's parts. There must be at least one.
template <typename T>
Status PutNumbers(ArtifactStore& store, const char* name, const std::vector<T>& values, Manifest* manifest) {
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(std::as_bytes(std::span(values))));
  manifest->parts.push_back({name, blob});
  return absl::OkStatus();
}

// False where the part is not that one, or has not so many values.
template <typename T>
StatusOr<bool> TakeNumbers(BlobSource& blobs, const Part& part, std::string_view name, int64_t count,
                           std::vector<T>* values) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
  if (part.name != name || part.blob.size_bytes % kBytes != 0 || part.blob.size_bytes / kBytes != count) return false;
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, blobs.Fetch(part.blob));
  values->resize(static_cast<size_t>(count));
  std::memcpy(values->data(), bytes.data(), bytes.size());
  return true;
}

}  // namespace lwq
