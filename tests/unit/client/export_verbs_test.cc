// SPDX-License-Identifier: Apache-2.0
// lwq inspect and lwq convert on exports in folders.
#include <filesystem>

#include "client/transfer/model_files.h"
#include "gmock/gmock.h"
#include "reporting/model_card.h"
#include "tests/fixtures/whole_file.h"
#include "tests/unit/client/cli_harness.h"
#include "tests/unit/export/made_export.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;

class ExportVerbsTest : public qat::MadeExportTest {
 protected:
  // 2 blocks at 4 bits in groups of 32: At("a").
  void MakeGptq() {
    MakeModel({.num_hidden_layers = 2});
    MakeBlocks({4, 32});
    ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  }
  int Convert(const std::string& from, const std::string& format, const std::string& to) {
    return cli_.Run({"convert", At(from), "--format", format, "--output", At(to)});
  }

  test::CliHarness cli_;
};

TEST_F(ExportVerbsTest, InspectExplainsASoundExportAndEndsWell) {
  MakeGptq();
  ASSERT_EQ(cli_.Run({"inspect", At("a")}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("format        gptq_v2\n"));
  EXPECT_THAT(cli_.out(), HasSubstr("0-1  4 bits, groups of 32\n"));
  EXPECT_THAT(cli_.out(), HasSubstr("sound: nothing is wrong with it\n"));
  ASSERT_EQ(cli_.Run({"inspect", At("a"), "--json"}), 0) << cli_.err();
  const Json json = Json::parse(cli_.out());
  EXPECT_EQ(json["sound"], true);
  EXPECT_EQ(json["blocks"][0]["linears"]["mlp.up_proj"], Json::parse(R"({"bits": 4, "group_size": 32})"));
}

TEST_F(ExportVerbsTest, InspectPrintsALineForEachFaultAndFails) {
  MakeGptq();
  fs::resize_file(At("a/model.safetensors"), fs::file_size(At("a/model.safetensors")) - 1);
  EXPECT_EQ(cli_.Run({"inspect", At("a")}), 1);
  EXPECT_THAT(cli_.out(), HasSubstr("\nfault: "));
  EXPECT_THAT(cli_.out(), Not(HasSubstr("sound:")));
  EXPECT_EQ(cli_.Run({"inspect", At("a"), "--json"}), 1);
  EXPECT_EQ(Json::parse(cli_.out())["sound"], false);
}

TEST_F(ExportVerbsTest, InspectOfWhatIsNoModelIsAWrongArgument) {
  EXPECT_EQ(cli_.Run({"inspect", At("absent")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("no such file or folder"));
}

TEST_F(ExportVerbsTest, ConvertTakesEverythingAlongAndSaysWhatWasRounded) {
  MakeGptq();
  ASSERT_TRUE(WriteWholeFile(At("a/NOTICE"), "as it is").ok());
  ASSERT_TRUE(WriteWholeFile(At("a/layer_statistics.json"), "{}").ok());
  fs::create_directory(At("a/additional_chat_templates"));
  ASSERT_TRUE(WriteWholeFile(At("a/additional_chat_templates/tools.jinja"), "{{ x }}").ok());
  const std::string card = reporting::ModelCard(test::FinishedPolicyRun(), {.base_card = {}, .version = "1"});
  ASSERT_TRUE(WriteWholeFile(At("a/README.md"), card).ok());
  ASSERT_EQ(Convert("a", "compressed_tensors", "b"), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("compressed_tensors from gptq_v2"));
  EXPECT_THAT(cli_.out(), HasSubstr("rounded: nothing"));
  const auto files = FilesOf("b");
  for (const char* name : {"NOTICE", "LICENSE", "layer_statistics.json", "additional_chat_templates/tools.jinja",
                           "tokenizer.model", "tokenizer_config.json", "config.json", "model.safetensors"}) {
    EXPECT_TRUE(files.contains(name)) << name;
  }
  EXPECT_FALSE(files.contains("quantize_config.json"));
  EXPECT_THAT(files.at("README.md"), HasSubstr("The format is `compressed_tensors`."));
  ASSERT_EQ(cli_.Run({"inspect", At("b")}), 0) << cli_.out();
  ASSERT_EQ(Convert("b", "gptq_v2", "back"), 0) << cli_.err();
  EXPECT_TRUE(FilesOf("back").at("model.safetensors") == FilesOf("a").at("model.safetensors"));
  EXPECT_EQ(FilesOf("back").at("config.json"), FilesOf("a").at("config.json"));
}

TEST_F(ExportVerbsTest, TheCardOfAConvertedSymmetricExportSaysWhoLoadsASymmetricOne) {
  MakeModel({.num_hidden_layers = 2});
  MakeBlocks({4, 32});
  MakeSymmetric();
  ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, "a", int64_t{4} << 30, ZeroPoints::kSymmetric).ok());
  const std::string card = reporting::ModelCard(test::FinishedPolicyRun(), {.base_card = {}, .version = "1"});
  ASSERT_TRUE(WriteWholeFile(At("a/README.md"), card).ok());
  ASSERT_EQ(Convert("a", "gptq_v2", "b"), 0) << cli_.err();
  EXPECT_THAT(FilesOf("b").at("README.md"), HasSubstr("vLLM 0.32.0 loads 4 bits in gptq_v2 exactly"));
  EXPECT_EQ(Json::parse(FilesOf("b").at("config.json"))["quantization_config"]["sym"], true);
}

TEST_F(ExportVerbsTest, ConvertRefusesInALineAndLeavesNothing) {
  MakeGptq();
  EXPECT_EQ(Convert("a", "safetensors", "out"), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("--format safetensors is no format; formats: gptq_v2, gptq, compressed_tensors"));
  EXPECT_EQ(Convert("a", "none", "out"), 2);
  EXPECT_EQ(Convert("model", "gguf", "out"), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("not quantized"));
  EXPECT_EQ(Convert("a", "gptq_v2", "out"), 2);
  EXPECT_EQ(Convert("absent", "gguf", "out"), 2);
  EXPECT_EQ(Convert("a", "fake_quant", "model"), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("is not empty; give a folder of its own"));
  EXPECT_FALSE(fs::exists(At("out")));
  ASSERT_EQ(Convert("a", "gguf", "gguf"), 0) << cli_.err();
  EXPECT_EQ(Convert("gguf", "gptq_v2", "out"), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("a GGUF file does not say which bits its codes had"));
}

TEST_F(ExportVerbsTest, AGgufFileIsRefusedAsAModelWithWhatToGiveInstead) {
  MakeGptq();
  ASSERT_TRUE(Export(ExportFormat::kGguf, "gguf").ok());
  for (const std::string path : {"gguf", "gguf/model.gguf"}) {
    const Status status = InspectModel(At(path)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(MessageOf(status)),
                HasSubstr("not read as a model; give the export that it was made from"));
  }
}

TEST_F(ExportVerbsTest, ConvertOfADamagedExportFailsAndLeavesNothing) {
  MakeGptq();
  fs::resize_file(At("a/model.safetensors"), fs::file_size(At("a/model.safetensors")) / 2);
  EXPECT_EQ(Convert("a", "compressed_tensors", "out"), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("model.safetensors"));
  EXPECT_FALSE(fs::exists(At("out")));
}

TEST_F(ExportVerbsTest, ConvertThatIsInterruptedLeavesNothing) {
  MakeGptq();
  const size_t before = static_cast<size_t>(std::distance(fs::directory_iterator(At("")), {}));
  cli_.interrupt.Raise(absl::CancelledError("interrupted"));
  EXPECT_NE(Convert("a", "compressed_tensors", "out"), 0);
  EXPECT_EQ(static_cast<size_t>(std::distance(fs::directory_iterator(At("")), {})), before);
}

}  // namespace
}  // namespace lwq::client
