// SPDX-License-Identifier: Apache-2.0
// Scales of a block's channels: worked in they change nothing that the block computes, and the search gives no worse
// ones than none.
#include "worker/qat/api/prepare.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/host_tensor.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

HostTensor Converted(const HostTensor& tensor, at::ScalarType type) {
  return ToHostTensor(ToTensor(tensor, type, at::kCPU));
}

// As a model stores it.
BlockState Stored(BlockState block, at::ScalarType type) {
  for (auto& [kind, weight] : block.linears) weight = Converted(std::get<HostTensor>(weight), type);
  for (auto& [kind, bias] : block.biases) bias = Converted(bias, type);
  block.input_norm = Converted(block.input_norm, type);
  block.post_attention_norm = Converted(block.post_attention_norm, type);
  return block;
}

HostTensor Vector(const std::vector<float>& values) {
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return {DType::kF32, {std::ssize(values)}, Bytes::FromString(bytes)};
}

std::vector<float> Floats(const HostTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  std::memcpy(values.data(), tensor.bytes.view().data(), values.size() * sizeof(float));
  return values;
}

// Between 2^-3 and 2^3.
BlockScales RandomScales(const LlamaConfig& config, uint64_t seed) {
  BlockScales scales;
  for (const ScaledSource source : kScaledSources) {
    scales[static_cast<size_t>(source)] =
        ToHostTensor(RandomTensor({ChannelsOf(config, source)}, seed++, 1).clamp(-3, 3).exp2());
  }
  return scales;
}

at::Tensor OutputsOf(const LlamaConfig& config, const BlockState& block, MemorySamples in) {
  MemorySamples out(DType::kF32, in.sample_shape());
  const Status status = AdvanceBlock(config, block, in, out, AdvanceOptions{}, nullptr, CancelToken{});
  LWQ_CHECK(status.ok(), status.ToString());
  return AllOf(out);
}

BlockState Folded(const LlamaConfig& config, const BlockState& block, const BlockScales& scales) {
  StatusOr<BlockState> folded = FoldScales(config, block, scales);
  LWQ_CHECK(folded.ok(), folded.status().ToString());
  return *std::move(folded);
}

StatusOr<ScaleSearch> TrySearch(const LlamaConfig& config, const BlockState& block, MemorySamples activations,
                                ScaleSearchOptions options = {.bits = 2, .group_size = 16, .error_samples = 2}) {
  return SearchScales(config, block, activations, options, nullptr, CancelToken{});
}

struct FoldCase {
  const char* name;
  Shape shape;
  at::ScalarType stored;
};

void PrintTo(const FoldCase& fold, std::ostream* os) {
  *os << fold.name;
}

class FoldedFunctionTest : public ::testing::TestWithParam<FoldCase> {};

TEST_P(FoldedFunctionTest, TheBlockIsTheSameFunction) {
  const LlamaConfig config = RandomConfig(GetParam().shape);
  const BlockState block = Stored(RandomBlock(config, 1), GetParam().stored);
  const BlockState folded = Folded(config, block, RandomScales(config, 70));
  const MemorySamples in = RandomSamples(config, 3, 17, 90);
  const at::Tensor as_is = OutputsOf(config, block, in);
  const at::Tensor difference = OutputsOf(config, folded, in).sub(as_is).abs();
  EXPECT_GT(difference.max().item<double>(), 0) << "nothing was folded";
  EXPECT_LT(difference.max().item<double>(), 1e-5 * as_is.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Architectures, FoldedFunctionTest,
                         ::testing::Values(FoldCase{"llama", {}, at::kFloat},
                                           FoldCase{
                                               "every_head_its_own_values", {.heads = 4, .kv_heads = 4}, at::kFloat},
                                           FoldCase{"one_head_of_values", {.heads = 8, .kv_heads = 1}, at::kFloat},
                                           FoldCase{"biases_and_head_norms", {.has_extras = true}, at::kFloat},
                                           FoldCase{"stored_as_fp16", {.has_extras = true}, at::kHalf},
                                           FoldCase{"stored_as_bf16", {.has_extras = true}, at::kBFloat16}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(FoldScalesTest, WhatNoScaleTouchesKeepsItsBytesAndTheRestIsFloat32) {
  const LlamaConfig config = RandomConfig({.has_extras = true});
  const BlockState block = Stored(RandomBlock(config, 1), at::kHalf);
  const BlockState folded = Folded(config, block, RandomScales(config, 70));
  EXPECT_TRUE(SameBytes(*folded.query_norm, *block.query_norm));
  EXPECT_TRUE(SameBytes(*folded.key_norm, *block.key_norm));
  for (const LinearKind kind : kAllLinears) {
    EXPECT_EQ(std::get<HostTensor>(folded.linears.at(kind)).dtype, DType::kF32) << LinearName(kind);
    const bool has_scaled_rows = kind == LinearKind::kV || kind == LinearKind::kUp;
    EXPECT_EQ(SameBytes(folded.biases.at(kind), block.biases.at(kind)), !has_scaled_rows) << LinearName(kind);
  }
  EXPECT_EQ(folded.biases.at(LinearKind::kUp).dtype, DType::kF32);
  EXPECT_EQ(folded.input_norm.dtype, DType::kF32);
}

TEST(FoldScalesTest, ScaledRowsHaveTheIntegersOfUnscaledOnes) {
  const LlamaConfig config = RandomConfig();
  BlockScales scales;
  for (const ScaledSource source : kScaledSources) {
    std::vector<float> ones(static_cast<size_t>(ChannelsOf(config, source)), 1);
    scales[static_cast<size_t>(source)] = Vector(ones);
  }
  std::vector<float> powers(static_cast<size_t>(ChannelsOf(config, ScaledSource::kUp)));
  for (size_t i = 0; i < powers.size(); ++i) powers[i] = std::ldexp(1.0f, static_cast<int>(i % 5) - 2);
  scales[static_cast<size_t>(ScaledSource::kUp)] = Vector(powers);
  const BlockState block = RandomBlock(config, 1);
  const RtnOptions rtn{.bits = 2, .group_size = 16};
  const StatusOr<BlockState> plain = QuantizeRtn(config, block, rtn);
  const StatusOr<BlockState> scaled = QuantizeRtn(config, Folded(config, block, scales), rtn);
  ASSERT_TRUE(plain.ok() && scaled.ok());
  const auto codes = [](const BlockState& state, LinearKind kind) {
    return std::get<QuantizedLinear>(state.linears.at(kind)).codes;
  };
  EXPECT_TRUE(SameBytes(codes(*plain, LinearKind::kUp), codes(*scaled, LinearKind::kUp)));
  EXPECT_FALSE(SameBytes(codes(*plain, LinearKind::kDown), codes(*scaled, LinearKind::kDown))) << "its columns are";
}

TEST(FoldScalesTest, ScalesThatDoNotFitAndQuantizedBlocksAreRefusedInOneLine) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  const BlockScales good = RandomScales(config, 70);
  const auto refusal = [&](ScaledSource source, HostTensor bad) {
    BlockScales scales = good;
    scales[static_cast<size_t>(source)] = std::move(bad);
    const Status status = FoldScales(config, block, scales).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(refusal(ScaledSource::kUp, Vector({1, 2})),
            "scales of mlp.up_proj are F32 [2], expected F32 [48]: they belong to another model");
  std::vector<float> values(static_cast<size_t>(config.hidden_size), 1);
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    values[3] = bad;
    EXPECT_THAT(refusal(ScaledSource::kInputNorm, Vector(values)), HasSubstr("scale 3 of input_layernorm is "));
  }
  const HostTensor& values_scales = good[static_cast<size_t>(ScaledSource::kValues)];
  EXPECT_THAT(refusal(ScaledSource::kValues, Converted(values_scales, at::kHalf)), HasSubstr("F16"));
  const StatusOr<BlockState> quantized = QuantizeRtn(config, block, {.bits = 2, .group_size = 16});
  ASSERT_TRUE(quantized.ok());
  EXPECT_THAT(std::string(FoldScales(config, *quantized, good).status().message()),
              HasSubstr("self_attn.q_proj is quantized already"));
}

TEST(SearchScalesTest, ItIsNoWorseThanNoScalesAndTheSameEachTime) {
  const LlamaConfig config = RandomConfig({.has_extras = true});
  const BlockState block = RandomBlock(config, 1);
  const MemorySamples in = RandomSamples(config, 4, 16, 90);
  const StatusOr<ScaleSearch> search = TrySearch(config, block, in);
  ASSERT_TRUE(search.ok()) << search.status();
  EXPECT_TRUE(CheckScales(config, search->scales).ok());
  for (const SourceScales& found : search->found) {
    EXPECT_LE(found.error, found.error_as_is);
    EXPECT_GT(found.error, 0);
  }
  const StatusOr<ScaleSearch> again = TrySearch(config, block, in);
  ASSERT_TRUE(again.ok());
  for (size_t i = 0; i < search->scales.size(); ++i) EXPECT_TRUE(SameBytes(again->scales[i], search->scales[i]));
}

// Channel 5 of the residual stream is a hundred times as large as the others.
TEST(SearchScalesTest, AChannelOfLargeActivationsGetsALargerScale) {
  const LlamaConfig config = RandomConfig();
  at::Tensor hidden = RandomTensor({4, 16, config.hidden_size}, 90);
  hidden.select(2, 5).mul_(100);
  MemorySamples in(DType::kF32, {16, config.hidden_size});
  ASSERT_TRUE(in.Append(ToHostTensor(hidden)).ok());
  const StatusOr<ScaleSearch> search = TrySearch(config, RandomBlock(config, 1), in);
  ASSERT_TRUE(search.ok()) << search.status();
  EXPECT_GT(search->found[0].exponent, 0);
  EXPECT_LT(search->found[0].error, 0.5 * search->found[0].error_as_is);
  const std::vector<float> scales = Floats(search->scales[0]);
  for (size_t i = 0; i < scales.size(); ++i) EXPECT_LE(scales[i], scales[5]) << i;
  const auto [least, most] = std::minmax_element(scales.begin(), scales.end());
  EXPECT_NEAR(*least * *most, 1, 1e-5) << "their middle is 1";
}

TEST(SearchScalesTest, ChannelsThroughWhichNothingFlowsLeaveEveryScaleAPositiveNumber) {
  const LlamaConfig config = RandomConfig();
  BlockState block = RandomBlock(config, 1);
  std::vector<float> gains = Floats(block.input_norm);
  gains[0] = gains[7] = 0;
  block.input_norm = Vector(gains);
  block.post_attention_norm = Vector(std::vector<float>(gains.size(), 0));
  const MemorySamples in = RandomSamples(config, 2, 16, 90);
  const StatusOr<ScaleSearch> search = TrySearch(config, block, in);
  ASSERT_TRUE(search.ok()) << search.status();
  EXPECT_TRUE(CheckScales(config, search->scales).ok());
  for (const ScaledSource silent : {ScaledSource::kPostAttentionNorm, ScaledSource::kUp}) {
    EXPECT_EQ(search->found[static_cast<size_t>(silent)].exponent, 0);
    for (const float scale : Floats(search->scales[static_cast<size_t>(silent)])) EXPECT_EQ(scale, 1);
  }
  const at::Tensor as_is = OutputsOf(config, block, in);
  const at::Tensor folded = OutputsOf(config, Folded(config, block, search->scales), in);
  EXPECT_LT(folded.sub(as_is).abs().max().item<double>(), 1e-5 * as_is.abs().max().item<double>());
}

TEST(SearchScalesTest, WhatCannotBeSearchedIsRefusedInOneLine) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  const MemorySamples in = RandomSamples(config, 2, 16, 90);
  const auto message = [&](const MemorySamples& samples, ScaleSearchOptions options) {
    return TrySearch(config, block, samples, options).status();
  };
  const ScaleSearchOptions good{.bits = 2, .group_size = 16, .error_samples = 2};
  ScaleSearchOptions options = good;
  options.bits = 7;
  EXPECT_TRUE(absl::IsInvalidArgument(message(in, options)));
  options = good;
  options.group_size = 7;
  EXPECT_TRUE(absl::IsInvalidArgument(message(in, options)));
  options = good;
  options.steps = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(message(in, options)));
  for (const int64_t samples : {0, 3}) {
    options = good;
    options.error_samples = samples;
    EXPECT_TRUE(absl::IsInvalidArgument(message(in, options))) << samples;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(message(RandomSamples(RandomConfig({.hidden = 64}), 2, 16, 90), good)));
  at::Tensor infinite = RandomTensor({2, 16, config.hidden_size}, 90);
  infinite.mul_(std::numeric_limits<double>::infinity());
  MemorySamples broken(DType::kF32, {16, config.hidden_size});
  ASSERT_TRUE(broken.Append(ToHostTensor(infinite)).ok());
  EXPECT_THAT(std::string(message(broken, good).message()),
              HasSubstr("the inputs of what reads input_layernorm are not finite"));
  EXPECT_TRUE(absl::IsFailedPrecondition(message(broken, good)));
  MemorySamples samples = in;
  CancelToken cancelled;
  cancelled.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(SearchScales(config, block, samples, good, nullptr, cancelled).status()));
}

}  // namespace
}  // namespace lwq::qat
