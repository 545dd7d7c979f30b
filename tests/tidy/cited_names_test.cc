// SPDX-License-Identifier: Apache-2.0
// The rule about cited names, on the repository and on planted text: it finds what leads nowhere and nothing else.
#include "tests/tidy/cited_names.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::tidy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

NamedFiles PlantedFiles() {
  NamedFiles files;
  files.Add("common/status/status.h", "");
  files.Add("common/task/task_def.cc", "");
  files.Add("tests/golden/a.json", "");
  files.Add("docs/adr/0001-artifacts.md", "# 1. Artifacts");
  files.Add("docs/spec.md", "# What it promises\n## Stored bits\n```\n# no heading\n```\n## `gptq_v2`\n");
  return files;
}

std::vector<std::string> ProblemsIn(const std::string& path, const std::string& content) {
  const NamedFiles files = PlantedFiles();
  std::vector<std::string> problems;
  for (const Prose& prose : ProseOf(path, content)) {
    for (std::string& problem : ProblemsOf(prose, files)) problems.push_back(std::move(problem));
  }
  return problems;
}

TEST(CitedNamesTest, AFileThatIsNotThereIsFoundInEveryKindOfProse) {
  EXPECT_THAT(ProblemsIn("common/a.h", "int a;\n// See views.h.\n"),
              ElementsAre(AllOf(HasSubstr("common/a.h:2: names views.h"), HasSubstr("<views.h>"))));
  EXPECT_THAT(ProblemsIn("a.proto", "x = 1;  // (old.proto)"), ElementsAre(HasSubstr("a.proto:1: names old.proto")));
  EXPECT_THAT(ProblemsIn("common/CMakeLists.txt", "# see lost.cc\n"), ElementsAre(HasSubstr("names lost.cc")));
  EXPECT_THAT(ProblemsIn("run", "#!/bin/sh\ntrue # docs/lost\n"), ElementsAre(HasSubstr("run:2: names docs/lost")));
  EXPECT_THAT(ProblemsIn("a.py", "\"\"\"Reads\ntests/lost.\"\"\"\n"),
              ElementsAre(HasSubstr("a.py:2: names tests/lost")));
  EXPECT_THAT(ProblemsIn("a.md", "text\n\nand `common/status/lost.json`\n"),
              ElementsAre(HasSubstr("a.md:3: names common/status/lost.json")));
}

TEST(CitedNamesTest, NamesThatLeadToAFileOrFolderAreNoProblem) {
  EXPECT_THAT(ProblemsIn("common/a.h",
                         "// status.h, status/status.h's, common/status/status.h. (task_def.cc); common/task, "
                         "tests/golden/*.json, docs/adr/\n"),
              IsEmpty());
}

TEST(CitedNamesTest, OnAPageNamesAlsoLeadFromItsFolder) {
  EXPECT_THAT(ProblemsIn("tests/a.md", "`golden/a.json`, `golden/*.json`, `../docs/spec.md`, `other/a.json`"),
              IsEmpty());
  EXPECT_THAT(ProblemsIn("tests/a.md", "`golden/b.json`"), ElementsAre(HasSubstr("names golden/b.json")));
  EXPECT_THAT(ProblemsIn("tests/a.md", "`../docs/lost`"), ElementsAre(HasSubstr("names ../docs/lost")));
}

TEST(CitedNamesTest, PartOfAFilesNameIsNotItsName) {
  EXPECT_THAT(ProblemsIn("a.h", "// tatus.h"), ElementsAre(HasSubstr("names tatus.h")));
  EXPECT_THAT(ProblemsIn("a.h", "// other/status.h"), ElementsAre(HasSubstr("names other/status.h")));
  EXPECT_THAT(ProblemsIn("a.h", "// tests/*.json"), ElementsAre(HasSubstr("names tests/*.json")));
}

TEST(CitedNamesTest, WhatUsersAndOtherProjectsCallTheirFilesIsText) {
  EXPECT_THAT(ProblemsIn("common/a.h",
                         "// config.json, models/tiny/model.safetensors, <immintrin.h>, quantize/quantizer.py, "
                         "https://example.com/docs/none.md, and/or, build/release/bin\n"),
              IsEmpty());
}

TEST(CitedNamesTest, CodeAndTextsInQuotesAreNotComments) {
  EXPECT_THAT(
      ProblemsIn("a.cc", "#include \"lost.h\"\nOpen(\"file:///lost.h // lost.h\");\nauto* p = \"\\\" // lost.h\";\n"),
      IsEmpty());
  EXPECT_THAT(ProblemsIn("run", "#!/bin/sh\nsed 's/^# lost.h//' \"$#\"\n"), IsEmpty());
  EXPECT_THAT(ProblemsIn("data.json", "// lost.h"), IsEmpty());
}

TEST(CitedNamesTest, ALinkLeadsToAPageAndToAHeadingOfIt) {
  EXPECT_THAT(ProblemsIn("docs/a.md",
                         "[x](spec.md) [y](spec.md#stored-bits) [z](adr/0001-artifacts.md#1-artifacts) "
                         "[w](../common/status) [v](https://a.b/c) [u](spec.md#gptq_v2)"),
              IsEmpty());
  EXPECT_THAT(ProblemsIn("docs/a.md", "[x](lost)"),
              ElementsAre(HasSubstr("docs/a.md:1: links to lost, and docs/lost")));
  EXPECT_THAT(ProblemsIn("docs/a.md", "[x](https://example.com/lost.md)"), IsEmpty());
  EXPECT_THAT(ProblemsIn("docs/a.md", "[x](spec.md#lost)"), ElementsAre(HasSubstr("no such heading")));
  EXPECT_THAT(ProblemsIn("docs/a.md", "[x](spec.md#no-heading)"), ElementsAre(HasSubstr("no such heading")));
}

TEST(CitedNamesTest, AQuotedHeadingIsOneOfThePageAlsoAcrossLines) {
  EXPECT_THAT(ProblemsIn("a.h", "// Counted as in docs/spec.md,\n// \"Stored\n// bits\".\n"), IsEmpty());
  EXPECT_THAT(ProblemsIn("a.h", "// x\n// docs/spec.md, \"Lost bits\"\n"),
              ElementsAre(AllOf(HasSubstr("a.h:2: "), HasSubstr("\"Lost bits\""))));
}

TEST(CitedNamesTest, TextsOutsideTheRepositoryAreNotCited) {
  // Written in parts: this file obeys the rule, too.
  EXPECT_THAT(ProblemsIn("a.h", std::string("// as in SP") + "EC section 4"), ElementsAre(HasSubstr("docs/spec.md")));
  EXPECT_THAT(ProblemsIn("a.h", std::string("// (DES") + "IGN)"), ElementsAre(HasSubstr("docs/architecture.md")));
  EXPECT_THAT(ProblemsIn("a.md", std::string("Source: see") + "ds 001, 002"),
              ElementsAre(HasSubstr("docs/policies.md")));
  EXPECT_THAT(ProblemsIn("a.h", std::string("// (refer") + "ence/x.json)"), ElementsAre(HasSubstr("golden")));
  EXPECT_THAT(ProblemsIn("a.h", "// SPECIAL; the seed 7; preference/x; drawn from the seed"), IsEmpty());
}

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(CitedNamesTest, CommentsAndDocumentsNameOnlyWhatIsThere) {
  const fs::path root = LWQ_SOURCE_DIR;
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_regular_file()) paths.push_back(entry.path().filename().string());
  }
  for (const char* top : {".ci", "client", "cmake", "common", "coordinator", "docs", "examples", "findings", "proto",
                          "reporting", "scripts", "tests", "third_party", "worker"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (entry.is_regular_file()) paths.push_back(fs::relative(entry.path(), root).generic_string());
    }
  }
  NamedFiles files;
  std::vector<Prose> prose;
  for (const std::string& path : paths) {
    const std::string content = ReadAll(root / path);
    files.Add(path, content);
    for (Prose& block : ProseOf(path, content)) prose.push_back(std::move(block));
  }
  ASSERT_GT(prose.size(), 1000U) << "comments are not recognised any more";
  std::string all;
  for (const Prose& block : prose) {
    for (const std::string& problem : ProblemsOf(block, files)) all += problem + "\n";
  }
  EXPECT_EQ(all, "") << "tests/tidy/cited_names.h has the rule";
}

}  // namespace
}  // namespace lwq::tidy
