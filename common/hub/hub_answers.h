// SPDX-License-Identifier: Apache-2.0
// The Hub's answers as values. Nothing that they say is trusted: names, sizes and digests that cannot be what they are
// called are refused, since they become paths and lengths on this disk.
//
// Pure; thread-safe. Errors: UNAVAILABLE for what is no answer of the Hub (a page of something in between may be one
// now and then), INVALID_ARGUMENT for one that would do harm.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.h"
#include "common/status/status.h"

namespace lwq {

// A larger file is no file of a model or a data set, but a mistake or an attack.
inline constexpr int64_t kMaxHubFileBytes = int64_t{1} << 40;

struct HubFile {
  std::string path;        // inside the repository
  int64_t size_bytes = 0;  // of the content
  // By which the content is named in the cache, and known when it has come: 64 hexadecimal digits, SHA-256, of what is
  // in LFS; else git's SHA-1, 40.
  std::string etag;
  std::string git_sha1;  // of the blob in git, which for LFS is the pointer
  std::string xet_hash;  // empty: none; kept for others, since nothing here reads from Xet
};

// The commit of GET …/revision/REVISION.
StatusOr<std::string> ParseCommit(std::string_view json);

// The files of a page of GET …/tree/COMMIT; folders are left out.
StatusOr<std::vector<HubFile>> ParseTreePage(std::string_view json);

// The URL behind rel="next" of a Link header; "" where there is none.
std::string NextPage(std::string_view link);

// Without W/ and quotes. "" unless it is 40 or 64 hexadecimal digits.
std::string PlainEtag(std::string_view header);

// What the server says of one file, from the head of an answer for it.
struct HubFileHead {
  std::string commit;
  std::string etag;         // PlainEtag
  int64_t size_bytes = -1;  // -1: the head does not say
};
HubFileHead ReadFileHead(const HttpHead& head);

}  // namespace lwq
