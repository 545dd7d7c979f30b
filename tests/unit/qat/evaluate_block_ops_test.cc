// SPDX-License-Identifier: Apache-2.0
// Embedding, block advance, round-to-nearest and streamed perplexity on small random models.
#include "worker/qat/api/block_ops.h"

#include <c10/core/GradMode.h>

#include <cmath>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

class BlockOpsTest : public ::testing::Test {
 protected:
  MemorySamples Advance(const BlockState& block, MemorySamples in, const AdvanceOptions& options = {}) {
    MemorySamples out(options.out_dtype, in.sample_shape());
    const Status status = AdvanceBlock(config_, block, in, out, options, progress_, cancel_);
    LWQ_CHECK(status.ok(), status.ToString());
    return out;
  }

  LlamaConfig config_ = RandomConfig();
  BlockState block_ = RandomBlock(config_, 3);
  ProgressSink progress_;
  CancelToken cancel_;
};

TEST_F(BlockOpsTest, EmbeddingLooksUpRowsOfEveryFloatType) {
  const at::Tensor table = RandomTensor({config_.vocab_size, config_.hidden_size}, 1);
  MemorySamples tokens = RandomTokens(config_, 3, 7, 2);
  const at::Tensor ids = ToTensor(*tokens.Read(0, 3), at::kLong, at::kCPU);
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    MemorySamples out(DType::kF32, {7, config_.hidden_size});
    ASSERT_TRUE(Embed(config_, ToHostTensor(table.to(type)), tokens, DType::kF32, out).ok());
    EXPECT_TRUE(AllOf(out).equal(table.to(type).to(at::kFloat).index_select(0, ids.flatten()).view({3, 7, -1})));
  }
}

TEST_F(BlockOpsTest, ATokenOutsideTheVocabularyIsRefusedByName) {
  const HostTensor table = RandomHostTensor({config_.vocab_size, config_.hidden_size}, 1);
  for (const int32_t bad : {-1, static_cast<int32_t>(config_.vocab_size)}) {
    MemorySamples tokens(DType::kI32, {1});
    ASSERT_TRUE(
        tokens.Append({DType::kI32, {1, 1}, Bytes::FromString(std::string(reinterpret_cast<const char*>(&bad), 4))})
            .ok());
    MemorySamples out(DType::kF32, {1, config_.hidden_size});
    const Status status = Embed(config_, table, tokens, DType::kF32, out);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(bad)));
  }
}

TEST_F(BlockOpsTest, EmbeddingRefusesFp16ActivationsAndForeignTables) {
  MemorySamples tokens = RandomTokens(config_, 1, 4, 2);
  MemorySamples out(DType::kF16, {4, config_.hidden_size});
  const HostTensor table = RandomHostTensor({config_.vocab_size, config_.hidden_size}, 1);
  EXPECT_EQ(Embed(config_, table, tokens, DType::kF16, out).code(), absl::StatusCode::kInvalidArgument);
  const HostTensor narrow = RandomHostTensor({config_.vocab_size, config_.hidden_size - 1}, 1);
  EXPECT_EQ(Embed(config_, narrow, tokens, DType::kF32, out).code(), absl::StatusCode::kInvalidArgument);
  HostTensor cut = table;
  cut.bytes = table.bytes.Slice(0, 64);
  EXPECT_EQ(Embed(config_, cut, tokens, DType::kF32, out).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BlockOpsTest, AdvanceIsTheForwardPassWhateverTheMicroBatch) {
  const MemorySamples in = RandomSamples(config_, 7, 10, 4);
  const c10::NoGradGuard no_grad;
  const at::Tensor expected = BlockForward(config_, LoadBlock(config_, block_, at::kFloat, at::kCPU),
                                           MakeSequenceTables(config_, 10, at::kCPU), AllOf(in));
  for (const int64_t micro_batch : {1, 3, 7, 100}) {
    AdvanceOptions options;
    options.micro_batch = micro_batch;
    EXPECT_LE(AllOf(Advance(block_, in, options)).sub(expected).abs().max().item<double>(), 1e-5);
  }
}

TEST_F(BlockOpsTest, EqualInputsGiveEqualBytes) {
  const MemorySamples in = RandomSamples(config_, 4, 10, 4);
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    AdvanceOptions options;
    options.execution.precision = precision;
    options.out_dtype = DType::kBF16;
    EXPECT_TRUE(AllOf(Advance(block_, in, options)).equal(AllOf(Advance(block_, in, options))));
  }
}

TEST_F(BlockOpsTest, AQuantizedBlockAdvancesByItsDecodedWeights) {
  const auto quantized = QuantizeRtn(config_, block_, {.bits = 4, .group_size = 16});
  ASSERT_TRUE(quantized.ok()) << quantized.status();
  BlockState decoded = block_;
  for (const LinearKind kind : kAllLinears) {
    decoded.linears[kind] = ToHostTensor(Dequantize(std::get<QuantizedLinear>(quantized->linears.at(kind)), at::kCPU));
  }
  const MemorySamples in = RandomSamples(config_, 2, 10, 4);
  EXPECT_TRUE(AllOf(Advance(*quantized, in)).equal(AllOf(Advance(decoded, in))));
}

TEST_F(BlockOpsTest, RoundToNearestDecodesToTheFakeQuantizedWeight) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const auto quantized = QuantizeRtn(config_, block_, {.bits = bits, .group_size = -1});
    ASSERT_TRUE(quantized.ok()) << quantized.status();
    const auto& linear = std::get<QuantizedLinear>(quantized->linears.at(LinearKind::kDown));
    EXPECT_EQ(linear.group_size, config_.intermediate_size);
    const at::Tensor weight = LoadLinear(config_, block_, LinearKind::kDown, at::kFloat, at::kCPU);
    const QuantizerInit init = InitQuantizer(weight, bits, -1, true);
    EXPECT_TRUE(Dequantize(linear, at::kCPU)
                    .equal(FakeQuant(weight, RoundScaleToFp16Ste(init.scale), init.zero_point, bits, -1, at::kFloat)));
  }
}

TEST_F(BlockOpsTest, AdvanceStopsWhenCancelledAndRefusesWhatDoesNotFit) {
  MemorySamples in = RandomSamples(config_, 5, 10, 4);
  MemorySamples out(DType::kF32, in.sample_shape());
  progress_ = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "advance");
    EXPECT_EQ(progress.steps, 5);
    if (progress.step == 2) cancel_.cancelled = true;
  };
  EXPECT_EQ(AdvanceBlock(config_, block_, in, out, AdvanceOptions{}, progress_, cancel_).code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(out.samples(), 2);
  cancel_.cancelled = false;
  MemorySamples wide = RandomSamples(RandomConfig({.hidden = 64}), 1, 10, 4);
  EXPECT_EQ(AdvanceBlock(config_, block_, wide, out, AdvanceOptions{}, nullptr, cancel_).code(),
            absl::StatusCode::kInvalidArgument);
  AdvanceOptions none;
  none.micro_batch = 0;
  EXPECT_EQ(AdvanceBlock(config_, block_, in, out, none, nullptr, cancel_).code(), absl::StatusCode::kInvalidArgument);
  AdvanceOptions half;
  half.out_dtype = DType::kF16;
  EXPECT_EQ(AdvanceBlock(config_, block_, in, out, half, nullptr, cancel_).code(), absl::StatusCode::kInvalidArgument);
}

class PerplexityTest : public ::testing::Test {
 protected:
  // vocab 60000: the logits of a window are scored in several slices.
  LlamaConfig config_ = RandomConfig({.vocab = 60000});
  std::vector<BlockState> blocks_ = {RandomBlock(config_, 3), RandomBlock(config_, 30)};
  HeadWeights head_{RandomHostTensor({config_.vocab_size, config_.hidden_size}, 50),
                    RandomHostTensor({config_.hidden_size}, 51),
                    RandomHostTensor({config_.vocab_size, config_.hidden_size}, 52)};
  MemorySamples tokens_ = RandomTokens(config_, 3, 90, 60);
  std::string scratch_ = ::testing::TempDir() + "lwq_perplexity_test";
  CancelToken cancel_;

  void SetUp() override { std::filesystem::create_directories(scratch_); }
  void TearDown() override { std::filesystem::remove_all(scratch_); }

  StatusOr<PerplexityResult> Measure(const ProgressSink& progress = nullptr) {
    PerplexityOptions options;
    options.micro_batch = 2;
    options.scratch_directory = scratch_;
    return EvaluatePerplexity(
        config_, head_, [&](int64_t k) -> StatusOr<BlockState> { return blocks_[k]; }, tokens_, options, progress,
        cancel_);
  }
};

TEST_F(PerplexityTest, StreamingAgreesWithTheWholeModelAtOnce) {
  const c10::NoGradGuard no_grad;
  LlamaModel model;
  model.config = config_;
  model.embedding = ToTensor(head_.embedding, at::kFloat, at::kCPU);
  model.final_norm = ToTensor(head_.final_norm, at::kFloat, at::kCPU);
  model.lm_head = ToTensor(head_.lm_head, at::kFloat, at::kCPU);
  for (const BlockState& block : blocks_) model.blocks.push_back(LoadBlock(config_, block, at::kFloat, at::kCPU));
  const at::Tensor ids = ToTensor(*tokens_.Read(0, 3), at::kLong, at::kCPU);
  const double nll = NextTokenLoss(model.Forward(ids), ids).sum().item<double>();
  const auto result = Measure();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NEAR(result->nll_sum, nll, 1e-5 * nll);
  EXPECT_NEAR(result->perplexity, std::exp(nll / 3), 1e-4 * std::exp(nll / 3));
  EXPECT_EQ(result->windows, 3);
  EXPECT_EQ(result->tokens, 270);
}

TEST_F(PerplexityTest, NothingIsLeftInTheScratchDirectory) {
  bool seen_during = false;
  ASSERT_TRUE(Measure([&](const Progress&) { seen_during |= !std::filesystem::is_empty(scratch_); }).ok());
  EXPECT_FALSE(seen_during);
  EXPECT_TRUE(std::filesystem::is_empty(scratch_));
}

TEST_F(PerplexityTest, ProgressEndsAtItsTotal) {
  Progress last;
  ASSERT_TRUE(Measure([&](const Progress& progress) { last = progress; }).ok());
  EXPECT_EQ(last.stage, "evaluate");
  EXPECT_EQ(last.step, last.steps);
}

TEST_F(PerplexityTest, BadInputsAreRefusedAndErrorsOfTheLoaderPassThrough) {
  scratch_ += "/absent";
  EXPECT_EQ(Measure().status().code(), absl::StatusCode::kInvalidArgument);
  SetUp();
  cancel_.cancelled = true;
  EXPECT_EQ(Measure().status().code(), absl::StatusCode::kCancelled);
  cancel_.cancelled = false;
  PerplexityOptions options;
  options.scratch_directory = scratch_;
  const auto load = [](int64_t k) -> StatusOr<BlockState> { return absl::DataLossError("block " + std::to_string(k)); };
  EXPECT_EQ(EvaluatePerplexity(config_, head_, load, tokens_, options, nullptr, cancel_).status().code(),
            absl::StatusCode::kDataLoss);
  tokens_ = RandomTokens(config_, 2, 1, 1);  // no next token
  EXPECT_EQ(Measure().status().code(), absl::StatusCode::kInvalidArgument);
  tokens_ = MemorySamples(DType::kI32, {90});  // no window
  EXPECT_EQ(Measure().status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lwq::qat
