// SPDX-License-Identifier: Apache-2.0
// The XML and the headers of S3's answers as values. What they say is not trusted: UNAVAILABLE (send again) for
// anything that is not what was asked for.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.h"
#include "common/status/status.h"

namespace lwq {

struct ListedObject {
  std::string key;  // from the bucket's root
  int64_t size_bytes = 0;
  int64_t modified_unix_s = 0;
  std::string etag;  // with its quotes; empty where the listing has none
};

struct ListedPage {
  std::vector<ListedObject> objects;
  bool truncated = false;
};

// ListObjectsV2 with encoding-type=url. Some servers leave keys as they are and say so; some write a space as '+'.
StatusOr<ListedPage> ParseListing(std::string_view xml);

// The upload id of CreateMultipartUpload.
StatusOr<std::string> ParseUploadId(std::string_view xml);

// The body of CompleteMultipartUpload; `etags` of the parts 1, 2, ….
std::string CompleteBody(const std::vector<std::string>& etags);

// "2026-11-29T10:00:00.000Z" in seconds since 1970; none if it is no such time. Fractions are cut off.
std::optional<int64_t> ParseIsoTime(std::string_view text);

}  // namespace lwq
