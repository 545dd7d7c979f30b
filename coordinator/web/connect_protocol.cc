// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/connect_protocol.h"

#include <array>

#include "absl/strings/ascii.h"
#include "nlohmann/json.hpp"

namespace lwq::coordinator {
namespace {

constexpr size_t kHeadBytes = 5;  // flags, and a length, big-endian
constexpr uint8_t kCompressed = 0x01;
constexpr uint8_t kEnd = 0x02;
constexpr size_t kMaxTimeoutDigits = 10;

struct Row {
  absl::StatusCode code;
  std::string_view name;
  int http_status;
};
constexpr std::array<Row, 16> kRows = {{
    {absl::StatusCode::kCancelled, "canceled", 499},
    {absl::StatusCode::kUnknown, "unknown", 500},
    {absl::StatusCode::kInvalidArgument, "invalid_argument", 400},
    {absl::StatusCode::kDeadlineExceeded, "deadline_exceeded", 504},
    {absl::StatusCode::kNotFound, "not_found", 404},
    {absl::StatusCode::kAlreadyExists, "already_exists", 409},
    {absl::StatusCode::kPermissionDenied, "permission_denied", 403},
    {absl::StatusCode::kResourceExhausted, "resource_exhausted", 429},
    {absl::StatusCode::kFailedPrecondition, "failed_precondition", 400},
    {absl::StatusCode::kAborted, "aborted", 409},
    {absl::StatusCode::kOutOfRange, "out_of_range", 400},
    {absl::StatusCode::kUnimplemented, "unimplemented", 501},
    {absl::StatusCode::kInternal, "internal", 500},
    {absl::StatusCode::kUnavailable, "unavailable", 503},
    {absl::StatusCode::kDataLoss, "data_loss", 500},
    {absl::StatusCode::kUnauthenticated, "unauthenticated", 401},
}};

const Row& RowOf(absl::StatusCode code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row;
  }
  return kRows[1];
}

nlohmann::json ErrorJson(const Status& status) {
  return {{"code", ConnectCode(status.code())}, {"message", std::string(MessageOf(status))}};
}

// A message may quote what somebody has sent.
std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string WrapWith(uint8_t flags, std::string_view message) {
  std::string wrapped;
  wrapped.reserve(kHeadBytes + message.size());
  wrapped.push_back(static_cast<char>(flags));
  for (int shift = 24; shift >= 0; shift -= 8) wrapped.push_back(static_cast<char>(message.size() >> shift & 0xFF));
  wrapped.append(message);
  return wrapped;
}

}  // namespace

std::optional<ConnectContent> ParseConnectContent(std::string_view content_type) {
  const std::string_view whole = content_type.substr(0, content_type.find(';'));
  const std::string name = absl::AsciiStrToLower(absl::string_view(whole.data(), whole.size()));
  for (const ConnectContent content : {ConnectContent{true, false}, ConnectContent{false, false},
                                       ConnectContent{true, true}, ConnectContent{false, true}}) {
    if (absl::StripAsciiWhitespace(name) == std::string(ContentTypeOf(content))) return content;
  }
  return std::nullopt;
}

std::string_view ContentTypeOf(const ConnectContent& content) {
  if (content.stream) return content.json ? "application/connect+json" : "application/connect+proto";
  return content.json ? "application/json" : "application/proto";
}

std::string_view ConnectCode(absl::StatusCode code) {
  return RowOf(code).name;
}

int HttpStatusOf(absl::StatusCode code) {
  return RowOf(code).http_status;
}

std::string ConnectError(const Status& status) {
  return Dump(ErrorJson(status));
}

StatusOr<std::optional<std::chrono::milliseconds>> ParseConnectTimeout(std::string_view text) {
  if (text.empty()) return std::optional<std::chrono::milliseconds>();
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || text.size() > kMaxTimeoutDigits) {
      return absl::InvalidArgumentError("Connect-Timeout-Ms: not a number of at most ten digits");
    }
    value = value * 10 + (c - '0');
  }
  return std::optional(std::chrono::milliseconds(value));
}

StatusOr<std::string_view> UnwrapOnly(std::string_view body) {
  if (body.size() < kHeadBytes) return absl::InvalidArgumentError("the body has no message in an envelope");
  if ((static_cast<uint8_t>(body[0]) & kCompressed) != 0) {
    return absl::InvalidArgumentError("the message is compressed, which is not supported: send it as it is");
  }
  size_t size = 0;
  for (size_t i = 1; i < kHeadBytes; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
  if (body.size() != kHeadBytes + size) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body should be one message of ", size, " bytes, and ", body.size() - kHeadBytes, " came"));
  }
  return body.substr(kHeadBytes);
}

std::string Wrap(std::string_view message) {
  return WrapWith(0, message);
}

std::string WrapEnd(const Status& status) {
  nlohmann::json end = nlohmann::json::object();
  if (!status.ok()) end["error"] = ErrorJson(status);
  return WrapWith(kEnd, Dump(end));
}

}  // namespace lwq::coordinator
