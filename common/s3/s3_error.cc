// SPDX-License-Identifier: Apache-2.0
#include "common/s3/s3_error.h"

#include "common/status/out_of_storage.h"
#include "common/text/one_line.h"
#include "pugixml.hpp"

namespace lwq {
namespace {

struct CodeRule {
  std::string_view code;
  absl::StatusCode status;
  std::string_view advice;  // what to do; may be empty
};

constexpr CodeRule kCodes[] = {
    {"NoSuchKey", absl::StatusCode::kNotFound, ""},
    {"NoSuchUpload", absl::StatusCode::kNotFound, ""},
    {"NoSuchBucket", absl::StatusCode::kFailedPrecondition, "create the bucket, or correct its name or the endpoint"},
    {"PreconditionFailed", absl::StatusCode::kAlreadyExists, ""},
    {"ConditionalRequestConflict", absl::StatusCode::kAborted, ""},
    {"OperationAborted", absl::StatusCode::kAborted, ""},
    {"InvalidRange", absl::StatusCode::kOutOfRange, ""},
    {"RequestTimeout", absl::StatusCode::kUnavailable, ""},
    {"IncompleteBody", absl::StatusCode::kUnavailable, ""},
    {"BadDigest", absl::StatusCode::kUnavailable, ""},
    {"XAmzContentSHA256Mismatch", absl::StatusCode::kUnavailable, ""},
    {"XAmzContentChecksumMismatch", absl::StatusCode::kUnavailable, ""},
    {"IDPCommunicationError", absl::StatusCode::kUnavailable, ""},
    {"SlowDown", absl::StatusCode::kUnavailable, ""},
    {"ServiceUnavailable", absl::StatusCode::kUnavailable, ""},
    {"InternalError", absl::StatusCode::kUnavailable, ""},
    {"RequestTimeTooSkewed", absl::StatusCode::kFailedPrecondition, "set this machine's clock"},
    {"SignatureDoesNotMatch", absl::StatusCode::kFailedPrecondition, "check the secret access key"},
    {"InvalidAccessKeyId", absl::StatusCode::kFailedPrecondition, "check the access key id"},
    {"ExpiredToken", absl::StatusCode::kFailedPrecondition, "renew the credentials"},
    {"AccessDenied", absl::StatusCode::kFailedPrecondition, "give these credentials the right to do so"},
    {"PermanentRedirect", absl::StatusCode::kFailedPrecondition, "give the bucket's endpoint or region"},
    {"AuthorizationHeaderMalformed", absl::StatusCode::kFailedPrecondition, "give the bucket's region"},
};

// Where there is no code, or one that is not in the table.
absl::StatusCode OfHttpStatus(int status) {
  switch (status) {
    case 404:
      return absl::StatusCode::kNotFound;
    case 408:
    case 429:
      return absl::StatusCode::kUnavailable;
    case 412:
      return absl::StatusCode::kAlreadyExists;
    case 416:
      return absl::StatusCode::kOutOfRange;
    case 501:
      return absl::StatusCode::kUnimplemented;
    default:
      return status >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kFailedPrecondition;
  }
}

bool IsFull(int http_status, std::string_view code) {
  return http_status == 507 || code == "QuotaExceeded" || code == "XMinioStorageFull";
}

}  // namespace

S3Error ParseS3Error(std::string_view body) {
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) return {};
  pugi::xml_node node = document.child("Error");
  if (!node) node = document.child("ErrorResponse").child("Error");
  return {OneLine(node.child_value("Code"), 100), OneLine(node.child_value("Message"), 300),
          OneLine(node.child_value("Region"), 64)};
}

Status StatusOfS3Error(const HttpResponse& response, std::string_view what) {
  S3Error error = ParseS3Error(response.body);
  if (error.region.empty()) error.region = OneLine(response.Header("x-amz-bucket-region"), 64);
  return StatusOfS3Error(response.status, error, what);
}

Status StatusOfS3Error(int http_status, const S3Error& error, std::string_view what) {
  std::string text = absl::StrCat(what, ": the server answers ", http_status);
  if (!error.code.empty()) absl::StrAppend(&text, " ", error.code);
  if (!error.message.empty()) absl::StrAppend(&text, " (", error.message, ")");
  if (IsFull(http_status, error.code)) return OutOfStorageError(text);
  absl::StatusCode code = OfHttpStatus(http_status);
  std::string_view advice;
  for (const CodeRule& rule : kCodes) {
    if (rule.code != error.code) continue;
    code = rule.status;
    advice = rule.advice;
  }
  // An <Error> in an answer that began with success is a failure on the server's side, whatever its code.
  if (http_status / 100 == 2 && code == absl::StatusCode::kFailedPrecondition) code = absl::StatusCode::kUnavailable;
  if (code == absl::StatusCode::kFailedPrecondition && !error.region.empty()) {
    absl::StrAppend(&text, "; the bucket is in region ", error.region);
  }
  if (!advice.empty()) absl::StrAppend(&text, "; ", advice);
  return Status(code, text);
}

}  // namespace lwq
