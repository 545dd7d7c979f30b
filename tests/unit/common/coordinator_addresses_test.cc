// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/coordinator_addresses.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;

CoordinatorAddresses Parsed(std::string_view text) {
  StatusOr<CoordinatorAddresses> addresses = CoordinatorAddresses::Parse(text);
  LWQ_CHECK(addresses.ok(), addresses.status().ToString());
  return *std::move(addresses);
}

TEST(CoordinatorAddressesTest, AreOneOrSeveralWithCommasBetween) {
  EXPECT_THAT(Parsed("a:1").all(), ElementsAre("a:1"));
  EXPECT_THAT(Parsed("a:1,[::1]:2").all(), ElementsAre("a:1", "[::1]:2"));
}

TEST(CoordinatorAddressesTest, ThoseThatAreNoneOrTwiceTheSameAreRefused) {
  EXPECT_EQ(MessageOf(CoordinatorAddresses::Parse("a:1,").status()), "expected HOST:PORT, got \"\"");
  EXPECT_EQ(MessageOf(CoordinatorAddresses::Parse("").status()), "expected HOST:PORT, got \"\"");
  EXPECT_EQ(MessageOf(CoordinatorAddresses::Parse("a:1, b:2").status()), "expected HOST:PORT, got \" b:2\"");
  EXPECT_EQ(MessageOf(CoordinatorAddresses::Parse("a:1,b:2,a:1").status()), "a:1 is named twice");
}

TEST(CoordinatorAddressesTest, TheNextIsTheLeaderThatWasNamedIfItIsOneOfThemElseTheOneBehind) {
  CoordinatorAddresses addresses = Parsed("a:1,b:2,c:3");
  EXPECT_EQ(addresses.current(), "a:1");
  addresses.MoveOn("c:3");
  EXPECT_EQ(addresses.current(), "c:3");
  addresses.MoveOn();
  EXPECT_EQ(addresses.current(), "a:1");
  addresses.MoveOn("stranger:9");
  EXPECT_EQ(addresses.current(), "b:2");
}

TEST(CoordinatorAddressesTest, OneAloneIsAskedAgain) {
  CoordinatorAddresses addresses = Parsed("a:1");
  addresses.MoveOn("b:2");
  EXPECT_EQ(addresses.current(), "a:1");
}

}  // namespace
}  // namespace lwq
