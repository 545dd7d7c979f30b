// SPDX-License-Identifier: Apache-2.0
// What S3's URIs, answers, errors and credentials say, and what is refused of them.
#include <map>
#include <optional>
#include <string>

#include "common/http/content_range.h"
#include "common/s3/aws_credentials.h"
#include "common/s3/credentials_file.h"
#include "common/s3/s3_answers.h"
#include "common/s3/s3_error.h"
#include "common/s3/s3_location.h"
#include "common/s3/web_identity.h"
#include "common/status/out_of_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

Environment With(std::map<std::string, std::string> variables) {
  return [variables](std::string_view name) -> std::optional<std::string> {
    const auto at = variables.find(std::string(name));
    if (at == variables.end()) return std::nullopt;
    return at->second;
  };
}

TEST(S3LocationTest, AUriSaysWhereObjectsAreAndHowTheServerIsSpokenTo) {
  const auto location = ParseS3Uri(
      "s3://my-bucket/a/b/?endpoint=https://ceph.example:7480/&region=eu-1&ca=%2Fetc%2Fca.pem&part_mib=16&parallel=2",
      With({}));
  ASSERT_TRUE(location.ok()) << location.status();
  EXPECT_EQ(location->Describe(), "s3://my-bucket/a/b");
  EXPECT_TRUE(location->path_style);
  EXPECT_EQ(location->Host(), "ceph.example:7480");
  EXPECT_EQ(location->PathOf("x=1/y"), "/my-bucket/a/b/x%3D1/y");
  EXPECT_EQ(location->PathOf(""), "/my-bucket");
  EXPECT_EQ(location->UrlOf("/p"), "https://ceph.example:7480/p");
  EXPECT_EQ(location->region, "eu-1");
  EXPECT_EQ(location->ca_file, "/etc/ca.pem");
  EXPECT_EQ(location->part_mib, 16);
  EXPECT_EQ(location->parallel, 2);
}

TEST(S3LocationTest, WithoutAnEndpointItIsAmazonsWithTheBucketInItsName) {
  const auto location = ParseS3Uri("s3://my-bucket", With({{"AWS_REGION", "eu-west-1"}}));
  ASSERT_TRUE(location.ok()) << location.status();
  EXPECT_EQ(location->UrlOf(location->PathOf("k")), "https://my-bucket.s3.eu-west-1.amazonaws.com/k");
  EXPECT_EQ(location->PathOf(""), "/");
  const auto dotted = ParseS3Uri("s3://my.bucket/p", With({}));
  EXPECT_EQ(dotted->UrlOf(dotted->PathOf("k")), "https://s3.us-east-1.amazonaws.com/my.bucket/p/k")
      << "no certificate covers a name with dots";
  const auto set = ParseS3Uri("s3://abc", With({{"AWS_ENDPOINT_URL_S3", "http://x:1"}, {"AWS_CA_BUNDLE", "/c"}}));
  EXPECT_EQ(set->UrlOf(set->PathOf("k")), "http://x:1/abc/k");
  EXPECT_EQ(set->ca_file, "/c");
}

TEST(S3LocationTest, WhatIsNoStoreIsRefusedInOneLineThatSaysWhy) {
  const std::map<std::string, std::string> bad = {
      {"s3://", "must name a bucket"},
      {"s3://ab", "must name a bucket"},
      {"s3://Bucket/x", "must name a bucket"},
      {"s3://a..b/x", "must name a bucket"},
      {"s3://user:key@bucket/x", "must name a bucket"},
      {"s3://bucket//x", "the prefix"},
      {"s3://bucket/../x", "the prefix"},
      {"s3://bucket/a b", "the prefix"},
      {"s3://bucket/x?endpoint=ftp://h", "endpoint must be"},
      {"s3://bucket/x?endpoint=http://h/path", "endpoint must be"},
      {"s3://bucket/x?endpoint=http://u:p@h", "endpoint must be"},
      {"s3://bucket/x?endpoint=http://", "endpoint must be"},
      {"s3://bucket/x?region=a/b", "region must be"},
      {"s3://bucket/x?path_style=yes", "path_style must be 0 or 1"},
      {"s3://bucket/x?part_mib=4", "part_mib must be"},
      {"s3://bucket/x?part_mib=8x", "part_mib must be"},
      {"s3://bucket/x?parallel=0", "parallel must be"},
      {"s3://bucket/x?conditional_writes=no", "conditional_writes must be"},
      {"s3://bucket/x?secret=1", "unknown option 'secret'; known: endpoint, region"},
      {"s3://bucket/x?region", "has no value"},
      {"s3://bucket/x?region=a&region=b", "given twice"},
  };
  for (const auto& [uri, why] : bad) {
    const Status status = ParseS3Uri(uri, With({})).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << uri;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(why)) << uri;
    EXPECT_EQ(MessageOf(status).find('\n'), std::string::npos) << uri;
  }
}

TEST(S3AnswersTest, AListingIsReadInBothWaysOfWritingKeys) {
  const std::string head = "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>";
  const std::string contents =
      "<IsTruncated>true</IsTruncated><Contents><Key>a%20b+c</Key><LastModified>2026-11-29T10:00:01.500Z</LastModified>"
      "<Size>7</Size></Contents></ListBucketResult>";
  const auto encoded = ParseListing(head + "<EncodingType>url</EncodingType>" + contents);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_TRUE(encoded->truncated);
  EXPECT_EQ(encoded->objects.at(0).key, "a b c");
  EXPECT_EQ(encoded->objects.at(0).size_bytes, 7);
  EXPECT_EQ(encoded->objects.at(0).modified_unix_s, 1795946401);
  EXPECT_EQ(ParseListing(head + contents)->objects.at(0).key, "a%20b+c");
}

TEST(S3AnswersTest, WhatIsNoAnswerIsToBeAskedAgain) {
  const std::string open = "<ListBucketResult><IsTruncated>false</IsTruncated>";
  for (const std::string& bad :
       {std::string("<html>"), std::string("<ListBucketResult></ListBucketResult>"),
        open + "<Contents><Key>a</Key><Size>-1</Size><LastModified>2026-11-29T10:00:00Z</LastModified></Contents>"
               "</ListBucketResult>",
        open + "<Contents><Key></Key><Size>1</Size><LastModified>2026-11-29T10:00:00Z</LastModified></Contents>"
               "</ListBucketResult>",
        open + "<Contents><Key>a</Key><Size>1</Size><LastModified>now</LastModified></Contents></ListBucketResult>"}) {
    EXPECT_TRUE(absl::IsUnavailable(ParseListing(bad).status())) << bad;
  }
  EXPECT_TRUE(absl::IsUnavailable(ParseUploadId("<x/>").status()));
  EXPECT_TRUE(absl::IsUnavailable(ParseAssumedRole("<x/>").status()));
  EXPECT_TRUE(absl::IsUnavailable(ParseAssumedRole("no").status()));
}

TEST(S3AnswersTest, AContentRangeThatContradictsItselfIsNone) {
  const auto range = ParseContentRange("bytes 3-9/10");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->begin, 3);
  EXPECT_EQ(range->end, 9);
  EXPECT_EQ(range->total, 10);
  for (const char* bad : {"", "bytes 3-10/10", "bytes 4-3/10", "bytes 0--1/0", "bytes */10", "items 0-1/2",
                          "bytes 0-1/*", "bytes 0-1/99999999999999999999", "bytes 0/1-2"}) {
    EXPECT_FALSE(ParseContentRange(bad).has_value()) << bad;
  }
}

TEST(S3AnswersTest, PartsAreNamedWithTheirETagsAsTheyAre) {
  EXPECT_THAT(CompleteBody({"\"a\"", "<b&"}),
              HasSubstr("<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"
                        "<Part><PartNumber>2</PartNumber><ETag>&lt;b&amp;</ETag></Part>"));
}

Status OfError(int http_status, const std::string& code) {
  return StatusOfS3Error(http_status, {code, "its words", ""}, "put object 'a'");
}

TEST(S3ErrorTest, TheServersCodesBecomeOurs) {
  EXPECT_TRUE(absl::IsUnavailable(OfError(400, "RequestTimeout")));
  EXPECT_TRUE(absl::IsUnavailable(OfError(503, "SlowDown")));
  EXPECT_TRUE(absl::IsUnavailable(OfError(500, "")));
  EXPECT_TRUE(absl::IsUnavailable(OfError(429, "")));
  EXPECT_TRUE(absl::IsUnavailable(OfError(400, "BadDigest")));
  EXPECT_TRUE(absl::IsAborted(OfError(409, "ConditionalRequestConflict")));
  EXPECT_TRUE(absl::IsAlreadyExists(OfError(412, "PreconditionFailed")));
  EXPECT_TRUE(absl::IsNotFound(OfError(404, "")));
  EXPECT_TRUE(absl::IsNotFound(OfError(404, "NoSuchUpload")));
  EXPECT_TRUE(absl::IsFailedPrecondition(OfError(404, "NoSuchBucket")));
  EXPECT_TRUE(absl::IsOutOfRange(OfError(416, "InvalidRange")));
  EXPECT_TRUE(absl::IsUnimplemented(OfError(501, "NotImplemented")));
  EXPECT_TRUE(absl::IsFailedPrecondition(OfError(403, "AccessDenied")));
  EXPECT_TRUE(absl::IsFailedPrecondition(OfError(400, "Whatever")));
  EXPECT_TRUE(IsOutOfStorage(OfError(403, "QuotaExceeded")));
  EXPECT_TRUE(IsOutOfStorage(OfError(507, "")));
  EXPECT_TRUE(absl::IsUnavailable(OfError(200, "Whatever"))) << "an answer that began with success";
}

TEST(S3ErrorTest, TheLineSaysWhatWasTriedWhatTheServerSaidAndWhatToDo) {
  HttpResponse response;
  response.status = 403;
  response.body = "<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code><Message>two\nlines</Message></Error>";
  EXPECT_EQ(MessageOf(StatusOfS3Error(response, "put object 'a'")),
            "put object 'a': the server answers 403 SignatureDoesNotMatch (two lines); check the secret access key");
  response.status = 301;
  response.body = "not XML";
  response.headers = {{"x-amz-bucket-region", "eu-west-1"}};
  EXPECT_EQ(MessageOf(StatusOfS3Error(response, "list")),
            "list: the server answers 301; the bucket is in region eu-west-1");
}

TEST(CredentialsTest, AProfileOfTheFileIsRead) {
  const std::string text =
      "# mine\n[default]\naws_access_key_id = AK1\r\naws_secret_access_key=SK=1/+\n\n[other]\n"
      "aws_access_key_id=AK2\naws_secret_access_key=SK2\naws_session_token=T2\nregion=x\n[half]\naws_access_key_id="
      "AK3\n";
  EXPECT_EQ(ParseCredentials(text, "default", "f")->secret_access_key, "SK=1/+");
  EXPECT_EQ(ParseCredentials(text, "other", "f")->session_token, "T2");
  EXPECT_TRUE(absl::IsNotFound(ParseCredentials(text, "none", "f").status()));
  const Status half = ParseCredentials(text, "half", "f").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(half));
  EXPECT_EQ(MessageOf(half).find("AK3"), std::string::npos) << "what stands in the file is no business of a log";
}

TEST(CredentialsTest, WhatIsThereByHalvesOrNotAtAllIsToldWithWhatToSet) {
  for (const auto& [variables, what] : std::map<std::map<std::string, std::string>, std::string>{
           {{{"AWS_ACCESS_KEY_ID", "x"}}, "AWS_SECRET_ACCESS_KEY only one is set"},
           {{{"AWS_ROLE_ARN", "x"}}, "AWS_ROLE_ARN only one is set"},
           {{{"AWS_SHARED_CREDENTIALS_FILE", "/no/such"}}, "open /no/such: No such file"},
           {{{"AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such"}, {"AWS_ROLE_ARN", "r"}}, "open /no/such: No such file"}}) {
    HttpClient http({});
    AwsCredentialsSource source(With(variables), "us-east-1", &http);
    const Status status = source.Get().status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(what));
  }
}

}  // namespace
}  // namespace lwq
