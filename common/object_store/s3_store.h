// SPDX-License-Identifier: Apache-2.0
// Objects in an S3 bucket: Amazon's, or any server that speaks it (docs/object_store.md says which were tried).
//
// The object with key K is the bucket's PREFIX/K. What a server may do otherwise, and what is done about it:
//   - Bytes on their way: every request carries the SHA-256 of its body and, where it stores one, the object's
//     checksum, which a server that keeps it gives back and Get compares. A damaged answer is read again, then
//     DATA_LOSS.
//   - if_absent: one PUT with `If-None-Match: *`, never in parts, since servers ignore the condition there. Before the
//     first one a scratch object shows whether the server obeys it; if not, FAILED_PRECONDITION, unless the location
//     says conditional_writes=emulated. After an answer that was lost the object that is there is compared.
//   - Large objects: parts of part_mib, `parallel` at once, both ways. Reading, all parts are of one version
//     (If-Match).
//   - Lists are in order and hold only keys (objects of others below the prefix are passed over).
//   - Times are whole seconds. Renew copies the object onto itself, up to 5 GiB.
// Some servers cannot hold "a" and "a/b" together (versitygw, s3proxy): there the second one is FAILED_PRECONDITION.
//
// Thread-safety: any thread. Errors: object_store.h, and FAILED_PRECONDITION with the server's words.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/object_store/object_store.h"
#include "common/s3/s3_client.h"

namespace lwq {

// Asks the server once, so that a wrong bucket, key, region or clock is told here. FAILED_PRECONDITION, UNAVAILABLE.
StatusOr<std::unique_ptr<ObjectStore>> OpenS3Store(const S3Location& location, const S3ClientOptions& options);

}  // namespace lwq
