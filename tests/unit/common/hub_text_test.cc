// SPDX-License-Identifier: Apache-2.0
// What is written of the Hub, and what it answers, as values.
#include <map>
#include <string>
#include <vector>

#include "common/digest/foreign_digest.h"
#include "common/http/url.h"
#include "common/hub/hub_answers.h"
#include "common/hub/hub_error.h"
#include "common/hub/hub_settings.h"
#include "common/hub/hub_uri.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::function<std::string(const std::string&)> Variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  };
}

HttpHead HeadOf(int status, std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpHead head;
  head.status = status;
  head.headers = std::move(headers);
  return head;
}

TEST(HubUriTest, AModelAndAFileOfADataSetAreToldApart) {
  const auto model = ParseHubUri("hf://meta-llama/Llama-3.1-8B");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->repo.FolderName(), "models--meta-llama--Llama-3.1-8B");
  EXPECT_EQ(model->repo.ApiPath(), "/api/models/meta-llama/Llama-3.1-8B");
  EXPECT_EQ(model->repo.WebPath(), "/meta-llama/Llama-3.1-8B");
  EXPECT_EQ(model->revision, "main");
  const auto file = ParseHubUri("hf://datasets/allenai/c4@refs%2Fconvert%2Fparquet/en/train.json.gz");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->repo.FolderName(), "datasets--allenai--c4");
  EXPECT_EQ(file->repo.WebPath(), "/datasets/allenai/c4");
  EXPECT_EQ(file->revision, "refs/convert/parquet");
  EXPECT_EQ(file->path, "en/train.json.gz");
  EXPECT_EQ(ParseHubUri("hf://gpt2")->repo.id, "gpt2");
  EXPECT_EQ(ParseHubUri("hf://a/b@refs/pr/1")->revision, "refs/pr/1");
  EXPECT_EQ(ParseHubUri("hf://a/b@v1.0")->revision, "v1.0");
}

TEST(HubUriTest, WhatCouldLeadOutOfAUrlOrAFolderIsRefused) {
  for (const char* bad : {"hf://",
                          "hf://a/b/c",
                          "hf://a/../b",
                          "hf://../b",
                          "hf://a/b--c",
                          "hf://a/b.git",
                          "hf://-a/b",
                          "hf://a/.b",
                          "hf://a/b?x=1",
                          "hf://a/b#c",
                          "hf://a b/c",
                          "hf://a/b@",
                          "hf://a/b@../x",
                          "hf://a/b@x/../../y",
                          "hf://a/b@/etc",
                          "hf://a/b@x\ny",
                          "hf://a/b@%zz",
                          "hf://a/b@a%2F..%2F..",
                          "hf://datasets/a/b",
                          "hf://datasets/a/b/",
                          "hf://datasets/a/b/../x",
                          "hf://datasets/a/b//x",
                          "hf://datasets/a/b/x\\y",
                          "hf://a:b@c/d",
                          "s3://a/b"}) {
    const auto uri = ParseHubUri(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(uri.status())) << bad << " " << uri.status();
    EXPECT_EQ(MessageOf(uri.status()).find('\n'), std::string::npos) << "one line";
  }
  EXPECT_FALSE(ParseHubUri("hf://a/" + std::string(96, 'x')).ok()) << "longer than the Hub has names";
  for (const char* bad : {"", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "a\nb"}) {
    EXPECT_FALSE(CheckRepoPath(bad).ok()) << bad;
  }
  EXPECT_TRUE(CheckRepoPath("original/a file+b%.txt").ok());
}

TEST(HubUriTest, OnlyFortyLowerCaseDigitsAreACommit) {
  EXPECT_TRUE(IsCommit(std::string(40, 'a')));
  EXPECT_FALSE(IsCommit(std::string(40, 'A')));
  EXPECT_FALSE(IsCommit(std::string(39, 'a')));
  EXPECT_FALSE(IsCommit(std::string(40, 'a') + "\n"));
}

TEST(HubSettingsTest, TheVariablesOfTheHubsOwnToolsAreObeyedInTheirOrder) {
  const auto plain = ReadHubSettings(Variables({{"HOME", "/home/u"}}));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->endpoint, "https://huggingface.co");
  EXPECT_EQ(plain->cache_folder, "/home/u/.cache/huggingface/hub");
  EXPECT_EQ(plain->token, "");
  EXPECT_FALSE(plain->offline);
  EXPECT_EQ(ReadHubSettings(Variables({{"XDG_CACHE_HOME", "/x"}}))->cache_folder, "/x/huggingface/hub");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}))->cache_folder, "/h/hub");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HUB_CACHE", "/c"}, {"HF_HOME", "/h"}}))->cache_folder, "/c");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HUB_CACHE", "~/c"}, {"HOME", "/home/u"}}))->cache_folder, "/home/u/c");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HOME", "/h"}, {"HF_ENDPOINT", "http://hub.local:8080/"}}))->endpoint,
            "http://hub.local:8080");
  EXPECT_TRUE(ReadHubSettings(Variables({{"HF_HOME", "/h"}, {"HF_HUB_OFFLINE", "YES"}}))->offline);
  EXPECT_TRUE(ReadHubSettings(Variables({{"HF_HOME", "/h"}, {"TRANSFORMERS_OFFLINE", "1"}}))->offline);
  EXPECT_FALSE(ReadHubSettings(Variables({{"HF_HOME", "/h"}, {"HF_HUB_OFFLINE", "0"}}))->offline);
}

TEST(HubSettingsTest, TheTokenComesFromTheEnvironmentElseFromItsFileAndIsTrimmed) {
  const test::TemporaryDirectory home;
  test::WriteFile(home.path() + "/token", "hf_file\n");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HOME", home.path()}}))->token, "hf_file");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HOME", home.path()}, {"HF_TOKEN", " hf_env\n"}}))->token, "hf_env");
  EXPECT_EQ(ReadHubSettings(Variables({{"HF_HOME", home.path()}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}}))->token, "");
  const Status bad = ReadHubSettings(Variables({{"HF_HOME", "/h"}, {"HF_TOKEN", "hf_a\r\nX-Evil: 1"}})).status();
  EXPECT_TRUE(absl::IsInvalidArgument(bad));
  EXPECT_THAT(std::string(MessageOf(bad)), AllOf(HasSubstr("HF_TOKEN"), Not(HasSubstr("hf_a")))) << "no secret";
}

TEST(HubSettingsTest, WhatIsNoServerAndWhatIsNoFolderIsSaid) {
  EXPECT_THAT(std::string(MessageOf(ReadHubSettings(Variables({{"HOME", "/h"}, {"HF_ENDPOINT", "ftp://x"}})).status())),
              HasSubstr("HF_ENDPOINT"));
  EXPECT_FALSE(ReadHubSettings(Variables({{"HOME", "/h"}, {"HF_ENDPOINT", "https://user:pw@x"}})).ok());
  EXPECT_THAT(std::string(MessageOf(ReadHubSettings(Variables({})).status())), HasSubstr("HF_HOME"));
}

TEST(HubAnswersTest, ATreeGivesWhatIsInLfsBySha256AndTheRestBySha1) {
  const std::string sha1(40, '1');
  const std::string sha256(64, '2');
  const auto files = ParseTreePage(absl::StrCat(R"([{"type":"directory","path":"d","oid":"x","size":0},)",
                                                R"({"type":"file","path":"config.json","size":5,"oid":")", sha1,
                                                R"("},{"type":"file","path":"m.safetensors","size":7,"oid":")", sha1,
                                                R"(","lfs":{"oid":")", sha256,
                                                R"(","size":7,"pointerSize":130},"xetHash":")", sha256, R"("}])"));
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 2U);
  EXPECT_EQ((*files)[0].etag, sha1);
  EXPECT_EQ((*files)[1].etag, sha256);
  EXPECT_EQ((*files)[1].git_sha1, sha1);
  EXPECT_EQ((*files)[1].size_bytes, 7);
  EXPECT_EQ((*files)[1].xet_hash, sha256);
}

TEST(HubAnswersTest, ATreeThatWouldDoHarmIsRefused) {
  const std::string sha1(40, '1');
  const auto entry = [&](std::string_view path, std::string_view size, std::string_view oid) {
    return ParseTreePage(
               absl::StrCat(R"([{"type":"file","path":")", path, R"(","size":)", size, R"(,"oid":")", oid, R"("}])"))
        .status();
  };
  EXPECT_TRUE(entry("a", "1", sha1).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(entry("../../.ssh/authorized_keys", "1", sha1)));
  EXPECT_TRUE(absl::IsInvalidArgument(entry("/etc/passwd", "1", sha1)));
  EXPECT_TRUE(absl::IsInvalidArgument(entry("a", "18446744073709551615", sha1)));
  EXPECT_TRUE(absl::IsInvalidArgument(entry("a", "99999999999999", sha1)));
  EXPECT_TRUE(absl::IsUnavailable(entry("a", "-5", sha1)));
  EXPECT_TRUE(absl::IsUnavailable(entry("a", "1.5", sha1)));
  EXPECT_TRUE(absl::IsUnavailable(entry("a", "1", "../../x")));
  for (const char* bad : {"", "null", "{}", "[1]", "<html>", R"([{"type":"file"}])"})
    EXPECT_FALSE(ParseTreePage(bad).ok()) << bad;
  for (const char* bad : {"", "[]", "{}", R"({"sha":"../x"})", R"({"sha":7})"})
    EXPECT_FALSE(ParseCommit(bad).ok()) << bad;
}

TEST(HubAnswersTest, TheNextPageIsFoundAmongLinks) {
  EXPECT_EQ(NextPage(R"(<https://h/a?c=1>; rel="next")"), "https://h/a?c=1");
  EXPECT_EQ(NextPage(R"(<https://h/p>; rel="prev", <https://h/n,m>; rel="next")"), "https://h/n,m");
  EXPECT_EQ(NextPage(R"(<https://h/auth>; rel="xet-auth")"), "");
  EXPECT_EQ(NextPage(""), "");
  EXPECT_EQ(NextPage("<x"), "");
}

TEST(HubAnswersTest, AnEtagIsADigestWithoutItsDecorationOrNothing) {
  const std::string sha1(40, 'a');
  EXPECT_EQ(PlainEtag("\"" + sha1 + "\""), sha1);
  EXPECT_EQ(PlainEtag("W/\"" + sha1 + "\""), sha1);
  EXPECT_EQ(PlainEtag(sha1), sha1);
  EXPECT_EQ(PlainEtag("\"../../x\""), "");
  EXPECT_EQ(PlainEtag(""), "");
  const HubFileHead head = ReadFileHead(HeadOf(302, {{"x-repo-commit", "c"},
                                                     {"etag", "\"" + sha1 + "\""},
                                                     {"x-linked-etag", "\"" + std::string(64, 'b') + "\""},
                                                     {"x-linked-size", "9"},
                                                     {"content-length", "40"}}));
  EXPECT_EQ(head.etag, std::string(64, 'b'));
  EXPECT_EQ(head.size_bytes, 9);
  EXPECT_EQ(ReadFileHead(HeadOf(302, {{"content-length", "40"}})).size_bytes, -1) << "of the redirect, not of the file";
}

TEST(HubErrorTest, EveryRefusalSaysWhatToDo) {
  const HubRepo repo = {HubRepo::Kind::kModel, "org/name"};
  const auto said = [&](const HttpHead& head, bool has_token) {
    const Status status = StatusOfHubAnswer(head, {repo, "dev", "a.json", "https://hub", has_token});
    EXPECT_EQ(MessageOf(status).find('\n'), std::string::npos) << "one line";
    return std::string(MessageOf(status));
  };
  const auto gated = HeadOf(403, {{"x-error-code", "GatedRepo"}});
  EXPECT_THAT(said(gated, true),
              HasSubstr("accept its licence at https://hub/org/name with the account of your token"));
  EXPECT_THAT(said(gated, false), HasSubstr("set HF_TOKEN"));
  EXPECT_THAT(said(HeadOf(401), false), AllOf(HasSubstr("there is no model org/name"), HasSubstr("set HF_TOKEN")));
  EXPECT_THAT(said(HeadOf(401, {{"x-error-message", "Invalid credentials in Authorization header"}}), true),
              AllOf(HasSubstr("does not take your token"), HasSubstr("https://hub/settings/tokens")));
  EXPECT_THAT(said(HeadOf(404, {{"x-error-code", "RepoNotFound"}}), true), HasSubstr("your token may not read it"));
  EXPECT_THAT(said(HeadOf(404, {{"x-error-code", "RevisionNotFound"}}), true), HasSubstr("has no revision \"dev\""));
  EXPECT_THAT(said(HeadOf(404, {{"x-error-code", "EntryNotFound"}}), true), HasSubstr("has no file a.json"));
  EXPECT_THAT(said(HeadOf(403), true), HasSubstr("is not allowed with your token"));
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_TRUE(absl::IsUnavailable(StatusOfHubAnswer(HeadOf(status), {repo, "", "", "https://hub", false}))) << status;
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(StatusOfHubAnswer(HeadOf(418), {repo, "", "", "https://hub", false})));
}

TEST(HubErrorTest, TheTimeToWaitIsReadFromEitherHeader) {
  EXPECT_EQ(SecondsToWait(HeadOf(429, {{"ratelimit", "\"api\";r=0;t=7"}, {"retry-after", "100"}})), 8);
  EXPECT_EQ(SecondsToWait(HeadOf(429, {{"ratelimit", "\"api\";r=3;t=7"}})), 0);
  EXPECT_EQ(SecondsToWait(HeadOf(503, {{"retry-after", "2"}})), 3);
  EXPECT_EQ(SecondsToWait(HeadOf(503, {{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}})), 0);
  EXPECT_EQ(SecondsToWait(HeadOf(503)), 0);
}

TEST(UrlTest, AReferenceIsSeenFromItsBase) {
  EXPECT_EQ(*ResolveReference("https://h:8/a/b?x=1", "/c?y=2"), "https://h:8/c?y=2");
  EXPECT_EQ(*ResolveReference("https://h/a/b", "https://k/c"), "https://k/c");
  EXPECT_EQ(*ResolveReference("https://h/a/b", "//k/c"), "https://k/c");
  for (const char* bad : {"", "file:///etc/passwd", "ftp://h/x", "https://user:pw@h/x", "gopher://h"}) {
    EXPECT_FALSE(ResolveReference("https://h/a", bad).ok()) << bad;
  }
}

TEST(UrlTest, OriginsAreEqualWhereSchemeHostAndPortAre) {
  EXPECT_EQ(*ExactOrigin("https://Hub.example/a"), *ExactOrigin("https://hub.example:443/b?c"));
  EXPECT_NE(*ExactOrigin("https://hub.example"), *ExactOrigin("http://hub.example"));
  EXPECT_NE(*ExactOrigin("https://hub.example"), *ExactOrigin("https://hub.example:8443"));
  EXPECT_NE(*ExactOrigin("https://hub.example"), *ExactOrigin("https://hub.example.evil.com"));
  EXPECT_FALSE(ExactOrigin("https://hub.example@evil.com").ok()) << "a name in front of the host";
}

TEST(ForeignDigestTest, ContentsAreNamedAsGitLfsAndS3NameThem) {
  const auto digest = [](ForeignDigest kind, std::string_view text) {
    ForeignHasher hasher(kind, static_cast<int64_t>(text.size()));
    hasher.Update(std::as_bytes(std::span(text.data(), text.size())));
    return hasher.FinishHex();
  };
  // git hash-object; sha256sum; md5sum.
  EXPECT_EQ(digest(ForeignDigest::kGitBlobSha1, ""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(digest(ForeignDigest::kGitBlobSha1, "hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(digest(ForeignDigest::kSha256, ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest(ForeignDigest::kMd5, "hello\n"), "b1946ac92492d2347c6235b4d2611184");
}

}  // namespace
}  // namespace lwq
