// SPDX-License-Identifier: Apache-2.0
// What a model's headers, and biases, must be for its config.json.
#include "common/model/check_model.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

std::string MessageText(const Status& status) {
  return std::string(MessageOf(status));
}

class FakeSource : public TensorSource {
 public:
  explicit FakeSource(std::map<std::string, SafetensorsEntry> entries) : entries_(std::move(entries)) {}
  StatusOr<HostTensor> Read(std::string_view) override { return absl::UnimplementedError("headers only"); }
  const std::map<std::string, SafetensorsEntry>& entries() const override { return entries_; }

 private:
  std::map<std::string, SafetensorsEntry> entries_;
};

// Two blocks' worth of biases: of zeros, and one that is not.
class BiasedSource : public TensorSource {
 public:
  explicit BiasedSource(std::string biased) : biased_(std::move(biased)) {
    for (const char* name : {"model.layers.0.self_attn.q_proj.bias", "model.layers.1.mlp.down_proj.bias"}) {
      entries_[name] = {.dtype = DType::kF16, .shape = {2}};
    }
  }
  StatusOr<HostTensor> Read(std::string_view name) override {
    const std::string zeros(4, '\0');
    return HostTensor{DType::kF16, {2}, Bytes::FromString(name == biased_ ? std::string("\0\0\0<", 4) : zeros)};
  }
  const std::map<std::string, SafetensorsEntry>& entries() const override { return entries_; }

 private:
  std::string biased_;
  std::map<std::string, SafetensorsEntry> entries_;
};

LlamaConfig SmallConfig(bool is_tied) {
  return LlamaConfig::Parse(Json{{"architectures", {"LlamaForCausalLM"}},
                                 {"hidden_size", 8},
                                 {"intermediate_size", 12},
                                 {"num_hidden_layers", 2},
                                 {"num_attention_heads", 2},
                                 {"num_key_value_heads", 1},
                                 {"vocab_size", 16},
                                 {"tie_word_embeddings", is_tied}}
                                .dump())
      .value();
}

std::map<std::string, SafetensorsEntry> Entries(const LlamaConfig& config) {
  std::map<std::string, SafetensorsEntry> entries;
  for (const auto& [name, shape] : ExpectedTensors(config)) entries[name] = {DType::kBF16, shape, 0, 0};
  return entries;
}

TEST(CheckModelTensorsTest, AWholeModelPassesAndEachLackIsNamed) {
  const LlamaConfig config = SmallConfig(false);
  const auto entries = Entries(config);
  EXPECT_TRUE(CheckModelTensors(config, FakeSource(entries)).ok());
  for (const auto& [name, entry] : entries) {
    auto absent = entries;
    absent.erase(name);
    auto reshaped = entries;
    reshaped[name].shape.push_back(1);
    auto integers = entries;
    integers[name].dtype = DType::kI8;
    for (const auto& broken : {absent, reshaped, integers}) {
      const Status status = CheckModelTensors(config, FakeSource(broken));
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << name;
      EXPECT_THAT(MessageText(status), HasSubstr(absl::StrCat("'", name, "'")));
    }
  }
}

TEST(CheckModelTensorsTest, BiasesAndNormsThatTheArchitectureHasAreNeeded) {
  LlamaConfig config = SmallConfig(false);
  config.query_key_norms = true;
  config.has_bias.fill(true);
  const auto entries = Entries(config);
  EXPECT_EQ(entries.size(), 3u + 2 * (9 + 7 + 2));
  EXPECT_TRUE(CheckModelTensors(config, FakeSource(entries)).ok());
  for (const std::string name : {"model.layers.1.self_attn.o_proj.bias", "model.layers.0.self_attn.k_norm.weight"}) {
    auto absent = entries;
    absent.erase(name);
    EXPECT_THAT(MessageText(CheckModelTensors(config, FakeSource(absent))), HasSubstr(absl::StrCat("'", name, "'")));
  }
  BiasedSource biased("model.layers.1.mlp.down_proj.bias");
  EXPECT_TRUE(CheckBiases(config, biased).ok()) << "a bias the architecture has is no surprise";
}

TEST(CheckBiasesTest, BiasesOfZerosAreNoneAndAnyOtherIsRefusedByName) {
  BiasedSource zeros("");
  EXPECT_TRUE(CheckBiases(SmallConfig(false), zeros).ok());
  BiasedSource biased("model.layers.1.mlp.down_proj.bias");
  const Status status = CheckBiases(SmallConfig(false), biased);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tensor model.layers.1.mlp.down_proj.bias is not zero: LlamaForCausalLM has no bias there"));
}

TEST(CheckModelTensorsTest, ATiedModelNeedsNoHeadAndMoreTensorsDoNoHarm) {
  auto entries = Entries(SmallConfig(true));
  EXPECT_EQ(entries.count("lm_head.weight"), 0u);
  entries["model.layers.0.self_attn.rotary_emb.inv_freq"] = {DType::kF32, {2}, 0, 0};
  EXPECT_TRUE(CheckModelTensors(SmallConfig(true), FakeSource(entries)).ok());
  EXPECT_FALSE(CheckModelTensors(SmallConfig(false), FakeSource(entries)).ok());
}

TEST(ModelDirectoryTest, TheReferenceModelsAreWholeModels) {
  const char* from_environment = std::getenv("LWQ_REFERENCE");
  const std::string models =
      (from_environment != nullptr ? from_environment : std::string(LWQ_SOURCE_DIR) + "/../shared/reference") +
      std::string("/models");
  if (!std::filesystem::exists(models)) GTEST_SKIP() << "no reference models at " << models << " (set LWQ_REFERENCE)";
  for (const std::string name : {"stories260k", "stories260k_h192"}) {
    const auto source = OpenModelDirectory(models + "/" + name);
    ASSERT_TRUE(source.ok()) << source.status();
    const auto config = LlamaConfig::Parse(test::ReadFileOrEmpty(models + "/" + name + "/config.json"));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(CheckModelTensors(*config, **source).ok()) << CheckModelTensors(*config, **source);
    EXPECT_TRUE((*source)->Read("model.norm.weight").ok());
  }
}

TEST(CheckModelTensorsTest, QuantizedLinearsAreCheckedAsTheirConfigSays) {
  LlamaConfig config = SmallConfig(false);
  config.quantization_config = {
      {"quant_method", "gptq"}, {"checkpoint_format", "gptq_v2"}, {"bits", 4}, {"group_size", -1}};
  const Status plain = CheckModelTensors(config, FakeSource(Entries(config)));
  EXPECT_TRUE(absl::IsInvalidArgument(plain));
  EXPECT_THAT(MessageText(plain), HasSubstr("no tensor 'model.layers.0.self_attn.q_proj.qweight'"));
  config.quantization_config["checkpoint_format"] = "marlin";
  const Status foreign = CheckModelTensors(config, FakeSource(Entries(config)));
  EXPECT_TRUE(absl::IsFailedPrecondition(foreign));
  EXPECT_THAT(MessageText(foreign), HasSubstr("checkpoint_format 'marlin'"));
}

}  // namespace
}  // namespace lwq
