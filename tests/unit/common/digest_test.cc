// SPDX-License-Identifier: Apache-2.0
#include "common/digest/digest.h"

#include <string>
#include <unordered_set>

#include "gtest/gtest.h"

namespace lwq {
namespace {

// FIPS 180-4 and NIST's examples of SHA-256.
constexpr std::string_view kEmptyHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kAbcHex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kMillionAHex = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(DigestTest, ItIsSha256) {
  EXPECT_EQ(DigestOf("").hex(), kEmptyHex);
  EXPECT_EQ(DigestOf("abc").hex(), kAbcHex);
  EXPECT_EQ(DigestOf(std::string(1'000'000, 'a')).hex(), kMillionAHex);
}

TEST(DigestTest, HowTheBytesArriveDoesNotMatter) {
  Sha256 hasher;
  for (int i = 0; i < 1'000'000;) {
    const int count = std::min(1'000'000 - i, 1 + i % 777);
    hasher.Update(std::string(static_cast<size_t>(count), 'a'));
    i += count;
  }
  EXPECT_EQ(hasher.Finish().hex(), kMillionAHex);
}

TEST(DigestTest, HexReadsBack) {
  const StatusOr<Digest> digest = Digest::FromHex(kAbcHex);
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(*digest, DigestOf("abc"));
  EXPECT_EQ(digest->short_hex(), kAbcHex.substr(0, 12));
}

TEST(DigestTest, AnythingButSixtyFourLowercaseHexDigitsIsRefused) {
  std::string upper(kAbcHex);
  upper[0] = 'B';
  std::string space(kAbcHex);
  space[63] = ' ';
  for (const std::string& text : {std::string(), std::string(kAbcHex.substr(1)), std::string(kAbcHex) + "0", upper,
                                  space, std::string(64, 'g'), std::string(10'000, 'a')}) {
    const Status status = Digest::FromHex(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_LT(MessageOf(status).size(), 200u);
  }
}

TEST(DigestTest, ZeroMeansNone) {
  EXPECT_TRUE(Digest().is_zero());
  EXPECT_FALSE(DigestOf("").is_zero());
  EXPECT_EQ(Digest().hex(), std::string(64, '0'));
}

TEST(DigestTest, OrderIsThatOfTheHexAndHashingSpreads) {
  std::unordered_set<Digest> seen;
  for (int i = 0; i < 1000; ++i) {
    const Digest a = DigestOf(std::to_string(i));
    const Digest b = DigestOf(std::to_string(i + 1));
    EXPECT_EQ(a < b, a.hex() < b.hex());
    seen.insert(a);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace lwq
