// SPDX-License-Identifier: Apache-2.0
// Scripts of lwq completion: what they offer, and that nothing of the help is missing from them.
#include <sys/stat.h>

#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/unit/client/cli_harness.h"

namespace lwq::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Completion, BashOffersVerbsFlagsAndChoices) {
  test::CliHarness cli;
  ASSERT_EQ(cli.Run({"completion", "bash"}), 0);
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/completion.bash", cli.out());
  // What it asks lwq for.
  test::WriteFile(folder.path() + "/lwq",
                  "#!/bin/sh\n[ \"$*\" = 'list --timeout 1' ] || exit 1\n"
                  "printf 'id        name\\n54ac0b1b  two words\\n0802e43f  other\\n'\n");
  ASSERT_EQ(chmod((folder.path() + "/lwq").c_str(), 0755), 0);
  const auto complete = [&](const std::string& words, int index) {
    const std::string script = "PATH=" + folder.path() + ":$PATH; source " + folder.path() +
                               "/completion.bash; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(index) +
                               "; _lwq; echo \"${COMPREPLY[*]}\"";
    const test::Finished finished = test::RunToEnd({"/bin/bash", "-c", script}, folder.path());
    EXPECT_EQ(finished.err, "");
    return finished.out;
  };
  EXPECT_EQ(complete("lwq su", 1), "submit\n");
  EXPECT_EQ(complete("lwq submit --wb", 2), "--wbits\n");
  EXPECT_EQ(complete("lwq submit --preset e", 3), "efficientqat\n");
  EXPECT_EQ(complete("lwq completion f", 2), "fish\n");
  // As bash splits --preset=e and --preset=.
  EXPECT_EQ(complete("lwq submit --preset = e", 4), "efficientqat\n");
  EXPECT_EQ(complete("lwq submit --preset =", 3), "default efficientqat strong\n");
  for (const char* verb : {"watch", "get", "cancel", "pause", "logs", "report"}) {
    EXPECT_EQ(complete(std::string("lwq ") + verb + " ''", 2), "54ac0b1b 0802e43f\n") << verb;
    EXPECT_EQ(complete(std::string("lwq ") + verb + " 54", 2), "54ac0b1b\n") << verb;
  }
}

// Each script against what --help says, so that no list is kept by hand.
TEST(Completion, EveryVerbAndFlagOfTheHelpIsInEveryScript) {
  test::CliHarness cli;
  ASSERT_EQ(cli.Run({"completion", "bash"}), 0);
  const std::string bash = cli.out();
  ASSERT_EQ(cli.Run({"completion", "zsh"}), 0);
  const std::string zsh = cli.out();
  ASSERT_EQ(cli.Run({"completion", "fish"}), 0);
  const std::string fish = cli.out();
  const std::regex verb_line("\n    ([a-z]+)\\) flags='");
  std::vector<std::string> verbs;
  for (std::sregex_iterator it(bash.begin(), bash.end(), verb_line), end; it != end; ++it) verbs.push_back((*it)[1]);
  ASSERT_GT(verbs.size(), 20u);
  const std::regex flag_name("--([a-z][a-z0-9_-]+)");
  for (const std::string& verb : verbs) {
    ASSERT_EQ(cli.Run({verb, "--help"}), 0);
    const std::string help = cli.out();
    const size_t options = help.find("--help");
    ASSERT_NE(options, std::string::npos) << verb;
    const size_t line = bash.find("\n    " + verb + ") flags='");
    const std::string flags = " " + bash.substr(line, bash.find('\n', line + 1) - line);
    EXPECT_THAT(zsh, HasSubstr("    '" + verb + ":")) << verb;
    EXPECT_THAT(fish, HasSubstr(" -f -a " + verb + " -d ")) << verb;
    // Lines of flags begin with them; others only mention some.
    std::istringstream lines(help.substr(help.rfind('\n', options)));
    for (std::string text; std::getline(lines, text);) {
      std::smatch found;
      if (text.find_first_not_of(' ') != text.find("--") || !std::regex_search(text, found, flag_name)) continue;
      EXPECT_TRUE(std::regex_search(flags, std::regex("[ ']" + found[0].str() + "[ ']"))) << verb << " " << found[0];
      EXPECT_THAT(zsh, HasSubstr("'" + found[0].str())) << verb;
      EXPECT_THAT(fish, HasSubstr("from " + verb + "' -l " + found[1].str() + " ")) << verb;
    }
  }
}

TEST(Completion, BashTakesTheScript) {
  test::CliHarness cli;
  ASSERT_EQ(cli.Run({"completion", "bash"}), 0);
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/completion.bash", cli.out());
  const test::Finished checked = test::RunToEnd({"/bin/bash", "-n", folder.path() + "/completion.bash"}, folder.path());
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
}

TEST(Completion, ZshAndFishKnowEveryVerb) {
  for (const char* shell : {"zsh", "fish"}) {
    test::CliHarness cli;
    ASSERT_EQ(cli.Run({"completion", shell}), 0);
    EXPECT_THAT(cli.out(), AllOf(HasSubstr("submit"), HasSubstr("weight_lr"), HasSubstr("fetch"))) << shell;
  }
}

}  // namespace
}  // namespace lwq::client
