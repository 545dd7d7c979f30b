// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/http_receiver.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/status/status.h"

namespace lwq::test {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr char kLengthHeader[] = "content-length:";

// The whole request; none where the other side went away before.
std::optional<HttpReceiver::Request> ReadRequest(int connection) {
  std::string text;
  size_t body_at = std::string::npos;
  size_t body_size = 0;
  while (body_at == std::string::npos || text.size() < body_at + body_size) {
    char buffer[16 << 10];
    const ssize_t read = ::recv(connection, buffer, sizeof(buffer), 0);
    if (read <= 0) return std::nullopt;
    text.append(buffer, static_cast<size_t>(read));
    if (body_at != std::string::npos) continue;
    const size_t head_end = text.find("\r\n\r\n");
    if (head_end == std::string::npos) continue;
    body_at = head_end + 4;
    const std::string head = absl::AsciiStrToLower(text.substr(0, head_end));
    const size_t length_at = head.find(kLengthHeader);
    if (length_at != std::string::npos) {
      body_size = static_cast<size_t>(std::atoll(head.c_str() + length_at + sizeof(kLengthHeader) - 1));
    }
  }
  return HttpReceiver::Request{text.substr(0, body_at - 4), text.substr(body_at, body_size)};
}

}  // namespace

HttpReceiver::HttpReceiver() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  LWQ_CHECK(::bind(listener_, generic, size) == 0 && ::listen(listener_, 16) == 0 &&
                ::getsockname(listener_, generic, &size) == 0,
            "no port for a receiver");
  url_ = absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port));
  thread_ = std::thread([this] { Loop(); });
}

HttpReceiver::~HttpReceiver() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void HttpReceiver::AnswerNext(std::deque<int> statuses) {
  const std::lock_guard lock(mutex_);
  statuses_ = std::move(statuses);
}

void HttpReceiver::Hold(bool hold) {
  const std::lock_guard lock(mutex_);
  hold_ = hold;
  changed_.notify_all();
}

std::vector<HttpReceiver::Request> HttpReceiver::Await(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
  return requests_;
}

void HttpReceiver::Loop() {
  while (true) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    Serve(connection);
    ::close(connection);
  }
}

void HttpReceiver::Serve(int connection) {
  std::optional<Request> request = ReadRequest(connection);
  if (!request.has_value()) return;
  int status = 200;
  {
    std::unique_lock lock(mutex_);
    requests_.push_back(*std::move(request));
    changed_.notify_all();
    changed_.wait(lock, [&] { return !hold_ || stopping_; });
    if (!statuses_.empty()) {
      status = statuses_.front();
      statuses_.pop_front();
    }
  }
  const std::string answer =
      absl::StrCat("HTTP/1.1 ", status, " Answer\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
  (void)::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
}

}  // namespace lwq::test
