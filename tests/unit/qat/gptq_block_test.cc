// SPDX-License-Identifier: Apache-2.0
// GPTQ of a block: the order of its linears, what it leaves alone, what it refuses, and training that starts from it.
#include <cmath>
#include <cstring>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/gptq.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/gptq/gptq_linear.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/quant/derive_codes.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

constexpr GptqOptions kTwoBits{.bits = 2, .group_size = 16};

StatusOr<GptqOutcome> TryGptq(const LlamaConfig& config, const BlockState& block, MemorySamples activations,
                              const GptqOptions& options = kTwoBits) {
  return QuantizeGptq(config, block, activations, options, nullptr, CancelToken{});
}

GptqOutcome GptqOf(const LlamaConfig& config, const BlockState& block, const MemorySamples& activations,
                   const GptqOptions& options = kTwoBits) {
  StatusOr<GptqOutcome> outcome = TryGptq(config, block, activations, options);
  LWQ_CHECK(outcome.ok(), outcome.status().ToString());
  return *std::move(outcome);
}

const QuantizedLinear& Quantized(const BlockState& block, LinearKind kind) {
  return std::get<QuantizedLinear>(block.linears.at(kind));
}

MemorySamples OutputsOf(const LlamaConfig& config, const BlockState& block, MemorySamples in) {
  MemorySamples out(DType::kF32, in.sample_shape());
  const Status status = AdvanceBlock(config, block, in, out, AdvanceOptions{}, nullptr, CancelToken{});
  LWQ_CHECK(status.ok(), status.ToString());
  return out;
}

// Mean squared difference of outputs.
double DistanceOf(const LlamaConfig& config, const BlockState& a, const BlockState& b, const MemorySamples& in) {
  return AllOf(OutputsOf(config, a, in)).sub(AllOf(OutputsOf(config, b, in))).pow(2).mean().item<double>();
}

// Samples whose channels go up and down together, in the same way for every seed.
MemorySamples CorrelatedSamples(const LlamaConfig& config, int64_t samples, int64_t seqlen, uint64_t seed) {
  const at::Tensor mix = RandomTensor({config.hidden_size / 4, config.hidden_size}, 30);
  const at::Tensor common = RandomTensor({samples, seqlen, config.hidden_size / 4}, seed + 1).matmul(mix);
  MemorySamples set(DType::kF32, {seqlen, config.hidden_size});
  const at::Tensor noise = RandomTensor({samples, seqlen, config.hidden_size}, seed + 2, 0.3);
  LWQ_CHECK(set.Append(ToHostTensor(common.add(noise))).ok(), "append");
  return set;
}

TEST(GptqBlockTest, ItIsNearerToTheBlockThanRoundToNearestAndTheSameEachTime) {
  const LlamaConfig config = RandomConfig({.has_extras = true});
  const BlockState block = RandomBlock(config, 1);
  const MemorySamples in = CorrelatedSamples(config, 6, 32, 40);
  for (const int bits : {2, 3, 4}) {
    const GptqOptions options{.bits = bits, .group_size = 16, .keep_latent = true};
    const GptqOutcome outcome = GptqOf(config, block, in, options);
    const GptqOutcome again = GptqOf(config, block, in, options);
    EXPECT_TRUE(SameBytes(outcome.block, again.block));
    for (const LinearKind kind : kAllLinears) {
      EXPECT_TRUE(SameBytes(std::get<HostTensor>(outcome.latent.linears.at(kind)),
                            std::get<HostTensor>(again.latent.linears.at(kind))))
          << LinearName(kind);
    }
    const BlockState nearest = *QuantizeRtn(config, block, {.bits = bits, .group_size = 16});
    EXPECT_LT(DistanceOf(config, outcome.block, block, in), 0.8 * DistanceOf(config, nearest, block, in)) << bits;
  }
}

TEST(GptqBlockTest, NormsAndBiasesStayAsTheyAre) {
  const LlamaConfig config = RandomConfig({.has_extras = true});
  const BlockState block = RandomBlock(config, 1);
  GptqOptions options = kTwoBits;
  options.keep_latent = true;
  const GptqOutcome outcome = GptqOf(config, block, RandomSamples(config, 2, 8, 40), options);
  for (const BlockState* state : {&outcome.block, &outcome.latent}) {
    EXPECT_TRUE(SameBytes(state->input_norm, block.input_norm));
    EXPECT_TRUE(SameBytes(state->post_attention_norm, block.post_attention_norm));
    EXPECT_TRUE(SameBytes(*state->query_norm, *block.query_norm));
    EXPECT_TRUE(SameBytes(*state->key_norm, *block.key_norm));
    for (const LinearKind kind : kAllLinears) EXPECT_TRUE(SameBytes(state->biases.at(kind), block.biases.at(kind)));
  }
  EXPECT_TRUE(GptqOf(config, block, RandomSamples(config, 2, 8, 40)).latent.linears.empty()) << "nobody asked";
}

// Each stage again by hand: what its linears read is what the block gives once those before are rounded.
TEST(GptqBlockTest, EveryLinearReadsWhatTheBlockGivesOnceThoseBeforeItAreRounded) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  const int64_t seqlen = 24;
  MemorySamples in = RandomSamples(config, 3, seqlen, 40);
  const GptqOutcome outcome = GptqOf(config, block, in);
  BlockTensors tensors = LoadBlock(config, block, at::kFloat, at::kCPU);
  const SequenceTables tables = MakeSequenceTables(config, seqlen, at::kCPU);
  const auto round = [&](LinearKind kind, LinearInput reads) {
    InputHessian hessian;
    for (int64_t sample = 0; sample < in.samples(); ++sample) {
      const at::Tensor hidden = ToTensor(*in.Read(sample, 1), at::kFloat, at::kCPU);
      hessian.Add(InputOfLinear(config, tensors, tables, hidden, reads));
    }
    const at::Tensor weight = LoadLinear(config, block, kind, at::kFloat, at::kCPU);
    return RoundByGptq(weight, *ReadColumnsOf(hessian.Take(), kTwoBits), kTwoBits).quantized;
  };
  EXPECT_FALSE(SameBytes(round(LinearKind::kO, LinearInput::kO).codes, Quantized(outcome.block, LinearKind::kO).codes))
      << "as if q, k and v were not rounded";
  const std::pair<LinearKind, LinearInput> steps[] = {
      {LinearKind::kQ, LinearInput::kQkv},       {LinearKind::kK, LinearInput::kQkv},
      {LinearKind::kV, LinearInput::kQkv},       {LinearKind::kO, LinearInput::kO},
      {LinearKind::kGate, LinearInput::kGateUp}, {LinearKind::kUp, LinearInput::kGateUp},
      {LinearKind::kDown, LinearInput::kDown}};
  std::map<LinearKind, QuantizedLinear> rounded;
  for (size_t first = 0; first < std::size(steps);) {
    size_t last = first;
    while (last < std::size(steps) && steps[last].second == steps[first].second) {
      rounded[steps[last].first] = round(steps[last].first, steps[last].second);
      ++last;
    }
    for (; first < last; ++first) {
      const LinearKind kind = steps[first].first;
      EXPECT_TRUE(SameBytes(rounded[kind].codes, Quantized(outcome.block, kind).codes)) << LinearName(kind);
      tensors[kind] = Dequantize(rounded[kind], at::kCPU);
    }
  }
}

TEST(GptqBlockTest, ItSaysWhatCameOfEveryLinear) {
  const LlamaConfig config = RandomConfig();
  BlockState block = RandomBlock(config, 1);
  at::Tensor norm = ToTensor(block.input_norm, at::kFloat, at::kCPU);
  norm[3] = 0;  // a channel through which nothing flows to q, k and v
  block.input_norm = ToHostTensor(norm);
  const GptqOutcome outcome = GptqOf(config, block, RandomSamples(config, 3, 16, 40));
  ASSERT_EQ(outcome.linears.size(), std::size(kAllLinears));
  for (const LinearKind kind : kAllLinears) {
    const GptqLinearStats& stats = outcome.linears[static_cast<size_t>(kind)];
    EXPECT_EQ(stats.kind, kind);
    EXPECT_GT(stats.error, 0) << LinearName(kind);
    EXPECT_EQ(stats.damp_percent, 0.01) << LinearName(kind);
    const bool reads_norm = kind == LinearKind::kQ || kind == LinearKind::kK || kind == LinearKind::kV;
    EXPECT_EQ(stats.dead_columns, reads_norm ? 1 : 0) << LinearName(kind);
  }
}

TEST(GptqBlockTest, ATrainingThatStartsFromItBeginsWithExactlyItsBlockAndGoesOn) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  const MemorySamples train = CorrelatedSamples(config, 12, 32, 50), val = CorrelatedSamples(config, 4, 32, 60);
  TrainingSet set{train, OutputsOf(config, block, train), val, OutputsOf(config, block, val)};
  GptqOptions options = kTwoBits;
  options.keep_latent = true;
  const GptqOutcome start = GptqOf(config, block, set.train_in, options);
  TrainOptions training;
  training.bits = 2;
  training.group_size = 16;
  training.epochs = 0;
  training.quant_lr = training.weight_lr = 1e-3;
  TrainInputs inputs = set.inputs();
  inputs.start = {start.block};
  const auto untrained = TrainBlock(config, {start.latent}, inputs, training, nullptr, CancelToken{});
  ASSERT_TRUE(untrained.ok()) << untrained.status();
  EXPECT_TRUE(SameBytes(untrained->blocks[0].block, start.block));
  training.epochs = 2;
  training.keep_best = false;
  const auto trained = TrainBlock(config, {start.latent}, inputs, training, nullptr, CancelToken{});
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(trained->initial_val_loss, untrained->initial_val_loss);
  EXPECT_EQ(trained->steps, 12);
  EXPECT_FALSE(SameBytes(trained->blocks[0].block, start.block));
  const auto by_range = TrainBlock(config, {block}, set.inputs(), training, nullptr, CancelToken{});
  EXPECT_LT(trained->initial_val_loss, by_range->initial_val_loss) << "validation windows GPTQ has not seen";
}

TEST(GptqBlockTest, Bf16ActivationsAndBf16ArithmeticGiveABlockOfTheSameQuality) {
  const LlamaConfig config = RandomConfig({.hidden = 64, .intermediate = 96});
  const BlockState block = RandomBlock(config, 1);
  const MemorySamples in = CorrelatedSamples(config, 6, 32, 40);
  MemorySamples narrow(DType::kBF16, in.sample_shape());
  ASSERT_TRUE(narrow.Append(ToHostTensor(AllOf(in).to(at::kBFloat16))).ok());
  GptqOptions options{.bits = 3, .group_size = 32};
  const double wide = DistanceOf(config, GptqOf(config, block, in, options).block, block, in);
  options.execution.precision = Precision::kBF16;
  const double bf16 = DistanceOf(config, GptqOf(config, block, narrow, options).block, block, in);
  EXPECT_LT(bf16, 1.2 * wide);
}

TEST(GptqBlockTest, WhatCannotBeRoundedIsRefusedInOneLine) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  const MemorySamples in = RandomSamples(config, 2, 8, 40);
  const auto refused = [&](const GptqOptions& options) { return TryGptq(config, block, in, options).status(); };
  GptqOptions options = kTwoBits;
  options.bits = 7;
  EXPECT_TRUE(absl::IsInvalidArgument(refused(options)));
  options = kTwoBits;
  options.group_size = 5;
  EXPECT_THAT(std::string(refused(options).message()), HasSubstr("group_size 5 does not divide the 32 input features"));
  for (const double damp : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    options = kTwoBits;
    options.damp_percent = damp;
    EXPECT_THAT(std::string(refused(options).message()), HasSubstr("it must be above 0 and at most 1")) << damp;
  }
  EXPECT_EQ(TryGptq(config, block, RandomSamples(config, 0, 8, 40)).status().message(),
            "GPTQ: there are no samples to round the block by");
  const LlamaConfig other = RandomConfig({.hidden = 64});
  EXPECT_TRUE(absl::IsInvalidArgument(TryGptq(config, block, RandomSamples(other, 2, 8, 40)).status()));
}

TEST(GptqBlockTest, NumbersThatAreNotFiniteAreNamedWhereTheyAre) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  at::Tensor hidden = RandomTensor({2, 8, config.hidden_size}, 40);
  hidden[1][3][7] = std::numeric_limits<float>::infinity();
  MemorySamples in(DType::kF32, {8, config.hidden_size});
  ASSERT_TRUE(in.Append(ToHostTensor(hidden)).ok());
  const Status inputs = TryGptq(config, block, in).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(inputs)) << inputs;
  EXPECT_EQ(inputs.message(), "GPTQ: what self_attn.q_proj reads is not finite in some of the samples");
  BlockState damaged = block;
  at::Tensor gate = ToTensor(std::get<HostTensor>(block.linears.at(LinearKind::kGate)), at::kFloat, at::kCPU);
  gate[0][0] = std::numeric_limits<float>::quiet_NaN();
  damaged.linears[LinearKind::kGate] = ToHostTensor(gate);
  const Status weight = TryGptq(config, damaged, RandomSamples(config, 2, 8, 40)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(weight)) << weight;
  EXPECT_EQ(weight.message(), "GPTQ: mlp.gate_proj has a weight that is not finite: the model is damaged");
  gate.fill_(1e38);
  gate.narrow(1, 0, 16).neg_();
  damaged.linears[LinearKind::kGate] = ToHostTensor(gate);
  const Status errors = TryGptq(config, damaged, RandomSamples(config, 2, 8, 40)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(errors)) << errors;
  EXPECT_EQ(errors.message(),
            "GPTQ: the errors of the columns of mlp.gate_proj outgrow float32: give a larger damp_percent");
}

TEST(GptqBlockTest, ItStopsWhenItIsToldToAndSaysHowFarItIs) {
  const LlamaConfig config = RandomConfig();
  const BlockState block = RandomBlock(config, 1);
  MemorySamples in = RandomSamples(config, 3, 8, 40);
  CancelToken cancel;
  int64_t last = 0, steps = 0;
  const ProgressSink progress = [&](const Progress& now) {
    EXPECT_EQ(now.stage, "gptq");
    EXPECT_EQ(now.step, ++last);
    steps = now.steps;
  };
  ASSERT_TRUE(QuantizeGptq(config, block, in, kTwoBits, progress, cancel).ok());
  EXPECT_EQ(last, 12) << "four passes over three samples";
  EXPECT_EQ(steps, 12);
  const ProgressSink stop = [&](const Progress& now) { cancel.cancelled = now.step == 5; };
  EXPECT_TRUE(absl::IsCancelled(QuantizeGptq(config, block, in, kTwoBits, stop, cancel).status()));
}

}  // namespace
}  // namespace lwq::qat
