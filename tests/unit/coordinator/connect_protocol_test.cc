// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/connect_protocol.h"

#include <gmock/gmock.h>

#include <set>

#include "coordinator/web/request_guard.h"
#include "coordinator/web/transcode.h"
#include "lwqat/v1/run_service.pb.h"
#include "nlohmann/json.hpp"

namespace lwq::coordinator {
namespace {

using ::testing::HasSubstr;

TEST(ConnectProtocolTest, TheFourContentTypesAreKnownWithParametersAndInAnyCase) {
  EXPECT_EQ(ParseConnectContent("application/json"), (ConnectContent{.json = true, .stream = false}));
  EXPECT_EQ(ParseConnectContent("Application/JSON; charset=utf-8"), (ConnectContent{.json = true, .stream = false}));
  EXPECT_EQ(ParseConnectContent("application/proto"), (ConnectContent{.json = false, .stream = false}));
  EXPECT_EQ(ParseConnectContent("application/connect+json"), (ConnectContent{.json = true, .stream = true}));
  EXPECT_EQ(ParseConnectContent("application/connect+proto ; x=y"), (ConnectContent{.json = false, .stream = true}));
  for (const char* other : {"", "text/plain", "application/grpc-web+proto", "application/jsonp", ";"}) {
    EXPECT_EQ(ParseConnectContent(other), std::nullopt) << other;
  }
}

// The table of the protocol's page "Error codes".
TEST(ConnectProtocolTest, EveryCodeHasItsNameAndItsHttpStatus) {
  std::set<std::string_view> names;
  for (int code = 1; code <= 16; ++code) names.insert(ConnectCode(static_cast<absl::StatusCode>(code)));
  EXPECT_EQ(names.size(), 16u);
  EXPECT_EQ(ConnectCode(absl::StatusCode::kCancelled), "canceled");
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kCancelled), 499);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kInvalidArgument), 400);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kFailedPrecondition), 400);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kUnauthenticated), 401);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kPermissionDenied), 403);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kNotFound), 404);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kAborted), 409);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kUnimplemented), 501);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kUnavailable), 503);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kDeadlineExceeded), 504);
}

TEST(ConnectProtocolTest, AnErrorIsJsonAlsoWhereItsMessageIsNotUtf8) {
  const auto json = nlohmann::json::parse(ConnectError(absl::NotFoundError("run '\xff\"' does not exist")));
  EXPECT_EQ(json.at("code"), "not_found");
  EXPECT_THAT(json.at("message").get<std::string>(), HasSubstr("\"' does not exist"));
}

TEST(ConnectProtocolTest, ATimeoutIsUpToTenDigits) {
  EXPECT_EQ(*ParseConnectTimeout(""), std::nullopt);
  EXPECT_EQ(*ParseConnectTimeout("1500"), std::chrono::milliseconds(1500));
  EXPECT_EQ(*ParseConnectTimeout("9999999999"), std::chrono::milliseconds(9'999'999'999));
  for (const char* wrong : {"12345678901", "-1", "1s", "0x10", " 5"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseConnectTimeout(wrong).status())) << wrong;
  }
}

TEST(ConnectProtocolTest, AnEnvelopeIsItsFlagsItsLengthAndItsMessage) {
  const std::string wrapped = Wrap("abc");
  EXPECT_EQ(wrapped, std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(*UnwrapOnly(wrapped), "abc");
  EXPECT_EQ(Wrap(std::string(70'000, 'x')).substr(0, 5), std::string("\0\0\x01\x11\x70", 5));
  EXPECT_EQ(*UnwrapOnly(Wrap("")), "");
}

TEST(ConnectProtocolTest, ABodyThatIsNotOneWholeMessageIsRefused) {
  const std::string wrapped = Wrap("abc");
  for (size_t size = 0; size < wrapped.size(); ++size) EXPECT_FALSE(UnwrapOnly(wrapped.substr(0, size)).ok()) << size;
  EXPECT_FALSE(UnwrapOnly(wrapped + wrapped).ok());
  EXPECT_FALSE(UnwrapOnly("\xff\xff\xff\xff\xff").ok());
  std::string compressed = wrapped;
  compressed[0] = 1;
  EXPECT_THAT(std::string(UnwrapOnly(compressed).status().message()), HasSubstr("compressed"));
}

TEST(ConnectProtocolTest, TheEndOfAStreamSaysHowItEnded) {
  EXPECT_EQ(WrapEnd(absl::OkStatus()), std::string("\2\0\0\0\2{}", 7));
  const auto json = nlohmann::json::parse(WrapEnd(absl::UnavailableError("it stops")).substr(5));
  EXPECT_EQ(json.at("error").at("code"), "unavailable");
}

TEST(TranscodeTest, JsonAndBytesAreTheSameMessage) {
  const auto& type = *lwqat::v1::ListRunsRequest::descriptor();
  const auto bytes = JsonToWire(type, R"({"pageSize": 3, "states": ["RUN_STATE_FAILED"], "sweep_id": "ab"})");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  lwqat::v1::ListRunsRequest request;
  ASSERT_TRUE(request.ParseFromString(*bytes));
  EXPECT_EQ(request.page_size(), 3);
  EXPECT_EQ(request.states(0), lwqat::v1::RUN_STATE_FAILED);
  EXPECT_EQ(request.sweep_id(), "ab");
  const auto json = WireToJson(type, *bytes);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(nlohmann::json::parse(*json),
            nlohmann::json::parse(R"({"pageSize": 3, "states": ["RUN_STATE_FAILED"], "sweepId": "ab"})"));
}

TEST(TranscodeTest, WhatIsNoJsonOfTheMessageIsRefusedWithItsName) {
  const auto& type = *lwqat::v1::GetRunRequest::descriptor();
  for (const char* wrong : {"", "[", "[]", "3", R"({"runID": "x"})", R"({"runId": {}})", "{\"runId\": \"\xff\"}"}) {
    const Status status = JsonToWire(type, wrong).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << wrong << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("lwqat.v1.GetRunRequest"));
  }
  EXPECT_FALSE(JsonToWire(type, std::string(100'000, '[')).ok());
  EXPECT_TRUE(absl::IsInternal(WireToJson(type, "\x0a\xff").status()));
}

TEST(RequestGuardTest, OnLoopbackWithoutTokensOnlyItsOwnNamesAreAnswered) {
  for (const char* own : {"localhost", "localhost:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:8080", "[::1]"}) {
    EXPECT_TRUE(CheckOrigin(own, "", true).ok()) << own;
  }
  for (const char* other : {"", "example.org", "example.org:8080", "localhost.example.org", "127.0.0.1.example.org:80",
                            "192.168.0.1", "[::2]:1"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(CheckOrigin(other, "", true))) << other;
    EXPECT_TRUE(CheckOrigin(other, "", false).ok()) << other;
  }
}

TEST(RequestGuardTest, WhatAPageOfAnotherSiteSendsIsRefused) {
  EXPECT_FALSE(CheckOrigin("localhost", "cross-site", true).ok());
  EXPECT_FALSE(CheckOrigin("lwq.example.org", "cross-site", false).ok());
  for (const char* fine : {"", "same-origin", "same-site", "none"})
    EXPECT_TRUE(CheckOrigin("localhost", fine, true).ok());
}

}  // namespace
}  // namespace lwq::coordinator
