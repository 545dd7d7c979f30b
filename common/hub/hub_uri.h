// SPDX-License-Identifier: Apache-2.0
// What on the Hub is meant:
//
//   hf://ORG/NAME[@REVISION]                  a model; NAME alone for those without an organisation
//   hf://datasets/ORG/NAME[@REVISION]/PATH    a file of a data set; of the revision '/' is written %2F
//
// A revision is a branch, a tag, or the 40 hexadecimal digits of a commit; main where none is given. Everything here
// becomes parts of URLs and of paths on this disk, and is refused where it could lead out of either. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

inline constexpr std::string_view kHubScheme = "hf://";

struct HubRepo {
  enum class Kind { kModel, kDataset };
  Kind kind = Kind::kModel;
  std::string id;  // "org/name"

  // "models--org--name": its folder in the cache.
  std::string FolderName() const;
  // "/api/models/org/name": of the URL of what is said of it.
  std::string ApiPath() const;
  // "/org/name", "/datasets/org/name": of the URLs of its pages and files.
  std::string WebPath() const;
  // "model org/name".
  std::string Describe() const;
};

struct HubUri {
  HubRepo repo;
  std::string revision = "main";
  std::string path;  // of a file of a data set; "" for a model
};

// INVALID_ARGUMENT in one line that names the URI and says how one is written.
StatusOr<HubUri> ParseHubUri(std::string_view uri);

// INVALID_ARGUMENT unless they can be what they are called.
Status CheckRepoId(std::string_view id);
Status CheckRevision(std::string_view revision);
// Of a file inside a repository: relative, below it, of at most 1,000 bytes, without control characters.
Status CheckRepoPath(std::string_view path);

// 40 lower-case hexadecimal digits.
bool IsCommit(std::string_view revision);

}  // namespace lwq
