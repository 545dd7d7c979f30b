// SPDX-License-Identifier: Apache-2.0
// Signatures against Amazon's own test suite and botocore (scripts/make_sigv4_golden), and what they are made of.
#include "common/s3/sigv4.h"

#include <string>

#include "common/http/percent.h"
#include "common/json/json.h"
#include "common/s3/checksum.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

TEST(SigV4Test, EveryPublishedRequestIsSignedToTheLetter) {
  const StatusOr<Json> golden = ParseJson(
      test::ReadFileOrEmpty(std::string(LWQ_SOURCE_DIR) + "/tests/unit/common/golden/sigv4.json"), "sigv4.json");
  ASSERT_TRUE(golden.ok()) << golden.status();
  int cases = 0;
  for (const Json& item : (*golden)["cases"]) {
    RequestToSign request;
    request.method = item["method"];
    request.path = item["path"];
    request.query = item["query"].get<std::map<std::string, std::string>>();
    for (const Json& header : item["headers"]) request.headers.emplace_back(header[0], header[1]);
    request.payload_sha256 = item["payload_sha256"];
    const SigningScope scope{item.value("region", "us-east-1"), item["service"]};
    const std::string date = item["date"];
    const SigningSecret secret{item["access_key_id"], item["secret_access_key"]};
    const std::string name = item["name"];
    EXPECT_EQ(CanonicalRequest(request), item["canonical"].get<std::string>()) << name;
    EXPECT_EQ(StringToSign(request, scope, date), item["to_sign"].get<std::string>()) << name;
    EXPECT_EQ(Authorization(request, secret, scope, date), item["authorization"].get<std::string>()) << name;
    ++cases;
  }
  EXPECT_EQ(cases, 26);
}

TEST(SigV4Test, ATimeIsWrittenAsAmazonDoes) {
  EXPECT_EQ(AmzDate(0), "19700101T000000Z");
  EXPECT_EQ(AmzDate(1440938160), "20150830T123600Z");
}

TEST(PercentTest, AllButUnreservedCharactersAreEncodedAndComeBack) {
  std::string every;
  for (int c = 0; c < 256; ++c) every.push_back(static_cast<char>(c));
  EXPECT_EQ(*PercentDecode(PercentEncode(every)), every);
  EXPECT_EQ(PercentEncode("a/b c+~-_."), "a%2Fb%20c%2B~-_.");
  EXPECT_EQ(PercentEncodePath("a/b c"), "a/b%20c");
  for (const char* bad : {"%", "%4", "%4g", "a%", "%%41"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(PercentDecode(bad).status())) << bad;
  }
}

TEST(PercentTest, AQueryIsSortedByItsEncodedNamesAndReadBack) {
  EXPECT_EQ(EncodeQuery({{"b", ""}, {"a b", "1&2"}, {"A", "x"}}), "A=x&a%20b=1%262&b=");
  EXPECT_EQ(*ParseQuery("A=x&a%20b=1%262&b="),
            (std::map<std::string, std::string>{{"A", "x"}, {"a b", "1&2"}, {"b", ""}}));
  EXPECT_TRUE(ParseQuery("")->empty());
  for (const char* bad : {"a", "a=1&b", "a=1&a=2", "a=%zz"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseQuery(bad).status())) << bad;
  }
}

TEST(ChecksumTest, ASha256InBase64ComesBackAndNothingElseIsOne) {
  const Digest digest = DigestOf("hello");
  const std::string text = Sha256Checksum(digest);
  EXPECT_EQ(text, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  EXPECT_EQ(ParseSha256Checksum(text), digest);
  for (const std::string& bad :
       {std::string(), text + "-3", text.substr(1), std::string(44, '!'), std::string("AAAAAA==")}) {
    EXPECT_FALSE(ParseSha256Checksum(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace lwq
