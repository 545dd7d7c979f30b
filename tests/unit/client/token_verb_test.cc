// SPDX-License-Identifier: Apache-2.0
// lwq token: the file it edits, what it prints, and what it refuses.
#include <sys/stat.h>

#include <thread>
#include <vector>

#include "client/token/token_store.h"
#include "common/access/bearer_token.h"
#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/unit/client/cli_harness.h"

namespace lwq::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenVerbTest : public ::testing::Test {
 protected:
  TokenVerbTest() { cli_.environment["LWQ_TOKENS"] = path(); }
  std::string path() const { return directory_.path() + "/tokens.json"; }
  int Create(const std::string& name, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"token", "create", name});
    return cli_.Run(flags);
  }
  static mode_t ModeOf(const std::string& file) {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }

  TemporaryDirectory directory_;
  CliHarness cli_;
};

TEST_F(TokenVerbTest, ATokenIsPrintedOnceAndTheFileKnowsItByItsHash) {
  ASSERT_EQ(Create("ci", {"--role", "submitter", "--project", "a", "--project", "b"}), 0) << cli_.err();
  std::string secret = cli_.out();
  ASSERT_FALSE(secret.empty());
  secret.pop_back();
  EXPECT_TRUE(IsBearerToken(secret)) << secret;
  EXPECT_THAT(cli_.err(), AllOf(HasSubstr("token 'ci': submitter for projects 'a', 'b', until "),
                                HasSubstr("it is shown this once"), Not(HasSubstr(secret))));
  EXPECT_EQ(ModeOf(path()), 0600U);
  EXPECT_THAT(ReadFileOrEmpty(path()), Not(HasSubstr(secret)));
  const StatusOr<TokenFile> file = client::ReadTokens(path());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_NE(FindToken(*file, secret), nullptr);
  EXPECT_EQ(*FindToken(*file, secret)->expires_unix_s - FindToken(*file, secret)->created_unix_s, 90 * 86400);

  EXPECT_EQ(cli_.Run({"token", "list"}), 0);
  EXPECT_THAT(cli_.out(), AllOf(HasSubstr("ci"), HasSubstr("submitter"), HasSubstr("projects 'a', 'b'")));
  EXPECT_EQ(cli_.Run({"token", "list", "--json"}), 0);
  EXPECT_EQ((*ParseJson(cli_.out(), "list"))["tokens"][0]["projects"], Json({"a", "b"}));
  EXPECT_EQ(cli_.Run({"token", "revoke", "ci"}), 0) << cli_.err();
  EXPECT_EQ(client::ReadTokens(path())->tokens.size(), 0U);
  EXPECT_EQ(cli_.Run({"token", "revoke", "ci"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("there is no token 'ci'"));
}

TEST_F(TokenVerbTest, ATokenThatIsWrittenToAFileIsNotPrinted) {
  const std::string out = directory_.path() + "/pool.token";
  ASSERT_EQ(Create("pool", {"--role", "worker", "--all-projects", "--expires", "never", "--out", out}), 0)
      << cli_.err();
  EXPECT_EQ(cli_.out(), "");
  EXPECT_EQ(ModeOf(out), 0600U);
  EXPECT_TRUE(IsBearerToken(ReadFileOrEmpty(out).substr(0, 47)));
  EXPECT_THAT(cli_.err(), HasSubstr("worker for all projects, for ever; written to " + out));
}

TEST_F(TokenVerbTest, ATokenThatCannotBeHandedOverIsNotKept) {
  EXPECT_NE(Create("pool", {"--role", "worker", "--all-projects", "--out", directory_.path() + "/none/pool.token"}), 0);
  EXPECT_THAT(cli_.err(), HasSubstr("/none/pool.token"));
  EXPECT_EQ(client::ReadTokens(path())->tokens.size(), 0U);
  EXPECT_EQ(Create("pool", {"--role", "worker", "--all-projects"}), 0) << cli_.err();
}

TEST_F(TokenVerbTest, WhatIsMissingOrWrongIsToldAndMakesNothing) {
  const auto refusal = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "token");
    EXPECT_EQ(cli_.Run(arguments), 2) << cli_.out();
    return cli_.err();
  };
  EXPECT_THAT(refusal({"create"}), HasSubstr("which token? give its name"));
  EXPECT_THAT(refusal({"create", "ci"}), HasSubstr("give --role viewer"));
  EXPECT_THAT(refusal({"create", "ci", "--role", "root", "--all-projects"}), HasSubstr("role 'root' is unknown"));
  EXPECT_THAT(refusal({"create", "ci", "--role", "viewer"}), HasSubstr("give --project NAME, or --all-projects"));
  EXPECT_THAT(refusal({"create", "ci", "--role", "viewer", "--project", "*"}), HasSubstr("project '*'"));
  EXPECT_THAT(refusal({"create", "c i", "--role", "viewer", "--all-projects"}), HasSubstr("token name 'c i'"));
  EXPECT_THAT(refusal({"create", "ci", "--role", "viewer", "--all-projects", "--expires", "soon"}),
              HasSubstr("--expires soon"));
  EXPECT_EQ(ReadFileOrEmpty(path()), "");
  ASSERT_EQ(Create("ci", {"--role", "viewer", "--all-projects"}), 0);
  EXPECT_THAT(refusal({"create", "ci", "--role", "viewer", "--all-projects"}), HasSubstr("there is a token 'ci'"));
  cli_.environment.clear();
  EXPECT_THAT(refusal({"list"}), HasSubstr("give --tokens FILE, or set LWQ_TOKENS"));
}

TEST_F(TokenVerbTest, TokensThatAreMadeAtOnceAreAllKept) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      const auto made = client::CreateToken(path(), {.name = absl::StrCat("t", i), .projects = ProjectScope::All()}, 1);
      EXPECT_TRUE(made.ok()) << made.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(client::ReadTokens(path())->tokens.size(), 8U);
}

}  // namespace
}  // namespace lwq::test
