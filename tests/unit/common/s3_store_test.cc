// SPDX-License-Identifier: Apache-2.0
// The S3 store against a strict server of our own that fails on request.
#include "common/object_store/s3_store.h"

#include <sys/socket.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/certificates.h"
#include "tests/testing/fake_s3.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using test::AsBytes;
using test::FakeS3;
using ::testing::HasSubstr;

// Two parts of 5 MiB and a bit, no two bytes alike for long.
std::string LargeText() {
  std::string text((11 << 20) + 17, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

std::string Text(const StatusOr<Bytes>& bytes) {
  return bytes.ok() ? std::string(bytes->view()) : bytes.status().ToString();
}

class S3StoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fake_ = new FakeS3(); }
  static void TearDownTestSuite() {
    delete fake_;
    fake_ = nullptr;
  }
  // A place of its own for each test.
  std::unique_ptr<ObjectStore> Open(std::string_view options = "&part_mib=5&parallel=3") {
    return fake_->Open(::testing::UnitTest::GetInstance()->current_test_info()->name(), options);
  }
  static FakeS3* fake_;
};
FakeS3* S3StoreTest::fake_ = nullptr;

TEST_F(S3StoreTest, ALargeObjectTravelsInPartsBothWays) {
  const auto store = Open();
  const std::string text = LargeText();
  const int64_t puts = fake_->Count("PUT");
  ASSERT_TRUE(store->Put("large", AsBytes(text), {}).ok());
  EXPECT_EQ(fake_->Count("PUT") - puts, 3) << "three parts";
  const int64_t gets = fake_->Count("GET");
  EXPECT_TRUE(Text(store->Get("large")) == text);
  EXPECT_EQ(fake_->Count("GET") - gets, 3) << "three ranges";
  EXPECT_TRUE(Text(store->GetRange("large", 3, 10 << 20)) == text.substr(3, 10 << 20));
  EXPECT_EQ(fake_->Count("uploads"), 0);
}

TEST_F(S3StoreTest, AnUploadOfManyWritesIsSentInParts) {
  const auto store = Open("&part_mib=5&parallel=1");
  const std::string text = LargeText();
  auto upload = store->StartUpload("large", {});
  ASSERT_TRUE(upload.ok());
  for (size_t at = 0; at < text.size(); at += 3'000'000) {
    ASSERT_TRUE((*upload)->Write(AsBytes(std::string_view(text).substr(at, 3'000'000))).ok());
  }
  EXPECT_EQ(fake_->Count("uploads"), 1) << "full parts did not wait for the end";
  ASSERT_TRUE((*upload)->Commit().ok());
  EXPECT_TRUE(Text(store->Get("large")) == text);
  auto abandoned = store->StartUpload("other", {});
  ASSERT_TRUE((*abandoned)->Write(AsBytes(text)).ok());
  abandoned->reset();
  EXPECT_EQ(fake_->Count("uploads"), 0);
}

TEST_F(S3StoreTest, EveryKindOfFailureThatPassesIsOutlived) {
  const auto store = Open();
  const std::string text = LargeText();
  for (const char* kind : {"drop_before", "drop_after", "slow_down", "internal", "request_timeout"}) {
    fake_->Fail(kind, 2, "PUT");
    fake_->Fail(kind, 1, "POST", "uploads");
    fake_->Fail(kind, 1, "POST", "uploadId");
    EXPECT_TRUE(store->Put("large", AsBytes(text), {}).ok()) << kind;
    fake_->Fail(kind, 2, "PUT");
    EXPECT_TRUE(store->Put("small", AsBytes(kind), {}).ok()) << kind;
    fake_->Fail(kind, 2, "GET");
    EXPECT_EQ(Text(store->Get("small")), kind);
    fake_->Fail(kind, 1, "HEAD");
    EXPECT_TRUE(store->Head("small").ok()) << kind;
    fake_->Fail(kind, 1, "GET", "list-type");
    EXPECT_EQ(store->List("", "", 10)->objects.size(), 2u) << kind;
    fake_->Fail(kind, 1, "PUT");
    EXPECT_TRUE(store->Renew("small").ok()) << kind;
    fake_->Fail(kind, 1, "DELETE");
    EXPECT_TRUE(store->Delete("small").ok()) << kind;
  }
  for (const char* kind : {"truncate", "lies_long", "lies_short", "wrong_range", "damaged"}) {
    ASSERT_TRUE(store->Put("small", AsBytes("the same"), {}).ok());
    fake_->Fail(kind, 1, "GET", "small");
    EXPECT_EQ(Text(store->Get("small")), "the same") << kind;
    if (std::string_view(kind) == "damaged") continue;  // of a part only its reader's digest tells
    fake_->Fail(kind, 2, "GET", "large");
    EXPECT_TRUE(Text(store->Get("large")) == text) << kind;
  }
  EXPECT_EQ(fake_->Count("uploads"), 1) << "the one of which nobody knows: the answer to its beginning was lost";
}

TEST_F(S3StoreTest, BytesThatStayDamagedAreDataLoss) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("k", AsBytes("hello"), {}).ok());
  fake_->Fail("damaged", 2, "GET", "/k");
  const Status status = store->Get("k").status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(Text(store->Get("k")), "hello");
}

TEST_F(S3StoreTest, AnAnswerThatWasLostAfterAConditionalPutIsOurOwnSuccess) {
  const auto store = Open();
  fake_->Fail("drop_after", 1, "PUT", "/mine");
  EXPECT_TRUE(store->Put("mine", AsBytes("bytes"), {.if_absent = true}).ok());
  fake_->Fail("drop_before", 1, "PUT", "/mine");
  const Status other = store->Put("mine", AsBytes("other"), {.if_absent = true});
  EXPECT_TRUE(absl::IsAlreadyExists(other)) << other;
  EXPECT_EQ(Text(store->Get("mine")), "bytes");
}

TEST_F(S3StoreTest, AnErrorWithinASuccessIsAFailure) {
  const auto store = Open();
  const std::string text = LargeText();
  fake_->Fail("error_in_200", 1, "POST", "uploadId");
  EXPECT_TRUE(store->Put("large", AsBytes(text), {}).ok());
  EXPECT_EQ(store->Head("large")->size_bytes, static_cast<int64_t>(text.size()));
  fake_->Fail("error_in_200", 100, "POST", "again");
  const Status status = store->Put("again", AsBytes(text), {});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::IsNotFound(store->Head("again").status()));
}

TEST_F(S3StoreTest, AHostileAnswerIsAnErrorInOneLineAndNeverBytes) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("k", AsBytes("hello"), {}).ok());
  for (const char* kind : {"endless", "lies_long", "lies_short", "wrong_range", "truncate"}) {
    fake_->Fail(kind, 6, "GET", "HostileAnswerIsAnErrorInOneLineAndNeverBytes/k");
    const StatusOr<Bytes> bytes = store->Get("k");
    EXPECT_FALSE(bytes.ok()) << kind;
    EXPECT_EQ(MessageOf(bytes.status()).find('\n'), std::string::npos) << bytes.status();
    EXPECT_EQ(Text(store->Get("k")), "hello") << kind;
  }
  fake_->Fail("endless", 1, "GET", "list-type");
  EXPECT_TRUE(absl::IsResourceExhausted(store->List("", "", 10).status()));
}

TEST_F(S3StoreTest, RightsAreNoneOfTheThingsThatPass) {
  const auto store = Open();
  const int64_t requests = fake_->Count("requests");
  fake_->Fail("denied", 1, "PUT");
  const Status status = store->Put("k", AsBytes("x"), {});
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(fake_->Count("requests") - requests, 1) << "asked once";
  EXPECT_EQ(MessageOf(status),
            "s3://bucket/RightsAreNoneOfTheThingsThatPass: put object 'k': the server answers 403 AccessDenied (no); "
            "give these credentials the right to do so");
  fake_->Fail("redirect", 1, "PUT");
  EXPECT_THAT(std::string(MessageOf(store->Put("k", AsBytes("x"), {}))),
              HasSubstr("the bucket is in region eu-west-1"));
}

TEST_F(S3StoreTest, WhatIsNoKeyIsPassedOverInLists) {
  const auto store = Open();
  for (const char* key : {"b", "d"}) ASSERT_TRUE(store->Put(key, AsBytes("x"), {}).ok());
  // Objects of others below the same prefix.
  S3Client client(*ParseS3Uri(fake_->Uri("WhatIsNoKeyIsPassedOverInLists"), test::FakeS3Environment()),
                  {.environment = test::FakeS3Environment()});
  for (const char* key : {"a b", "c+1", "c&<>", "e~", "f \xc3\xbc"}) {
    ASSERT_TRUE(client.Call({.what = "put", .method = "PUT", .key = key}).ok()) << key;
  }
  for (const int limit : {1, 2, 10}) {
    std::vector<std::string> keys;
    for (std::string after;;) {
      const StatusOr<ListPage> page = store->List("", after, limit);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const ObjectInfo& object : page->objects) keys.push_back(object.key);
      if (!page->truncated) break;
      after = page->objects.back().key;
    }
    EXPECT_THAT(keys, ::testing::ElementsAre("b", "d")) << limit;
  }
}

TEST_F(S3StoreTest, ABucketThatIsNotThereAndKeysThatAreWrongAreToldAtOpening) {
  StoreContext context = fake_->Context();
  const Status absent = OpenObjectStore(absl::StrCat("s3://absent/x?endpoint=", fake_->endpoint()), context).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(absent)) << absent;
  EXPECT_THAT(std::string(MessageOf(absent)), HasSubstr("create the bucket"));
  const Status region = OpenObjectStore(fake_->Uri("x", "&region=eu-1"), context).status();
  EXPECT_THAT(std::string(MessageOf(region)), HasSubstr("give the bucket's region"));
  context.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "AWS_ACCESS_KEY_ID") return "AKFAKE";
    if (name == "AWS_SECRET_ACCESS_KEY") return "topsecret";
    return std::nullopt;
  };
  const Status secret = OpenObjectStore(fake_->Uri("x"), context).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(secret)) << secret;
  EXPECT_THAT(std::string(MessageOf(secret)), HasSubstr("check the secret access key"));
  EXPECT_EQ(MessageOf(secret).find("topsecret"), std::string::npos);
}

TEST_F(S3StoreTest, AnAnswerToHeadSaysNothingAndIsAskedForAgain) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("k", AsBytes("x"), {}).ok());
  fake_->Fail("expired", 1, "HEAD");
  EXPECT_TRUE(store->Head("k").ok());
  fake_->Fail("denied", 1, "HEAD");
  EXPECT_TRUE(absl::IsFailedPrecondition(store->Head("k").status()));
}

TEST_F(S3StoreTest, AServerThatIsNotThereIsUnavailable) {
  StoreContext context = fake_->Context();
  context.retry.attempts_max = 2;
  const Status status = OpenObjectStore("s3://bucket/x?endpoint=http://127.0.0.1:1", context).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(S3StoreTest, AFileOfCredentialsThatIsReplacedIsReadAgain) {
  const test::TemporaryDirectory folder;
  const std::string file = folder.path() + "/credentials";
  test::WriteFile(file, "[p]\naws_access_key_id = AKFAKE\naws_secret_access_key = SKFAKE\n");
  StoreContext context = fake_->Context();
  context.environment = [file](std::string_view name) -> std::optional<std::string> {
    if (name == "AWS_SHARED_CREDENTIALS_FILE") return file;
    if (name == "AWS_PROFILE") return "p";
    return std::nullopt;
  };
  const auto store = OpenObjectStore(fake_->Uri("x"), context);
  ASSERT_TRUE(store.ok()) << store.status();
  fake_->Fail("expired", 1, "PUT");
  EXPECT_TRUE((*store)->Put("k", AsBytes("x"), {}).ok()) << "loaded anew, and sent again";
  fake_->Fail("expired", 2, "PUT");
  EXPECT_THAT(std::string(MessageOf((*store)->Put("k", AsBytes("x"), {}))), HasSubstr("renew the credentials"));
}

TEST_F(S3StoreTest, AServiceAccountsTokenIsExchangedForCredentials) {
  const test::TemporaryDirectory folder;
  const std::string file = folder.path() + "/token";
  test::WriteFile(file, "good-token\n");
  StoreContext context = fake_->Context();
  context.environment = [&](std::string_view name) -> std::optional<std::string> {
    const std::map<std::string, std::string, std::less<>> variables = {{"AWS_WEB_IDENTITY_TOKEN_FILE", file},
                                                                       {"AWS_ROLE_ARN", "arn:aws:iam::1:role/lwq"},
                                                                       {"AWS_ENDPOINT_URL_STS", fake_->endpoint()}};
    const auto at = variables.find(name);
    return at == variables.end() ? std::nullopt : std::optional(at->second);
  };
  const auto store = OpenObjectStore(fake_->Uri("identity"), context);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE((*store)->Put("k", AsBytes("x"), {}).ok());
  test::WriteFile(file, "bad-token");
  const Status status = OpenObjectStore(fake_->Uri("identity"), context).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("arn:aws:iam::1:role/lwq"));
  EXPECT_EQ(MessageOf(status).find("bad-token"), std::string::npos);
}

TEST(S3ServersTest, AClockThatIsWrongIsMadeUpFor) {
  FakeS3 fake({"--clock-shift", "-5000"});
  const auto store = fake.Open("x");
  EXPECT_TRUE(store->Put("k", AsBytes("x"), {}).ok());
  const int64_t requests = fake.Count("requests");
  EXPECT_TRUE(store->Put("k", AsBytes("y"), {}).ok());
  EXPECT_EQ(fake.Count("requests") - requests, 1) << "learned once";
}

TEST(S3ServersTest, AServerThatIgnoresConditionsIsRefusedUnlessThatIsAskedFor) {
  FakeS3 fake({"--ignore-conditions"});
  const Status status = fake.Open("x")->Put("k", AsBytes("first"), {.if_absent = true});
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("conditional_writes=emulated"));
  const auto store = fake.Open("x", "&conditional_writes=emulated");
  EXPECT_TRUE(store->Put("k", AsBytes("first"), {.if_absent = true}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store->Put("k", AsBytes("second"), {.if_absent = true})));
  EXPECT_EQ(Text(store->Get("k")), "first");
}

TEST(S3ServersTest, ACompletionWhoseAnswerWasLostIsFoundOutByTheObject) {
  FakeS3 fake({"--forget-uploads"});
  const auto store = fake.Open("x", "&part_mib=5");
  fake.Fail("drop_after", 1, "POST", "uploadId");
  const std::string text = LargeText();
  EXPECT_TRUE(store->Put("large", AsBytes(text), {}).ok());
  EXPECT_TRUE(Text(store->Get("large")) == text);
}

TEST(S3ServersTest, AStoreThatFailsAtEveryCallIsGivenUpSooner) {
  FakeS3 fake;
  StoreContext context = fake.Context();
  context.retry.attempts_max = 10;
  context.retry.budget_retries = 12;
  const auto store = OpenObjectStore(fake.Uri("x"), context);
  ASSERT_TRUE(store.ok());
  fake.Fail("internal", 1000, "PUT");
  const int64_t puts = fake.Count("PUT");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(absl::IsUnavailable((*store)->Put("k", AsBytes("x"), {})));
  EXPECT_EQ(fake.Count("PUT") - puts, 5 + 12) << "five first attempts, and the whole budget";
}

TEST(S3ServersTest, AnAddressThatIsNotAllowedIsNotConnectedTo) {
  FakeS3 fake;
  StoreContext context = fake.Context();
  std::vector<int> families;
  context.check_address = [&](const sockaddr* address) -> Status {
    families.push_back(address->sa_family);
    return absl::PermissionDeniedError("not there");
  };
  const Status refused = OpenObjectStore(fake.Uri("x"), context).status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("not there"));
  EXPECT_EQ(families, std::vector<int>{AF_INET}) << "and it is not tried again";
  EXPECT_EQ(fake.Count("GET"), 0);

  context.check_address = [](const sockaddr*) { return absl::OkStatus(); };
  EXPECT_TRUE(OpenObjectStore(fake.Uri("x"), context).ok());
}

TEST(S3ServersTest, OverTlsTheServersCertificateMustBeTrusted) {
  const test::TemporaryDirectory directory;
  const test::CertificateAuthority ca("CA");
  const test::KeyPair pair = ca.Sign("store");
  const auto write = [&](const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(directory.path(), "/", name);
    test::WriteFile(path, text);
    return path;
  };
  FakeS3 fake({"--tls", write("store.crt", pair.cert), write("store.key", pair.key)});
  const auto trusted = OpenObjectStore(fake.Uri("x", absl::StrCat("&ca=", write("ca.crt", ca.cert()))), fake.Context());
  ASSERT_TRUE(trusted.ok()) << trusted.status();
  const std::string text = LargeText();
  EXPECT_TRUE((*trusted)->Put("large", AsBytes(text), {}).ok());
  EXPECT_TRUE(Text((*trusted)->Get("large")) == text);
  const Status strange = OpenObjectStore(fake.Uri("x"), fake.Context()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(strange)) << strange;
  EXPECT_THAT(std::string(MessageOf(strange)), HasSubstr("certificate"));
  const Status no_file = OpenObjectStore(fake.Uri("x", "&ca=/no/such"), fake.Context()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(no_file)) << no_file;
}

}  // namespace
}  // namespace lwq
