// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/loop/dashboards.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/status/status.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq::bench {
namespace {

constexpr int kIntervalMs = 500;
constexpr int kNice = 10;
constexpr int kPollMs = 100;
constexpr int kQuietPolls = 20;

int ConnectTo(const std::string& web) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(web.substr(web.rfind(':') + 1))));
  inet_pton(AF_INET, web.substr(0, web.rfind(':')).c_str(), &address.sin_addr);
  LWQ_CHECK(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect to ", web);
  return socket;
}

void Open(int socket, const std::string& method, const google::protobuf::Message& request) {
  const std::string message = request.SerializeAsString();
  std::string body(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) body.push_back(static_cast<char>(message.size() >> shift & 0xFF));
  body += message;
  const std::string sent = absl::StrCat(
      "POST /api/lwqat.v1.RunService/", method,
      " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+proto\r\nContent-Length: ", body.size(),
      "\r\n\r\n", body);
  LWQ_CHECK(::write(socket, sent.data(), sent.size()) == static_cast<ssize_t>(sent.size()), "write");
}

}  // namespace

Dashboards::Dashboards(const std::string& web, const std::string& run_id, int pages) {
  lwqat::v1::WatchRunsRequest all;
  all.set_interval_ms(kIntervalMs);
  lwqat::v1::WatchRunRequest one;
  one.set_run_id(run_id);
  one.set_changes_only(true);
  one.set_interval_ms(kIntervalMs);
  for (int i = 0; i < pages; ++i) {
    sockets_.push_back(ConnectTo(web));
    Open(sockets_.back(), "WatchRuns", all);
    sockets_.push_back(ConnectTo(web));
    Open(sockets_.back(), "WatchRun", one);
  }
  reader_ = std::thread([this] { Read(); });
}

Dashboards::~Dashboards() {
  stop_ = true;
  reader_.join();
  for (const int socket : sockets_) ::close(socket);
}

void Dashboards::AwaitLoaded() const {
  quiet_.wait(false);
}

void Dashboards::Read() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
  std::vector<pollfd> waited;
  for (const int socket : sockets_) waited.push_back({.fd = socket, .events = POLLIN, .revents = 0});
  std::vector<char> buffer(1 << 20);
  for (int silent = 0; !stop_;) {
    if (::poll(waited.data(), waited.size(), kPollMs) <= 0) {
      if (++silent == kQuietPolls) {
        quiet_ = true;
        quiet_.notify_all();
      }
      continue;
    }
    silent = 0;
    for (pollfd& one : waited) {
      if (one.revents == 0) continue;
      const ssize_t got = ::read(one.fd, buffer.data(), buffer.size());
      if (got > 0) bytes_ += got;
      if (got <= 0) one.fd = -1;  // it has ended
    }
  }
}

}  // namespace lwq::bench
