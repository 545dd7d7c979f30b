// SPDX-License-Identifier: Apache-2.0
// Reads of S3 objects into memory, large ones by several ranges at once. Used by s3_store.cc alone.
//
// Nothing an answer says is believed: a range that is not the one asked for, more or fewer bytes than the head says, or
// bytes that differ from the checksum the server keeps are errors. Thread-safety: any thread. Errors: object_store.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/bytes/bytes.h"
#include "common/s3/s3_client.h"

namespace lwq {

// The whole object. NOT_FOUND if absent.
StatusOr<Bytes> ReadS3Object(S3Client& client, std::string_view key);

// Bytes [offset, offset + length), length > 0. OUT_OF_RANGE where the server says that they are not all inside.
StatusOr<Bytes> ReadS3Range(S3Client& client, std::string_view key, int64_t offset, int64_t length);

}  // namespace lwq
