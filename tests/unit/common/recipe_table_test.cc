// SPDX-License-Identifier: Apache-2.0
#include "common/recipe/recipe_table.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/recipe/recipe.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

std::string TypeName(RecipeFieldType type) {
  switch (type) {
    case RecipeFieldType::kWord:
      return "word";
    case RecipeFieldType::kBool:
      return "true or false";
    case RecipeFieldType::kInteger:
      return "integer";
    case RecipeFieldType::kNumber:
      return "number";
    case RecipeFieldType::kText:
      return "text";
    case RecipeFieldType::kIntegers:
      return "integers";
    case RecipeFieldType::kWords:
      return "words";
  }
  return "";
}

std::string ReadersOf(const RecipeFieldText& field) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::size(recipe::kReaderNames); ++i) {
    if (field.readers.Has(static_cast<recipe::Reader>(i))) names.emplace_back(recipe::kReaderNames[i]);
  }
  return absl::StrJoin(names, ", ");
}

// docs/recipe.md as the table has it.
std::string RecipePage() {
  std::string page =
      "# Recipe\n\n"
      "Every key of a run file that decides how a run quantizes; as a flag it has `--` before it. This page is made\n"
      "from the table that the program itself uses (`common/recipe/recipe_fields.inc`):\n"
      "`LWQ_WRITE=1 build/release/tests/unit/common/common_recipe_test` writes it, and the same test fails where it "
      "is\n"
      "not up to date. The other keys of a run file, and examples: [cli.md](cli.md).\n\n"
      "| key | type | default | allowed | what it is | read for |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const RecipeFieldText& field : RecipeFieldTexts()) {
    const std::string row = absl::StrCat("| `", field.name, "` | ", TypeName(field.type), " | ", field.default_text,
                                         " | ", field.allowed, " | ", field.meaning, " | ", ReadersOf(field), " |\n");
    page += row;
  }
  return page;
}

TEST(RecipeTableTest, EveryFieldSaysWhatItIsAndWhoReadsIt) {
  std::set<std::string> names;
  for (const RecipeFieldText& field : RecipeFieldTexts()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name << " is there twice";
    EXPECT_FALSE(field.meaning.empty() || field.default_text.empty()) << field.name;
    EXPECT_NE(field.readers.bits, 0) << field.name;
    EXPECT_FALSE(field.meaning.ends_with('.')) << field.name;
    EXPECT_EQ(FindRecipeField(field.name), &field);
  }
  EXPECT_EQ(FindRecipeField("nonsense"), nullptr);
}

TEST(RecipeTableTest, HelpNamesTheDefaultAndTheManualItsRule) {
  EXPECT_EQ(FindRecipeField("quant_lr")->help, "Learning rate of scales and zero points (default 1e-4)");
  EXPECT_EQ(FindRecipeField("wbits")->allowed, "2, 3, 4, 5, 6 or 8");
  EXPECT_EQ(FindRecipeField("relay_epochs")->help, "Epochs of the sequential pass of relay (default 0.5)");
  EXPECT_EQ(FindRecipeField("group_size")->help, "Input columns that share a scale; -1 is a whole row (default 128)");
  EXPECT_NE(FindRecipeField("group_size")->default_text, "128");
  EXPECT_EQ(FindRecipeField("min_lr_factor")->allowed, "1 to 1e9");
  EXPECT_EQ(FindRecipeField("handoff")->choices, (std::vector<std::string>{"sequential", "independent", "relay"}));
}

TEST(RecipeTableTest, TheManualIsUpToDate) {
  const std::string path = std::string(LWQ_SOURCE_DIR) + "/docs/recipe.md";
  if (std::getenv("LWQ_WRITE") != nullptr) std::ofstream(path) << RecipePage();
  std::ifstream in(path);
  const std::string stored((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(stored, RecipePage()) << "run this test with LWQ_WRITE=1 and commit docs/recipe.md";
}

}  // namespace
}  // namespace lwq
