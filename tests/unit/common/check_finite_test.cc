// SPDX-License-Identifier: Apache-2.0
// Weights that are no numbers are found wherever they are needed, and nowhere else.
#include "common/model/check_finite.h"

#include <cstring>
#include <limits>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

// Tensors of zeros, but for what a test puts in.
class ZeroSource : public TensorSource {
 public:
  void Add(const std::string& name, DType dtype, const std::vector<int64_t>& shape) {
    entries_[name] = {.dtype = dtype, .shape = shape};
    bytes_[name] = std::string(static_cast<size_t>(ElementCount(shape).value() * DTypeBytes(dtype)), '\0');
  }
  template <typename T>
  void Set(const std::string& name, size_t index, T value) {
    std::memcpy(bytes_.at(name).data() + index * sizeof(T), &value, sizeof(T));
  }
  StatusOr<HostTensor> Read(std::string_view name) override {
    const SafetensorsEntry& entry = entries_.at(std::string(name));
    return HostTensor{entry.dtype, entry.shape, Bytes::FromString(bytes_.at(std::string(name)))};
  }
  const std::map<std::string, SafetensorsEntry>& entries() const override { return entries_; }

 private:
  std::map<std::string, SafetensorsEntry> entries_;
  std::map<std::string, std::string> bytes_;
};

LlamaConfig TinyConfig() {
  LlamaConfig config;
  config.hidden_size = 4;
  config.intermediate_size = 6;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 2;
  config.vocab_size = 8;
  config.query_key_norms = true;
  config.has_bias.fill(true);
  return config;
}

ZeroSource Source(const LlamaConfig& config, DType dtype) {
  ZeroSource source;
  for (const auto& [name, shape] : ExpectedTensors(config)) source.Add(name, dtype, shape);
  return source;
}

TEST(CheckFiniteModel, ANumberMissingFromAnyNeededTensorIsFoundByNameAndPlace) {
  const LlamaConfig config = TinyConfig();
  ZeroSource good = Source(config, DType::kF32);
  EXPECT_TRUE(CheckFiniteModel(config, good, nullptr).ok());
  for (const auto& [name, shape] : ExpectedTensors(config)) {
    ZeroSource bad = Source(config, DType::kF32);
    bad.Set(name, 1, std::numeric_limits<float>::quiet_NaN());
    const Status status = CheckFiniteModel(config, bad, nullptr);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << name;
    const std::string place = shape.size() == 1 ? "[1]" : "[0, 1]";
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(absl::StrCat("'", name, "' is NaN at ", place)));
  }
}

TEST(CheckFiniteModel, WhatNoBlockNeedsMayBeAnything) {
  const LlamaConfig config = TinyConfig();
  ZeroSource source = Source(config, DType::kF16);
  source.Add("model.layers.0.self_attn.rotary_emb.inv_freq", DType::kF32, {1});
  source.Set("model.layers.0.self_attn.rotary_emb.inv_freq", 0, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(CheckFiniteModel(config, source, nullptr).ok());
}

TEST(CheckFiniteModel, OfAQuantizedLinearTheScalesAreLookedAt) {
  LlamaConfig config = TinyConfig();
  config.quantization_config = {
      {"quant_method", "gptq"}, {"checkpoint_format", "gptq_v2"}, {"bits", 4}, {"group_size", -1}};
  ZeroSource source;
  for (const auto& [name, shape] : ExpectedTensors(config)) {
    const bool is_linear = name.find("_proj.weight") != std::string::npos;
    source.Add(is_linear ? name.substr(0, name.size() - 6) + "scales" : name, DType::kF16,
               is_linear ? std::vector<int64_t>{1, shape[0]} : shape);
  }
  EXPECT_TRUE(CheckFiniteModel(config, source, nullptr).ok());
  source.Set("model.layers.1.mlp.up_proj.scales", 5, uint16_t{0xFC00});
  EXPECT_THAT(std::string(MessageOf(CheckFiniteModel(config, source, nullptr))),
              HasSubstr("'model.layers.1.mlp.up_proj.scales' is infinite at [0, 5]"));
}

TEST(CheckFiniteModel, EndsWhenItIsAskedTo) {
  const LlamaConfig config = TinyConfig();
  ZeroSource source = Source(config, DType::kF32);
  int asked = 0;
  const Status status = CheckFiniteModel(
      config, source, [&asked] { return ++asked < 3 ? absl::OkStatus() : Status(absl::CancelledError("enough")); });
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_EQ(asked, 3);
}

// Every bit pattern of the 16-bit types against what the format says, in runs of several lengths.
TEST(CheckFiniteTensor, AgreesWithTheFormatOnEveryBitPattern) {
  for (const auto& [dtype, exponent] : std::map<DType, uint16_t>{{DType::kF16, 0x7C00}, {DType::kBF16, 0x7F80}}) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      const auto value = static_cast<uint16_t>(bits);
      std::string bytes(2 * (1 + bits % 3), '\0');
      std::memcpy(bytes.data() + bytes.size() - 2, &value, 2);
      const HostTensor tensor{dtype, {static_cast<int64_t>(bytes.size() / 2)}, Bytes::FromString(bytes)};
      ASSERT_EQ(CheckFiniteTensor(tensor, "t").ok(), (value & exponent) != exponent) << bits;
    }
  }
}

TEST(CheckFiniteTensor, FindsTheOnlyOneInAMillion) {
  for (const size_t index : {size_t{0}, size_t{8191}, size_t{8192}, size_t{999'999}}) {
    std::string bytes(4'000'000, '\x3f');
    const float infinity = -std::numeric_limits<float>::infinity();
    std::memcpy(bytes.data() + index * 4, &infinity, 4);
    const HostTensor tensor{DType::kF32, {1000, 1000}, Bytes::FromString(std::move(bytes))};
    EXPECT_THAT(std::string(MessageOf(CheckFiniteTensor(tensor, "t"))),
                HasSubstr(absl::StrCat("'t' is infinite at [", index / 1000, ", ", index % 1000, "]")));
  }
}

}  // namespace
}  // namespace lwq
