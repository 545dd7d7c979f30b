// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "common/access/bearer_token.h"
#include "common/access/token_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'800'000'000;

TokenRecord Record(const std::string& name, const std::string& secret) {
  return {.name = name,
          .sha256 = HashOfToken(secret),
          .role = Role::kSubmitter,
          .projects = ProjectScope::Of({"a", "b"}),
          .created_unix_s = kNow,
          .expires_unix_s = kNow + 60};
}

std::string FileWith(const std::string& token) {
  return R"({"version":1,"tokens":[)" + token + "]}";
}

const std::string kHash(64, 'a');

TEST(RoleTest, EachRoleMayDoWhatTheRolesBelowItMayAndAWorkerIsApart) {
  std::set<std::pair<Role, Role>> included;
  for (const Role role : kRoles) {
    for (const Role needed : kRoles) {
      if (Includes(role, needed)) included.insert({role, needed});
    }
  }
  const std::set<std::pair<Role, Role>> expected = {
      {Role::kViewer, Role::kViewer}, {Role::kSubmitter, Role::kViewer}, {Role::kSubmitter, Role::kSubmitter},
      {Role::kAdmin, Role::kViewer},  {Role::kAdmin, Role::kSubmitter},  {Role::kAdmin, Role::kAdmin},
      {Role::kWorker, Role::kWorker},
  };
  EXPECT_EQ(included, expected);
}

TEST(RoleTest, NamesAreReadAsTheyAreWritten) {
  for (const Role role : kRoles) EXPECT_EQ(*ParseRole(RoleName(role)), role);
  EXPECT_THAT(ParseRole("root").status().message(), HasSubstr("use viewer, submitter, admin or worker"));
}

TEST(ProjectScopeTest, AllCoversEverythingAndNamesCoverTheirSubsets) {
  const ProjectScope all = ProjectScope::All(), ab = ProjectScope::Of({"a", "b"}), a = ProjectScope::Of({"a"});
  EXPECT_TRUE(all.Covers(ab) && ab.Covers(a) && a.Covers(a) && all.Covers(all) && a.Covers(ProjectScope()));
  EXPECT_FALSE(ab.Covers(all) || a.Covers(ab) || ProjectScope().Covers(a));
  EXPECT_TRUE(all.Has("") && ab.Has("b"));
  EXPECT_FALSE(ab.Has("") || ab.Has("c") || ProjectScope().Has(""));
}

TEST(BearerTokenTest, TokensHave256BitsAndTheirForm) {
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) {
    const StatusOr<std::string> token = NewBearerToken();
    ASSERT_TRUE(token.ok());
    EXPECT_EQ(token->size(), 4U + 43U);  // 43 characters of 6 bits hold 256
    EXPECT_TRUE(IsBearerToken(*token)) << *token;
    EXPECT_TRUE(tokens.insert(*token).second);
  }
  EXPECT_FALSE(IsBearerToken("") || IsBearerToken("lwq_") || IsBearerToken("lwq_" + std::string(43, '+')) ||
               IsBearerToken("lwx_" + std::string(43, 'a')) || IsBearerToken("lwq_" + std::string(44, 'a')));
}

TEST(BearerTokenTest, NoTokenStaysInARedactedText) {
  const std::string token = "lwq_" + std::string(43, 'x');
  EXPECT_EQ(RedactTokens("a " + token + " b " + token), "a lwq_[redacted] b lwq_[redacted]");
  EXPECT_EQ(RedactTokens("lwq_worker of lwq_"), "lwq_worker of lwq_");
}

TEST(TokenFileTest, WhatIsWrittenIsReadAsTheSame) {
  TokenFile file;
  file.tokens = {Record("ci", "one"), Record("pool", "two"), Record("old", "three")};
  file.tokens[1].role = Role::kWorker;
  file.tokens[1].projects = ProjectScope::All();
  file.tokens[1].expires_unix_s.reset();
  const std::string text = FormatTokenFile(file);
  const StatusOr<TokenFile> read = ParseTokenFile(text, "tokens.json");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, file);
  EXPECT_THAT(text, HasSubstr("\"expires\": \"2027-01-15T08:01:00Z\""));
}

TEST(TokenFileTest, ATokenIsFoundByItsHashAloneAndEndsInTheSecondItSays) {
  TokenFile file;
  file.tokens = {Record("ci", "one"), Record("pool", "two")};
  ASSERT_NE(FindToken(file, "two"), nullptr);
  EXPECT_EQ(FindToken(file, "two")->name, "pool");
  EXPECT_EQ(FindToken(file, "three"), nullptr);
  EXPECT_EQ(FindToken(file, ""), nullptr);
  EXPECT_EQ(FindToken(file, HashOfToken("one").hex()), nullptr);
  EXPECT_FALSE(HasExpired(file.tokens[0], kNow + 59));
  EXPECT_TRUE(HasExpired(file.tokens[0], kNow + 60));
}

struct BadFile {
  const char* name;
  std::string text;
  const char* message;
};
class BadTokenFileTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadTokenFileTest, IsRefusedWithTheFileAndWhatIsWrong) {
  const Status status = ParseTokenFile(GetParam().text, "t.json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("t.json"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadTokenFileTest,
    ::testing::Values(
        BadFile{"Empty", "", "JSON"}, BadFile{"NoVersion", "{}", "version"},
        BadFile{"Later", R"({"version":2,"tokens":[]})", "version 2"},
        BadFile{"NoTokens", R"({"version":1})", "tokens"},
        BadFile{"More", R"({"version":1,"tokens":[],"x":1})", "nothing else"},
        BadFile{"NoObject", FileWith("3"), "tokens[0] must be an object"},
        BadFile{"MisspeltExpires",
                FileWith(R"({"name":"a","sha256":")" + kHash +
                         R"(","role":"viewer","projects":"*","created":"2026-01-01T00:00:00Z","expire":"x"})"),
                "unknown key 'expire'"},
        BadFile{"Role",
                FileWith(R"({"name":"a","sha256":")" + kHash +
                         R"(","role":"root","projects":"*","created":"2026-01-01T00:00:00Z"})"),
                "role 'root'"},
        BadFile{"Hash", FileWith(R"({"name":"a","sha256":"AB","role":"viewer","projects":"*"})"), "sha256"},
        BadFile{"Projects",
                FileWith(R"({"name":"a","sha256":")" + kHash +
                         R"(","role":"viewer","projects":"a","created":"2026-01-01T00:00:00Z"})"),
                "projects must be"},
        BadFile{"Time",
                FileWith(R"({"name":"a","sha256":")" + kHash +
                         R"(","role":"viewer","projects":"*","created":"yesterday"})"),
                "is no time"},
        BadFile{"Name",
                FileWith(R"({"name":"a b","sha256":")" + kHash +
                         R"(","role":"viewer","projects":"*","created":"2026-01-01T00:00:00Z"})"),
                "token name"},
        BadFile{
            "Twice",
            FileWith(R"({"name":"a","sha256":")" + kHash +
                     R"(","role":"viewer","projects":"*","created":"2026-01-01T00:00:00Z"},{"name":"b","sha256":")" +
                     kHash + R"(","role":"viewer","projects":"*","created":"2026-01-01T00:00:00Z"})"),
            "tokens[1] has the name or the hash"}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace lwq
