// SPDX-License-Identifier: Apache-2.0
// Objects of a bucket as a RemoteFolder: a model below a prefix, or one text.
//
// Kept in CACHE/s3/BUCKET, where BUCKET stands for endpoint and bucket:
//   blobs/DIGEST        one version of an object: DIGEST is of its key, ETag and size
//   snapshots/DIGEST/   links to them, for one state of the prefix
//   parts/, locks/      what is not whole yet
// Nothing is removed by itself; the folder may be deleted whenever no lwq runs. Every range is read of the version that
// was listed (If-Match). What came is compared with the checksum that the server keeps (SHA-256), or where the ETag is
// an MD5 with that; an object that was put in parts without a checksum has only its size and version to go by.
//
// s3_location.h says what stands in the URI, aws_credentials.h where credentials come from.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "client/source/remote_folder.h"
#include "client/source/source_context.h"
#include "common/status/status.h"

namespace lwq::client {

// Everything below the URI's prefix. NOT_FOUND where nothing is.
StatusOr<std::unique_ptr<RemoteFolder>> OpenS3Folder(const std::string& uri, const SourceContext& context);

// The object that the URI names, alone, and its path in the folder. NOT_FOUND.
StatusOr<std::pair<std::unique_ptr<RemoteFolder>, std::string>> OpenS3Object(const std::string& uri,
                                                                             const SourceContext& context);

}  // namespace lwq::client
