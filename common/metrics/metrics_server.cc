// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/metrics_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "common/file/posix_file.h"
#include "common/rpc/address.h"
#include "prometheus/text_serializer.h"

namespace lwq {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kThreads = 2;
constexpr int kBacklog = 64;
constexpr std::chrono::seconds kPatience{5};
constexpr size_t kMostRequestBytes = 8 << 10;

struct Answer {
  std::string_view status;  // "200 OK"
  std::string body;
};

// "HTTP/1.1 200 OK …" and the body, which HEAD leaves out.
std::string AnswerText(const Answer& answer, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", answer.status,
                      "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: ",
                      answer.body.size(), "\r\nConnection: close\r\n\r\n", with_body ? answer.body : "");
}

// An IPv4 or IPv6 address, the latter in brackets, or a name that resolves to one.
StatusOr<UniqueFd> Listen(std::string host, int port) {
  if (host == "localhost") host = "127.0.0.1";
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (error != 0) return absl::FailedPreconditionError(::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  UniqueFd listener(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  if (!listener || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(listener.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(listener.get(), kBacklog) != 0) {
    return absl::FailedPreconditionError(std::strerror(errno));
  }
  return listener;
}

int PortOf(const UniqueFd& listener) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

}  // namespace

// The listening socket and the threads that answer at it. Ends within moments, whoever is connected.
class MetricsServer::Door {
 public:
  Door(UniqueFd listener, UniqueFd ended, std::vector<std::shared_ptr<prometheus::Collectable>> shown)
      : listener_(std::move(listener)), ended_(std::move(ended)), shown_(std::move(shown)) {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Serve(); });
  }
  ~Door() {
    (void)::eventfd_write(ended_.get(), 1);  // never read: it stays readable for both
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  // Whether the socket is ready before the deadline, and before the end. No deadline: as long as it takes.
  bool Await(int socket, short events, const Clock::time_point* deadline) const {
    while (true) {
      int wait_ms = -1;
      if (deadline != nullptr) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
        if (left.count() <= 0) return false;
        wait_ms = static_cast<int>(left.count());
      }
      pollfd polled[] = {{socket, events, 0}, {ended_.get(), POLLIN, 0}};
      const int ready = ::poll(polled, 2, wait_ms);
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0 || polled[1].revents != 0) return false;
      return true;
    }
  }

  void Serve() {
    while (Await(listener_.get(), POLLIN, nullptr)) {
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (connection) {
        Converse(connection.get());
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        const auto later = Clock::now() + std::chrono::milliseconds(100);
        (void)Await(-1, 0, &later);  // poll passes over -1: until others have closed theirs
      }
    }
  }

  void Converse(int connection) const {
    const auto deadline = Clock::now() + kPatience;
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos && request.size() <= kMostRequestBytes) {
      char piece[2048];
      if (!Await(connection, POLLIN, &deadline)) return;
      const ssize_t got = ::recv(connection, piece, sizeof piece, 0);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return;
      request.append(piece, static_cast<size_t>(got));
    }
    const std::string text = AnswerText(AnswerTo(request), !request.starts_with("HEAD "));
    for (std::string_view rest = text; !rest.empty();) {
      if (!Await(connection, POLLOUT, &deadline)) return;
      const ssize_t sent = ::send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (sent <= 0) return;
      rest.remove_prefix(static_cast<size_t>(sent));
    }
  }

  Answer AnswerTo(std::string_view request) const {
    if (request.size() > kMostRequestBytes) return {"431 Request Header Fields Too Large", "too long\n"};
    const std::string_view line = request.substr(0, request.find("\r\n"));
    const size_t method_end = line.find(' ');
    const size_t target_end = method_end == std::string_view::npos ? method_end : line.find(' ', method_end + 1);
    if (target_end == std::string_view::npos || !line.substr(target_end + 1).starts_with("HTTP/1.")) {
      return {"400 Bad Request", "not HTTP/1\n"};
    }
    const std::string_view method = line.substr(0, method_end);
    const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
    if (target.substr(0, target.find('?')) != "/metrics") return {"404 Not Found", "see /metrics\n"};
    if (method != "GET" && method != "HEAD") return {"405 Method Not Allowed", "GET alone\n"};
    std::vector<prometheus::MetricFamily> families;
    for (const auto& collectable : shown_) {
      for (prometheus::MetricFamily& family : collectable->Collect()) families.push_back(std::move(family));
    }
    return {"200 OK", prometheus::TextSerializer().Serialize(families)};
  }

  const UniqueFd listener_;
  const UniqueFd ended_;
  const std::vector<std::shared_ptr<prometheus::Collectable>> shown_;
  std::vector<std::thread> threads_;
};

MetricsServer::MetricsServer() = default;
MetricsServer::~MetricsServer() = default;

StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, std::vector<std::shared_ptr<prometheus::Collectable>> shown) {
  const StatusOr<HostPort> address = ParseHostPort(listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(address.status(), "metrics address (port 0 is chosen freely)"));
  StatusOr<UniqueFd> listener = Listen(address->host, address->port);
  UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener.ok() || !ended) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot serve metrics on ", listen, " (", listener.ok() ? std::strerror(errno) : MessageOf(listener.status()),
        "): is the port in use, or the address another machine's?"));
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer());
  server->address_ = absl::StrCat(address->host, ":", PortOf(*listener));
  server->door_ = std::make_unique<Door>(*std::move(listener), std::move(ended), std::move(shown));
  return server;
}

}  // namespace lwq
