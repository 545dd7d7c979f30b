// SPDX-License-Identifier: Apache-2.0
// The Connect protocol (connectrpc.com/docs/protocol, version 1), as far as a server of unary calls and server streams
// needs it: gRPC's calls over plain HTTP, with JSON or Protobuf in the bodies. Pure; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq::coordinator {

// What a body is. A stream's bodies are messages in envelopes.
struct ConnectContent {
  bool json = false;  // else Protobuf
  bool stream = false;
  friend bool operator==(const ConnectContent&, const ConnectContent&) = default;
};

// Of a Content-Type with or without parameters: "application/json", "application/proto", "application/connect+json",
// "application/connect+proto". None: another one.
std::optional<ConnectContent> ParseConnectContent(std::string_view content_type);
std::string_view ContentTypeOf(const ConnectContent& content);

// "not_found", and the HTTP status of a unary call that ends with it. Requires an error.
std::string_view ConnectCode(absl::StatusCode code);
int HttpStatusOf(absl::StatusCode code);

// {"code": …, "message": …}: the body of a unary call that failed. Requires an error.
std::string ConnectError(const Status& status);

// Of Connect-Timeout-Ms; none: it is empty. INVALID_ARGUMENT: it is no number of at most ten digits.
StatusOr<std::optional<std::chrono::milliseconds>> ParseConnectTimeout(std::string_view text);

// The message of a stream's request, which has one. INVALID_ARGUMENT: it has another number, is cut off, or compressed.
StatusOr<std::string_view> UnwrapOnly(std::string_view body);
// A message of a stream's answer.
std::string Wrap(std::string_view message);
// The last one: that the stream ended, well or with an error.
std::string WrapEnd(const Status& status);

}  // namespace lwq::coordinator
