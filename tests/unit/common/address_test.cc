// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/address.h"

#include "gtest/gtest.h"

namespace lwq {
namespace {

TEST(AddressTest, NamesIpv4AndIpv6InBracketsAreHosts) {
  for (const char* host : {"localhost", "10.0.0.1", "coordinator.lwq.svc", "[::1]"}) {
    const StatusOr<HostPort> parsed = ParseHostPort(std::string(host) + ":7070");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, 7070);
  }
}

TEST(AddressTest, AnythingElseIsRefusedAndQuoted) {
  for (const char* address : {"", ":", "host", "host:", ":80", "::1:80", "host:65536", "host:-1", "host:8x", "host: 80",
                              "a b:80", "http://host:80", "host:0"}) {
    const StatusOr<HostPort> parsed = ParseHostPort(address);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << address;
    EXPECT_EQ(MessageOf(parsed.status()), "expected HOST:PORT, got \"" + std::string(address) + "\"");
  }
}

TEST(AddressTest, PortZeroIsForServersOnly) {
  EXPECT_EQ(ParseHostPort("127.0.0.1:0", /*allow_any_port=*/true)->port, 0);
  EXPECT_FALSE(ParseHostPort("127.0.0.1:0").ok());
}

}  // namespace
}  // namespace lwq
