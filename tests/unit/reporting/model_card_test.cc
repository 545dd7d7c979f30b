// SPDX-License-Identifier: Apache-2.0
#include "reporting/model_card.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/card_front_matter.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::reporting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

lwqat::v1::Run ExportedRun() {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  run.mutable_export_()->set_digest(std::string(64, 'a'));
  run.mutable_plan()->mutable_recipe()->set_export_format("gptq_v2");
  return run;
}

std::string CardOf(const lwqat::v1::Run& run, std::optional<std::string> base_card = std::nullopt) {
  return ModelCard(run, {.base_card = std::move(base_card), .version = "1.2.3"});
}

// The lines between the fences at the top.
std::string FrontOf(const std::string& card) {
  const size_t end = card.find("\n---\n", 4);
  return card.starts_with("---\n") && end != std::string::npos ? card.substr(4, end - 3) : "";
}

TEST(ModelCardTest, AModelOfTheHubIsTheBaseModel) {
  lwqat::v1::Run run = ExportedRun();
  run.mutable_spec()->mutable_model()->set_uri("hf://org/name@v2");
  const std::string card = CardOf(run);
  EXPECT_THAT(FrontOf(card), HasSubstr("base_model: org/name\nbase_model_relation: quantized\n"));
  EXPECT_THAT(card, HasSubstr("[org/name](https://huggingface.co/org/name) (revision v2), quantized by lwq 1.2.3"));
}

TEST(ModelCardTest, AFolderOfTheUsersIsNamedAndIsNoBaseModel) {
  const std::string card = CardOf(ExportedRun());
  EXPECT_THAT(card, Not(HasSubstr("base_model")));
  EXPECT_THAT(card, HasSubstr("org/Tiny-2 b, quantized by lwq"));
}

TEST(ModelCardTest, LicenceAndLanguageAreThoseOfTheBaseCardAndNothingElseIs) {
  const std::string card = CardOf(ExportedRun(),
                                  "---\nlicense: other\nlicense_name: \"own terms: v1\"\nlanguage:\n- en\n- no\n"
                                  "datasets:\n- secret\nmodel-index:\n- name: x\n  results: []\n---\n# Base\n");
  EXPECT_THAT(FrontOf(card),
              StartsWith("license: other\nlicense_name: \"own terms: v1\"\nlanguage:\n- en\n- \"no\"\n"));
  EXPECT_THAT(card, Not(HasSubstr("secret")));
  EXPECT_THAT(card, HasSubstr("[BASE_MODEL_README.md](BASE_MODEL_README.md)"));
}

TEST(ModelCardTest, WithoutABaseCardNoLicenceIsClaimed) {
  const std::string card = CardOf(ExportedRun());
  EXPECT_THAT(FrontOf(card), Not(HasSubstr("license")));
  EXPECT_THAT(card, Not(HasSubstr("BASE_MODEL_README.md")));
}

TEST(ModelCardTest, BlocksThatArePlannedAlikeShareARow) {
  const std::string card = CardOf(ExportedRun());
  EXPECT_THAT(card, HasSubstr("| 0 | 4 | 128 | 4.156 |\n| 1–2 | 2 | 128 | 2.141 |\n"));
}

TEST(ModelCardTest, TheRecipeHasWhatWasAskedForAndIsNotTheDefault) {
  lwqat::v1::Run run = ExportedRun();
  lwqat::v1::Recipe& recipe = *run.mutable_spec()->mutable_recipe();
  recipe.set_wbits(2);
  recipe.set_epochs(2);       // the default
  recipe.set_quant_lr(1e-4);  // the default in another spelling
  recipe.set_weight_lr(3e-5);
  const std::string card = CardOf(run);
  EXPECT_THAT(card, HasSubstr("| `wbits` | 2 |\n| `weight_lr` | 3e-05 |\n"));
  EXPECT_THAT(card, Not(HasSubstr("`epochs`")));
  EXPECT_THAT(card, Not(HasSubstr("`quant_lr`")));
}

TEST(ModelCardTest, WhatWasMeasuredIsInATableBesideFullPrecision) {
  lwqat::v1::Run run = ExportedRun();
  run.clear_measured();
  EXPECT_THAT(CardOf(run), HasSubstr("Nothing was measured"));
  test::AddMeasured("fp", "perplexity", 1.5, 1000, &run);
  test::AddMeasured("block_ap", "acc", 0.25, 40, &run)->set_standard_error(0.0625);
  const std::string card = CardOf(run);
  EXPECT_THAT(card, HasSubstr("| full precision | held-out | perplexity | 1.5 | 1000 tokens |\n"));
  EXPECT_THAT(card, HasSubstr("| block_ap | held-out | acc | 0.25 ± 0.0625 | 40 items |\n"));
}

TEST(ModelCardTest, WhatTheExportRoundedIsSaid) {
  lwqat::v1::Run run = ExportedRun();
  EXPECT_THAT(CardOf(run), Not(HasSubstr("hold the trained weights exactly")));
  lwqat::v1::Task& task = *run.add_tasks() = test::MakeTask("export", -1, lwqat::v1::TASK_STATE_SUCCEEDED);
  task.set_metrics_json(R"({"scales_rounded": 0})");
  EXPECT_THAT(CardOf(run), HasSubstr("The files hold the trained weights exactly."));
  run.mutable_tasks()->rbegin()->set_metrics_json(R"({"weights_rounded": 12, "max_weight_rounding": 0.001})");
  EXPECT_THAT(CardOf(run), HasSubstr("12 weights were rounded, by at most 0.001."));
}

TEST(ModelCardTest, EveryFormatSaysHowItIsLoadedAndWhatLoadsItWrong) {
  lwqat::v1::Run run = ExportedRun();
  EXPECT_THAT(CardOf(run), HasSubstr("GPTQModel.load(\"DIR\", dtype=torch.float16)"));
  EXPECT_THAT(CardOf(run), HasSubstr("pip install optimum gptqmodel"));
  EXPECT_THAT(FrontOf(CardOf(run)), HasSubstr("- gptq\n- \"2-bit\"\n- \"4-bit\"\n"));
  run.mutable_plan()->mutable_recipe()->set_export_format("compressed_tensors");
  EXPECT_THAT(CardOf(run),
              HasSubstr("transformers 5.23.0**: not for this export. transformers 5.23.0 refuses 2 bits in "
                        "compressed_tensors: RuntimeError about CONVERSION"));
  run.mutable_plan()->mutable_recipe()->set_sym(true);
  EXPECT_THAT(CardOf(run), HasSubstr("transformers 5.23.0 loads 2 bits in compressed_tensors WRONG, without a word"));
  run.mutable_plan()->mutable_recipe()->set_sym(false);
  for (auto& block : *run.mutable_plan()->mutable_blocks()) block.set_bit_width(4);
  EXPECT_THAT(CardOf(run), HasSubstr("CompressedTensorsConfig(dequantize=True)"));
  EXPECT_THAT(CardOf(run), HasSubstr("LLM(model=\"DIR\")"));
  run.mutable_plan()->mutable_recipe()->set_export_format("gguf");
  EXPECT_THAT(CardOf(run), HasSubstr("DIR/model.gguf"));
}

TEST(ModelCardTest, ANameCannotBreakTheCard) {
  lwqat::v1::Run run = ExportedRun();
  run.mutable_spec()->set_name("a|b\n---\n<script>");
  EXPECT_THAT(CardOf(run), HasSubstr("# a\\|b --- &lt;script>\n"));
}

TEST(ModelCardTest, OfAConvertedExportTheCardSaysHowTheNewFormatIsLoaded) {
  const std::string card = CardOf(ExportedRun());
  ASSERT_TRUE(IsModelCard(card));
  const ServedModel served{.widths = {2, 4}, .group_sizes = {128}};
  const std::string converted = ConvertedModelCard(card, ExportFormat::kCompressedTensors, served);
  EXPECT_THAT(converted, HasSubstr("The format is `compressed_tensors`."));
  EXPECT_THAT(converted, Not(HasSubstr("GPTQModel.load")));
  EXPECT_THAT(FrontOf(converted), HasSubstr("- compressed-tensors\n"));
  EXPECT_EQ(ConvertedModelCard(converted, ExportFormat::kGptqV2, served), card) << "and back";
  EXPECT_EQ(ConvertedModelCard("# another's", ExportFormat::kGguf, served), "# another's");
}

TEST(FrontMatterTest, ValuesAreReadInTheFormsThatCardsHave) {
  const FrontMatter read = ParseFrontMatter(
      "---\r\nlicense: apache-2.0\r\nlanguage: [en, \"fr\"]\ntags:\n  - a b\n  - 'c'\nextra: >-\n  folded\nempty:\n"
      "comment: x # not this\n---\nbody: no\n");
  EXPECT_THAT(read.at("license"), ElementsAre("apache-2.0"));
  EXPECT_THAT(read.at("language"), ElementsAre("en", "fr"));
  EXPECT_THAT(read.at("tags"), ElementsAre("a b", "c"));
  EXPECT_THAT(read.at("extra"), IsEmpty());
  EXPECT_THAT(read.at("comment"), ElementsAre("x"));
  EXPECT_FALSE(read.contains("body"));
}

TEST(FrontMatterTest, ATextWithoutAnEndOfFrontMatterHasNone) {
  EXPECT_THAT(ParseFrontMatter("# A card\nlicense: mit\n"), IsEmpty());
  EXPECT_THAT(ParseFrontMatter("---\nlicense: mit\n"), IsEmpty());
  EXPECT_THAT(ParseFrontMatter(""), IsEmpty());
}

TEST(FrontMatterTest, WhatYamlWouldTakeForSomethingElseIsQuoted) {
  EXPECT_EQ(YamlText("apache-2.0"), "apache-2.0");
  EXPECT_EQ(YamlText("no"), "\"no\"");
  EXPECT_EQ(YamlText("2-bit"), "\"2-bit\"");
  EXPECT_EQ(YamlText("a: b\n# c"), "\"a: b\\n# c\"");
  EXPECT_EQ(YamlText(""), "\"\"");
}

}  // namespace
}  // namespace lwq::reporting
