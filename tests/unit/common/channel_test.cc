// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/channel.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "grpcpp/grpcpp.h"

namespace lwq {
namespace {

// A peer that takes connections and does not get round to answering.
class SilentPeer {
 public:
  SilentPeer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    LWQ_CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    socklen_t size = sizeof address;
    LWQ_CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    LWQ_CHECK(::listen(socket_, 64) == 0, "listen");
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~SilentPeer() { ::close(socket_); }

  const std::string& address() const { return address_; }
  int Connections() const {
    int connections = 0;
    for (int taken = Take(); taken >= 0; taken = Take()) {
      ++connections;
      ::close(taken);
    }
    return connections;
  }

 private:
  int Take() const { return ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC); }

  const int socket_;
  std::string address_;
};

TEST(ChannelTest, APeerThatIsSlowToAnswerIsWaitedFor) {
  const SilentPeer peer;
  const auto channel = OpenChannel(peer.address(), {.own_connection = true});
  channel->GetState(/*try_to_connect=*/true);
  EXPECT_FALSE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(2)));
  EXPECT_EQ(peer.Connections(), 1) << "attempts to connect";
}

}  // namespace
}  // namespace lwq
