// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 over libcurl: one request and its answer, over connections that are kept.
//
// Every status code is an answer; an error says that there is no whole answer:
//   UNAVAILABLE          no connection, a broken one, one on which nothing moved for stall_seconds, an answer that
//                        ended before its Content-Length, or that is not HTTP
//   FAILED_PRECONDITION  the server's certificate is not trusted, or the CA file cannot be read
//   INVALID_ARGUMENT     the URL is none, or is neither http nor https
//   RESOURCE_EXHAUSTED   an answer longer than max_answer_bytes
//   any                  what HttpOptions::check_address, HttpOptions::keep_going or the request's sink said
// Redirects are answers, never followed: what is signed for one host must not reach another. Messages name scheme, host
// and port, never a query, which may be secret.
//
// Thread-safety: any thread; calls run side by side, each on a connection of its own. After fork() use a new client.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status/status.h"

namespace lwq {

struct HttpOptions {
  std::string ca_file;  // PEM; empty: the system's certificates
  int connect_seconds = 10;
  int stall_seconds = 30;
  std::string user_agent = "lwq";
  // Asked of the address of every connection before it is made: what it answers other than OK is the call's error. So a
  // name is judged by what it resolves to then. Null: every address.
  std::function<Status(const sockaddr* address)> check_address = nullptr;
  // Asked about once a second, and with every piece that arrives: what it answers other than OK ends the call with that
  // status. Null: calls end by themselves alone.
  std::function<Status()> keep_going = nullptr;
};

struct HttpHead {
  int status = 0;
  // In the order they came, names in lower case.
  std::vector<std::pair<std::string, std::string>> headers;

  // The first of that (lower-case) name; empty if there is none.
  std::string_view Header(std::string_view name) const;
  // Of Content-Length; none if there is none or it is not a number.
  std::optional<int64_t> ContentLength() const;
};

struct HttpResponse : HttpHead {
  std::string body;  // empty if the request has a sink that took it
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::span<const std::byte> body;  // must outlive the call
  int64_t max_answer_bytes = 1 << 20;
  // A kept connection may turn out to be closed only when the request has been sent on it; then the request is sent
  // once more on a new one, unless this says that the caller wants to know (UNAVAILABLE): it may have been carried out.
  bool send_once = false;
  // Takes the body of an answer with status 2xx piece by piece in place of HttpResponse::body; what it answers other
  // than OK ends the call with that status. Then max_answer_bytes counts for other answers only.
  std::function<Status(const HttpHead& head, std::span<const std::byte> piece)> sink = nullptr;
};

class HttpClient {
 public:
  explicit HttpClient(const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  StatusOr<HttpResponse> Send(const HttpRequest& request);

 private:
  class HandlePool;
  const HttpOptions options_;
  std::unique_ptr<HandlePool> handles_;
};

// Seconds since 1970 of a header such as Date or Last-Modified; none if it is no date.
std::optional<int64_t> ParseHttpDate(std::string_view text);

// Scheme, host and port of a URL, for messages: "https://host:9000".
std::string OriginOf(std::string_view url);

// Of "https://host:9000", with the brackets of IPv6.
std::string HostOfOrigin(std::string_view origin);

}  // namespace lwq
