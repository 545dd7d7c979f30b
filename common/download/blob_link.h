// SPDX-License-Identifier: Apache-2.0
// Snapshots of a cache are links: "snapshots/NAME/some/file" to "blobs/BLOB" of the same cache, as the Hub's has it.
//
// Pure; thread-safe.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace lwq {

// What the link at `path` of a snapshot says, so that the cache may be moved: "some/file", "B" → "../../../blobs/B".
inline std::string BlobSeenFrom(std::string_view path, std::string_view blob) {
  std::string target = "../../";
  for (auto depth = std::count(path.begin(), path.end(), '/'); depth > 0; --depth) target += "../";
  return absl::StrCat(target, "blobs/", blob);
}

}  // namespace lwq
