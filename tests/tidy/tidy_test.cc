// SPDX-License-Identifier: Apache-2.0
// The rules of the house as a test: which folder may include what, and what no file may say. Each message says what to
// do instead.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/recipe/choices.h"
#include "common/recipe/recipe_table.h"
#include "gtest/gtest.h"

namespace {

namespace fs = std::filesystem;

struct Line {
  std::string path;  // from the root
  int number = 0;
  std::string text;
};

std::string Where(const Line& line) {
  return line.path + ":" + std::to_string(line.number) + ": ";
}

// Characters, not bytes: a box drawing is not a long line.
size_t Columns(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

std::vector<std::string> SourceFiles() {
  std::vector<std::string> files;
  for (const char* top : {"common", "coordinator", "worker", "reporting", "client", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(LWQ_SOURCE_DIR) / top)) {
      const std::string extension = entry.path().extension();
      if (entry.is_regular_file() && (extension == ".h" || extension == ".cc")) {
        files.push_back(fs::relative(entry.path(), LWQ_SOURCE_DIR).string());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Line> LinesOf(const std::string& path) {
  std::ifstream in(fs::path(LWQ_SOURCE_DIR) / path);
  std::vector<Line> lines;
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) lines.push_back({path, number, text});
  return lines;
}

std::vector<Line> IncludesOf(const std::string& path) {
  static const std::regex kInclude("^\\s*#\\s*include\\s+[\"<]([^\">]+)[\">].*");
  std::vector<Line> includes;
  for (Line& line : LinesOf(path)) {
    std::smatch match;
    if (std::regex_match(line.text, match, kInclude)) {
      line.text = match[1];
      includes.push_back(line);
    }
  }
  return includes;
}

// What a folder may include of this repository: the longest matching prefix rules. Arrows point down only.
const std::map<std::string, std::vector<std::string>>& AllowedArrows() {
  static const std::map<std::string, std::vector<std::string>> kArrows = {
      {"common/", {"common/"}},
      {"coordinator/plan/", {"common/", "coordinator/plan/"}},
      {"coordinator/plan/policy/", {"common/", "coordinator/plan/policy/"}},
      {"coordinator/plan/allocate/", {"common/", "coordinator/plan/allocate/"}},
      {"coordinator/plan/recipe/", {"common/", "coordinator/plan/policy/", "coordinator/plan/recipe/"}},
      {"coordinator/plan/cost/",
       {"common/", "coordinator/plan/policy/", "coordinator/plan/recipe/", "coordinator/plan/cost/"}},
      {"coordinator/graph/", {"common/", "coordinator/plan/", "coordinator/graph/"}},
      {"coordinator/scheduler/state/",
       {"common/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/state/"}},
      {"coordinator/scheduler/choose/",
       {"common/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/state/",
        "coordinator/scheduler/choose/"}},
      {"coordinator/scheduler/step/",
       {"common/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/state/",
        "coordinator/scheduler/choose/", "coordinator/scheduler/step/"}},
      {"coordinator/scheduler/foresee/",
       {"common/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/"}},
      {"coordinator/store/",
       {"common/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/", "coordinator/store/"}},
      {"coordinator/election/", {"common/", "coordinator/store/", "coordinator/election/"}},
      {"coordinator/loop/",
       {"common/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/", "coordinator/store/",
        "coordinator/loop/"}},
      {"coordinator/access/", {"common/", "coordinator/access/"}},
      {"coordinator/metrics/",
       {"common/", "coordinator/access/", "coordinator/plan/", "coordinator/graph/", "coordinator/scheduler/",
        "coordinator/metrics/"}},
      {"coordinator/web/", {"common/", "coordinator/access/", "coordinator/web/", "lwqat/v1/"}},
      {"coordinator/service/", {"common/", "coordinator/", "keda/", "lwqat/v1/"}},
      {"worker/session/", {"common/", "worker/session/"}},
      {"worker/io/", {"common/", "worker/io/"}},
      {"worker/windows/", {"common/", "worker/windows/"}},
      {"worker/qat/", {"common/", "worker/qat/"}},
      {"worker/tasks/", {"common/", "worker/qat/api/", "worker/windows/", "worker/io/", "worker/tasks/"}},
      {"worker/daemon/", {"common/", "worker/", "lwqat/v1/"}},
      {"reporting/", {"common/", "reporting/", "lwqat/v1/"}},
      {"reporting/sweep/", {"common/", "reporting/", "lwqat/v1/"}},
      {"reporting/files/", {"common/", "reporting/", "lwqat/v1/"}},
      {"reporting/trackers/", {"common/", "reporting/", "lwqat/v1/"}},
      {"client/base/", {"common/", "client/base/", "lwqat/v1/"}},
      {"client/source/", {"common/", "client/base/", "client/source/"}},
      {"client/run_file/",
       {"common/", "reporting/", "client/base/", "client/source/", "client/run_file/", "lwqat/v1/"}},
      {"client/rpc/", {"common/", "reporting/", "client/base/", "client/rpc/", "lwqat/v1/"}},
      {"client/render/", {"common/", "reporting/", "client/base/", "client/render/", "lwqat/v1/"}},
      {"client/transfer/",
       {"common/", "reporting/", "client/base/", "client/source/", "client/run_file/", "client/transfer/",
        "lwqat/v1/"}},
      {"client/watch/",
       {"common/", "reporting/", "client/base/", "client/render/", "client/rpc/", "client/watch/", "lwqat/v1/"}},
      {"client/local/", {"common/", "reporting/", "client/base/", "client/rpc/", "client/local/", "lwqat/v1/"}},
      {"client/pipeline/",
       {"common/", "reporting/", "client/base/", "client/source/", "client/run_file/", "client/rpc/",
        "client/transfer/", "client/watch/", "client/pipeline/", "lwqat/v1/"}},
      {"client/tune/",
       {"common/", "reporting/", "client/base/", "client/run_file/", "client/rpc/", "client/render/", "client/watch/",
        "client/tune/", "lwqat/v1/"}},
      {"client/token/", {"common/", "client/token/"}},
      {"client/verbs/", {"common/", "reporting/", "client/", "lwqat/v1/"}},
      {"client/main.cc", {"client/verbs/", "client/base/"}},
  };
  return kArrows;
}

bool IsOurs(const std::string& include) {
  for (const char* top : {"common/", "coordinator/", "worker/", "reporting/", "client/", "tests/", "lwqat/v1/"}) {
    if (StartsWith(include, top)) return true;
  }
  return false;
}

TEST(TidyTest, EveryFolderIncludesOnlyWhatItsArrowsAllow) {
  for (const std::string& path : SourceFiles()) {
    const std::vector<std::string>* allowed = nullptr;
    for (const auto& [folder, targets] : AllowedArrows()) {
      if (StartsWith(path, folder)) allowed = &targets;
    }
    if (StartsWith(path, "tests/")) continue;
    ASSERT_NE(allowed, nullptr) << path << ": this folder has no rule; add it to AllowedArrows";
    for (const Line& include : IncludesOf(path)) {
      if (!IsOurs(include.text)) continue;
      bool fits = false;
      for (const std::string& target : *allowed) fits = fits || StartsWith(include.text, target);
      EXPECT_TRUE(fits)
          << Where(include) << "includes " << include.text
          << ", against the arrows of docs/architecture.md: move the shared part to common/, or pass it in as a value";
    }
  }
}

TEST(TidyTest, FoldersWithANamespaceOfTheirOwnDeclareNothingElsewhere) {
  static const std::regex kOpens("^namespace (lwq[a-z_:]*) \\{$");
  const std::map<std::string, std::string> rooms = {{"reporting/", "lwq::reporting"}, {"client/", "lwq::client"}};
  for (const auto& [folder, room] : rooms) {
    int files = 0;
    for (const std::string& path : SourceFiles()) {
      if (!StartsWith(path, folder) || path == "client/main.cc") continue;
      ++files;
      bool opened = false;
      for (const Line& line : LinesOf(path)) {
        std::smatch match;
        if (!std::regex_match(line.text, match, kOpens)) continue;
        opened = true;
        EXPECT_EQ(match[1], room) << Where(line) << "what is in " << folder << " is in namespace " << room;
      }
      EXPECT_TRUE(opened) << path << ": put what it declares into namespace " << room;
    }
    EXPECT_GT(files, 5) << folder;
  }
}

TEST(TidyTest, EveryFolderWithARuleStandsInTheArchitecturePage) {
  std::string page;
  for (const Line& line : LinesOf("docs/architecture.md")) page += line.text + "\n";
  for (const auto& [folder, targets] : AllowedArrows()) {
    const std::string name = folder.ends_with('/') ? folder.substr(0, folder.size() - 1) : folder;
    EXPECT_NE(page.find("| `" + name), std::string::npos)
        << name << " has arrows and no row in docs/architecture.md: add it to the table of folders";
  }
}

TEST(TidyTest, EveryPageStandsInTheIndex) {
  std::string index;
  for (const Line& line : LinesOf("docs/README.md")) index += line.text + "\n";
  const fs::path docs = fs::path(LWQ_SOURCE_DIR) / "docs";
  int pages = 0;
  for (const auto& entry : fs::recursive_directory_iterator(docs)) {
    const std::string page = fs::relative(entry.path(), docs).generic_string();
    if (entry.path().extension() != ".md" || page == "README.md") continue;
    ++pages;
    EXPECT_NE(index.find("](" + page + ")"), std::string::npos)
        << "docs/" << page << " has no row in docs/README.md: add it";
  }
  EXPECT_GT(pages, 10);
}

TEST(TidyTest, LibTorchIsIncludedOnlyInWorkerQatAndOutsideItsFace) {
  static const std::regex kTorch("^(torch|ATen|c10|caffe2)/.*");
  for (const std::string& path : SourceFiles()) {
    const bool may = (StartsWith(path, "worker/qat/") && !StartsWith(path, "worker/qat/api/")) ||
                     StartsWith(path, "tests/numerics/qat/") || StartsWith(path, "tests/unit/qat/") ||
                     StartsWith(path, "tests/bench/qat/") || StartsWith(path, "tests/fixtures/");
    if (may) continue;
    for (const Line& include : IncludesOf(path)) {
      EXPECT_FALSE(std::regex_match(include.text, kTorch))
          << Where(include) << "includes LibTorch; use worker/qat/api instead";
    }
  }
}

TEST(TidyTest, PureCoresKnowNoClockNoThreadNoFileAndNoWire) {
  static const std::regex kForbidden(
      "(std::thread|std::mutex|system_clock|steady_clock|absl::Now|std::ofstream|std::ifstream|grpc::|lwqat::v1|random_"
      "device|spdlog::)");
  for (const std::string& path : SourceFiles()) {
    const bool pure = StartsWith(path, "coordinator/plan/") || StartsWith(path, "coordinator/graph/") ||
                      StartsWith(path, "coordinator/scheduler/") || StartsWith(path, "worker/session/");
    if (!pure) continue;
    for (const Line& line : LinesOf(path)) {
      EXPECT_FALSE(std::regex_search(line.text, kForbidden))
          << Where(line) << line.text << "\n  a pure core is handed times and values; effects belong to runtime/";
    }
  }
}

TEST(TidyTest, NothingBannedIsUsed) {
  struct Ban {
    std::regex pattern;
    const char* instead;
    std::vector<std::string> except;
  };
  const std::string self = "tests/tidy/";
  const std::vector<Ban> bans = {
      {std::regex("\\bstd::rand\\b|\\bsrand\\("), "use a seeded generator that is passed in", {self}},
      {std::regex("using namespace (?!std::(chrono_)?literals)"), "name what you use", {self}},
      {std::regex("\\b(TODO|FIXME|XXX|HACK)\\b(?!\\(#[0-9]+\\))"), "open an issue and write TODO(#number)", {self}},
      {std::regex("\\bsleep_for\\b|\\busleep\\("),
       "wait for the event itself (condition variable, a call that blocks)",
       {self, "tests/testing/", "tests/integration/", "client/"}},
      {std::regex("\\bstd::cout\\b|\\bstd::cerr\\b"),
       "daemons log with spdlog; the client prints through its own output layer",
       {self, "tests/", "client/"}},
      {std::regex("\\bInsecure(Channel|Server)Credentials\\b"), "use common/rpc/channel.h", {self, "common/rpc/"}},
      {std::regex("\\bDISABLED_"), "fix the test or delete it", {self}},
  };
  for (const std::string& path : SourceFiles()) {
    for (const Line& line : LinesOf(path)) {
      for (const Ban& ban : bans) {
        bool excepted = false;
        for (const std::string& prefix : ban.except) excepted = excepted || StartsWith(path, prefix);
        if (excepted) continue;
        EXPECT_FALSE(std::regex_search(line.text, ban.pattern))
            << Where(line) << line.text << "\n  instead: " << ban.instead;
      }
    }
  }
}

template <typename... Choices>
std::set<std::string> WordsOf() {
  std::set<std::string> words;
  (words.insert(lwq::kWords<Choices>.begin(), lwq::kWords<Choices>.end()), ...);
  return words;
}

// Whether the line compares something with a text that is a word of a recipe.
bool ComparesWithARecipeWord(const std::string& line) {
  static const std::set<std::string> kRecipeWords =
      WordsOf<lwq::Preset, lwq::Method, lwq::LrSchedule, lwq::SensitivityMetric, lwq::HessianScope, lwq::Handoff,
              lwq::LayerOrdering, lwq::LrNormalization, lwq::MpqStrategy, lwq::MpqGroupSize, lwq::Ablation,
              lwq::PolicySemantics, lwq::Precision, lwq::ExportFormat>();
  static const std::regex kComparison("[=!]=\\s*\"(\\w+)\"|\"(\\w+)\"\\s*[=!]=");
  for (std::sregex_iterator found(line.begin(), line.end(), kComparison); found != std::sregex_iterator(); ++found) {
    if (kRecipeWords.contains((*found)[1].str() + (*found)[2].str())) return true;
  }
  return false;
}

TEST(TidyTest, RecipeWordsAreComparedAsChoicesNotAsTexts) {
  EXPECT_TRUE(ComparesWithARecipeWord("  if (recipe.method == \"rtn\") AddRtn();"));
  EXPECT_TRUE(ComparesWithARecipeWord("  return a && \"gptq_v2\" != format;"));
  EXPECT_FALSE(ComparesWithARecipeWord("  recipe.method = \"rtn\";"));
  EXPECT_FALSE(ComparesWithARecipeWord("  if (task.kind() == \"train_block\") return;"));
  for (const std::string& path : SourceFiles()) {
    // config.json's words, and a run file's key "model", are other vocabularies.
    const bool excepted =
        StartsWith(path, "tests/") || StartsWith(path, "common/model/") || path == "client/run_file/run_fields.cc";
    if (excepted) continue;
    for (const Line& line : LinesOf(path)) {
      EXPECT_FALSE(ComparesWithARecipeWord(line.text))
          << Where(line) << line.text << "\n  compare with the enumerator (common/recipe/choices.h)";
    }
  }
}

// The names in the line that are read of a recipe, of policies or of a training's options: recipe.NAME, options_.NAME,
// …
std::set<std::string> MembersRead(const std::string& line) {
  static const std::regex kRead("\\b(?:recipe_?|partial|settled|policies_?|options_?)\\.(\\w+)\\b(?! = )");
  std::set<std::string> names;
  for (std::sregex_iterator found(line.begin(), line.end(), kRead); found != std::sregex_iterator(); ++found) {
    names.insert((*found)[1].str());
  }
  return names;
}

TEST(TidyTest, EveryRecipeFieldIsReadBySomebodyOutsideItsTable) {
  EXPECT_TRUE(MembersRead("  while (probe < recipe_.hessian_probes) ++probe;").contains("hessian_probes"));
  EXPECT_FALSE(MembersRead("  recipe.hessian_probes = 16;").contains("hessian_probes"));
  std::set<std::string> read;
  for (const std::string& path : SourceFiles()) {
    if (!StartsWith(path, "coordinator/") && !StartsWith(path, "worker/qat/")) continue;
    // The check of a field's own value is no reason to have it.
    if (path == "coordinator/plan/recipe/recipe_check.cc") continue;
    for (const Line& line : LinesOf(path)) read.merge(MembersRead(line.text));
  }
  for (const lwq::RecipeFieldText& field : lwq::RecipeFieldTexts()) {
    EXPECT_TRUE(read.contains(field.name))
        << field.name << ": users can set it and nothing goes by it; read it, or remove its row of recipe_fields.inc";
  }
}

TEST(TidyTest, TheLicenceIsNamedAtTheTopOfEverySourceFile) {
  for (const std::string& path : SourceFiles()) {
    const std::vector<Line> lines = LinesOf(path);
    ASSERT_FALSE(lines.empty()) << path;
    EXPECT_EQ(lines.front().text, "// SPDX-License-Identifier: Apache-2.0") << path << ": make it the first line";
  }
}

TEST(TidyTest, EverySourceFileIsBuiltByItsFolder) {
  for (const std::string& path : SourceFiles()) {
    if (fs::path(path).extension() != ".cc") continue;
    // The folder's list, or that of the nearest folder above that has one.
    bool listed = false;
    for (fs::path folder = fs::path(path).parent_path(); !folder.empty() && !listed; folder = folder.parent_path()) {
      std::ifstream in(fs::path(LWQ_SOURCE_DIR) / folder / "CMakeLists.txt");
      std::stringstream text;
      text << in.rdbuf();
      listed = text.str().find(fs::path(path).filename().string()) != std::string::npos;
    }
    EXPECT_TRUE(listed) << path << " is in no CMakeLists.txt: build it or delete it";
  }
}

TEST(TidyTest, HeadersAreGuardedOnceAndLinesFitAScreen) {
  constexpr size_t kMaxColumns = 140;
  constexpr size_t kMaxLines = 800;
  for (const std::string& path : SourceFiles()) {
    const std::vector<Line> lines = LinesOf(path);
    EXPECT_LE(lines.size(), kMaxLines) << path << ": split it: one concept per file";
    bool guarded = fs::path(path).extension() != ".h";
    for (const Line& line : lines) {
      if (line.text == "#pragma once") guarded = true;
      EXPECT_LE(Columns(line.text), kMaxColumns) << Where(line) << "longer than " << kMaxColumns << " characters";
    }
    EXPECT_TRUE(guarded) << path << ": add #pragma once";
  }
}

}  // namespace
