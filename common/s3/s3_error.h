// SPDX-License-Identifier: Apache-2.0
// What an answer that is not a success means: S3's codes as ours, in one table.
//
//   NOT_FOUND            no such key, or upload
//   ALREADY_EXISTS       a condition did not hold (412)
//   OUT_OF_RANGE         the range does not begin inside the object (416)
//   ABORTED              a conflict inside the server: send again
//   UNAVAILABLE          send again: 408, 429, 5xx, SlowDown, RequestTimeout, a body that was damaged on its way
//   RESOURCE_EXHAUSTED   quota or disk
//   UNIMPLEMENTED        501
//   FAILED_PRECONDITION  everything else: rights, keys, clock, bucket, region; the line says what to do where it is
//   known
//
// Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/http/http_client.h"
#include "common/status/status.h"

namespace lwq {

struct S3Error {
  std::string code;  // "NoSuchKey"; empty where the answer has none
  std::string message;
  std::string region;  // where the server says that the bucket is elsewhere
};

// Of an answer's XML; all empty where it is none.
S3Error ParseS3Error(std::string_view body);

// `what` says what was tried: "put object 'a'".
Status StatusOfS3Error(const HttpResponse& response, std::string_view what);
// The same of an <Error> in an answer with status 200, as copying and completing may give.
Status StatusOfS3Error(int http_status, const S3Error& error, std::string_view what);

}  // namespace lwq
