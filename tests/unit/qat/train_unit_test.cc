// SPDX-License-Identifier: Apache-2.0
// TrainBlock on units of several blocks: the chain through them, and that each keeps its own bits and groups.
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSeqlen = 12;

// Block-AP of a chain of blocks written out, with nothing of worker/qat/train: leaves, forward pass, optimizer.
class WrittenOut {
 public:
  WrittenOut(const LlamaConfig& config, const std::vector<BlockState>& unit, const TrainOptions& options)
      : config_(config),
        choices_(UnitChoices(options)),
        tables_(MakeSequenceTables(config, kSeqlen, at::kCPU)),
        optimizer_({}, {{0, options.wd}, {0, options.wd}}) {
    for (size_t i = 0; i < unit.size(); ++i) {
      for (const LinearKind kind : kAllLinears) {
        const at::Tensor weight = LoadLinear(config, unit[i], kind, at::kFloat, at::kCPU);
        const QuantizerInit init = InitQuantizer(weight, choices_[i].bits, choices_[i].group_size, true);
        const std::string name(LinearName(kind));
        Add(i, name + ".weight", weight, 1);
        Add(i, name + ".weight_quantizer.scale", init.scale, 0);
        Add(i, name + ".weight_quantizer.zero_point", init.zero_point, 0);
      }
      Add(i, "input_layernorm.weight", LoadNorm(config, unit[i].input_norm, "", at::kCPU), 1);
      Add(i, "post_attention_layernorm.weight", LoadNorm(config, unit[i].post_attention_norm, "", at::kCPU), 1);
    }
  }

  // Adds the gradients of the error of the last block's output.
  double Backward(const at::Tensor& in, const at::Tensor& target) {
    at::Tensor hidden = in;
    for (size_t i = 0; i < choices_.size(); ++i) hidden = BlockForward(config_, FakeQuantized(i), tables_, hidden);
    const at::Tensor loss = hidden.sub(target).pow(2).mean();
    loss.backward();
    return loss.item<double>();
  }
  void Step(double quant_lr, double weight_lr) {
    optimizer_.SetLr(0, quant_lr);
    optimizer_.SetLr(1, weight_lr);
    optimizer_.Step();
    optimizer_.ZeroGrad();
  }
  const at::Tensor& At(size_t block, const std::string& name) const { return parameters_.at({block, name}); }
  size_t size() const { return parameters_.size(); }

 private:
  void Add(size_t block, const std::string& name, const at::Tensor& value, int group) {
    value.set_requires_grad(true);
    optimizer_.AddParameter(value, group);
    parameters_[{block, name}] = value;
  }
  BlockTensors FakeQuantized(size_t i) const {
    BlockTensors block;
    for (const LinearKind kind : kAllLinears) {
      const std::string name(LinearName(kind));
      block[kind] =
          FakeQuant(At(i, name + ".weight"), RoundScaleToFp16Ste(At(i, name + ".weight_quantizer.scale")),
                    At(i, name + ".weight_quantizer.zero_point"), choices_[i].bits, choices_[i].group_size, at::kFloat);
    }
    block.input_norm = At(i, "input_layernorm.weight");
    block.post_attention_norm = At(i, "post_attention_layernorm.weight");
    return block;
  }

  LlamaConfig config_;
  std::vector<QuantChoice> choices_;
  SequenceTables tables_;
  AdamW optimizer_;
  std::map<std::pair<size_t, std::string>, at::Tensor> parameters_;
};

class TrainUnitTest : public ::testing::Test {
 protected:
  // 3 bits, then 2 bits in other groups, then 4 bits.
  static TrainOptions Options(size_t blocks) {
    const std::vector<QuantChoice> further = {{2, 8}, {4, -1}};
    TrainOptions options;
    options.bits = 3;
    options.group_size = 16;
    options.rest.assign(further.begin(), further.begin() + static_cast<int64_t>(blocks) - 1);
    options.quant_lr = 1e-3;
    options.weight_lr = 1e-3;
    return options;
  }
  std::vector<BlockState> Unit(size_t blocks) const {
    std::vector<BlockState> unit;
    for (size_t i = 0; i < blocks; ++i) unit.push_back(RandomBlock(config_, 100 * (i + 1)));
    return unit;
  }
  TrainingSet Data(const std::vector<BlockState>& unit) const {
    return RandomTrainingSet(config_, unit, /*train=*/8, /*val=*/4, kSeqlen, /*seed=*/90);
  }
  StatusOr<TrainOutcome> Try(const std::vector<BlockState>& unit, const TrainOptions& options,
                             const std::vector<BlockState>& start = {}) {
    TrainingSet data = Data(Unit(unit.size()));
    TrainInputs inputs = data.inputs();
    inputs.start = start;
    return TrainBlock(config_, unit, inputs, options, nullptr, CancelToken{});
  }
  TrainOutcome Train(const std::vector<BlockState>& unit, const TrainOptions& options,
                     const std::vector<BlockState>& start = {}) {
    auto outcome = Try(unit, options, start);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    LWQ_CHECK(!outcome->diverged, "diverged");
    return *std::move(outcome);
  }
  BlockState Rtn(const BlockState& block, const QuantChoice& choice) const {
    RtnOptions rtn;
    rtn.bits = choice.bits;
    rtn.group_size = choice.group_size;
    return *QuantizeRtn(config_, block, rtn);
  }
  static std::vector<BlockState> States(const TrainOutcome& outcome, BlockState TrainedBlock::*member) {
    std::vector<BlockState> states;
    for (const TrainedBlock& block : outcome.blocks) states.push_back(block.*member);
    return states;
  }

  LlamaConfig config_ = RandomConfig();
};

TEST_F(TrainUnitTest, EveryParametersGradientIsThatOfTheChainWrittenOut) {
  const std::vector<BlockState> unit = Unit(2);
  const TrainingSet data = Data(unit);
  UnitTrainer trainer(config_, unit, Options(2), kSeqlen, at::kCPU);
  WrittenOut written(config_, unit, Options(2));
  const at::Tensor in = AllOf(data.train_in), target = AllOf(data.train_target);
  EXPECT_EQ(trainer.Accumulate(in, target, 1).item<double>(), written.Backward(in, target));
  size_t compared = 0;
  double squares = 0;
  for (size_t i = 0; i < 2; ++i) {
    for (const auto& parameter : trainer.blocks()[i].parameters()) {
      const at::Tensor& gradient = parameter.tensor.grad();
      EXPECT_TRUE(gradient.equal(written.At(i, parameter.name).grad())) << "block " << i << " " << parameter.name;
      const double norm = gradient.norm().item<double>();
      EXPECT_TRUE(norm > 0 || parameter.name.ends_with("zero_point")) << "block " << i << " " << parameter.name;
      squares += norm * norm;
      ++compared;
    }
  }
  EXPECT_EQ(compared, written.size());
  EXPECT_NEAR(trainer.GradNorm(), std::sqrt(squares), 1e-5 * std::sqrt(squares));
}

TEST_F(TrainUnitTest, UnitsOfOneTwoAndThreeBlocksTrainExactlyAsTheLoopWrittenOut) {
  for (const size_t blocks : {1, 2, 3}) {
    const std::vector<BlockState> unit = Unit(blocks);
    const TrainingSet data = Data(unit);
    TrainOptions options = Options(blocks);
    options.keep_best = false;
    options.keep_latent = true;
    const TrainOutcome outcome = Train(unit, options);
    WrittenOut written(config_, unit, options);
    for (int64_t step = 0; step < outcome.steps; ++step) {
      const int64_t first = step % 4 * 2;
      EXPECT_EQ(
          written.Backward(AllOf(data.train_in).narrow(0, first, 2), AllOf(data.train_target).narrow(0, first, 2)),
          outcome.train_losses[static_cast<size_t>(step)])
          << blocks << " blocks, step " << step;
      const double rate = LearningRate(LrSchedule::kCosine, 1e-3, options.min_lr_factor, step, outcome.steps);
      written.Step(rate, rate);
    }
    ASSERT_EQ(outcome.blocks.size(), blocks);
    for (size_t i = 0; i < blocks; ++i) {
      for (const LinearKind kind : kAllLinears) {
        const auto& latent = std::get<HostTensor>(outcome.blocks[i].latent.linears.at(kind));
        EXPECT_TRUE(SameBytes(latent, ToHostTensor(written.At(i, std::string(LinearName(kind)) + ".weight").detach())));
      }
      EXPECT_TRUE(SameBytes(outcome.blocks[i].block.input_norm,
                            ToHostTensor(written.At(i, "input_layernorm.weight").detach())));
    }
  }
}

TEST_F(TrainUnitTest, TheReportedLossIsTheErrorOfTheServedBlocksOneAfterTheOther) {
  const std::vector<BlockState> unit = Unit(3);
  const TrainingSet data = Data(unit);
  TrainOptions options = Options(3);
  options.epochs = 4;
  const TrainOutcome outcome = Train(unit, options);
  EXPECT_LT(outcome.final_val_loss, 0.9 * outcome.initial_val_loss);
  MemorySamples hidden = data.val_in;
  for (const TrainedBlock& trained : outcome.blocks) {
    MemorySamples out(DType::kF32, hidden.sample_shape());
    ASSERT_TRUE(AdvanceBlock(config_, trained.block, hidden, out, {.micro_batch = 2}, nullptr, CancelToken{}).ok());
    hidden = std::move(out);
  }
  const double served = AllOf(hidden).sub(AllOf(data.val_target)).pow(2).mean().item<double>();
  EXPECT_NEAR(served, outcome.final_val_loss, 1e-5 * served);
}

TEST_F(TrainUnitTest, EachBlockHasItsOwnBitsAndGroupsAndIsTrained) {
  const std::vector<BlockState> unit = Unit(3);
  const TrainOptions options = Options(3);
  const TrainOutcome outcome = Train(unit, options);
  const std::vector<QuantChoice> choices = UnitChoices(options);
  ASSERT_EQ(outcome.blocks.size(), choices.size());
  for (size_t i = 0; i < choices.size(); ++i) {
    for (const LinearKind kind : kAllLinears) {
      const auto& linear = std::get<QuantizedLinear>(outcome.blocks[i].block.linears.at(kind));
      EXPECT_EQ(linear.bits, choices[i].bits);
      EXPECT_EQ(linear.group_size, ResolveGroupSize(linear.in_features, choices[i].group_size));
    }
    EXPECT_FALSE(SameBytes(outcome.blocks[i].block, Rtn(unit[i], choices[i]))) << "block " << i << " was not trained";
  }
}

TEST_F(TrainUnitTest, ZeroEpochsRoundEveryBlockToNearest) {
  const std::vector<BlockState> unit = Unit(3);
  TrainOptions options = Options(3);
  options.epochs = 0;
  const TrainOutcome outcome = Train(unit, options);
  for (size_t i = 0; i < unit.size(); ++i) {
    EXPECT_TRUE(SameBytes(outcome.blocks[i].block, Rtn(unit[i], UnitChoices(options)[i])));
  }
}

TEST_F(TrainUnitTest, KeepBestGivesBackEveryBlocksInitialStateWhenTrainingOnlyHarms) {
  const std::vector<BlockState> unit = Unit(2);
  TrainOptions options = Options(2);
  options.quant_lr = options.weight_lr = 1;
  options.keep_latent = true;
  const TrainOutcome outcome = Train(unit, options);
  EXPECT_EQ(outcome.final_val_loss, outcome.initial_val_loss);
  for (size_t i = 0; i < unit.size(); ++i) {
    EXPECT_TRUE(SameBytes(outcome.blocks[i].block, Rtn(unit[i], UnitChoices(options)[i])));
    EXPECT_TRUE(SameBytes(std::get<HostTensor>(outcome.blocks[i].latent.linears.at(LinearKind::kDown)),
                          std::get<HostTensor>(unit[i].linears.at(LinearKind::kDown))));
    EXPECT_EQ(outcome.blocks[i].zero_point_flips, 0);
  }
}

TEST_F(TrainUnitTest, ZeroPointFlipsAreCountedByBlockAndInAll) {
  TrainOptions options = Options(2);
  options.bits = 2;
  options.zp_lr = 0.2;
  options.quant_lr = 1e-2;
  options.keep_best = false;
  const TrainOutcome outcome = Train(Unit(2), options);
  int64_t flips = 0, groups = 0;
  for (const TrainedBlock& block : outcome.blocks) {
    EXPECT_GT(block.zero_point_flips, 0);
    EXPECT_LT(block.zero_point_flips, block.zero_points);
    flips += block.zero_point_flips;
    groups += block.zero_points;
  }
  EXPECT_EQ(outcome.zero_point_flips, flips);
  EXPECT_EQ(outcome.zero_points, groups);
  EXPECT_EQ(outcome.blocks[1].zero_points, 2 * outcome.blocks[0].zero_points) << "groups of 8 against groups of 16";
}

TEST_F(TrainUnitTest, AUnitThatGoesOnStartsWhereItEnded) {
  TrainOptions options = Options(2);
  options.keep_latent = true;
  const TrainOutcome first = Train(Unit(2), options);
  const std::vector<BlockState> start = States(first, &TrainedBlock::block);
  const std::vector<BlockState> latent = States(first, &TrainedBlock::latent);
  const TrainOutcome second = Train(latent, options, start);
  EXPECT_EQ(second.initial_val_loss, first.final_val_loss);
  EXPECT_LT(second.final_val_loss, first.final_val_loss);
  EXPECT_LT(second.train_losses.front(), first.train_losses.front());

  options.epochs = 0;
  const TrainOutcome nothing_more = Train(latent, options, start);
  for (size_t i = 0; i < start.size(); ++i) EXPECT_TRUE(SameBytes(nothing_more.blocks[i].block, start[i]));
}

TEST_F(TrainUnitTest, EqualInputsGiveEqualBytes) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    TrainOptions options = Options(2);
    options.execution.precision = precision;
    const TrainOutcome first = Train(Unit(2), options), second = Train(Unit(2), options);
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(SameBytes(first.blocks[i].block, second.blocks[i].block));
    EXPECT_EQ(first.train_losses, second.train_losses);
    EXPECT_EQ(first.grad_norms, second.grad_norms);
  }
}

TEST_F(TrainUnitTest, AccumulatedMicroBatchesTrainLikeTheWholeBatch) {
  TrainOptions options = Options(2);
  options.batch_size = 4;
  const TrainOutcome whole = Train(Unit(2), options);
  options.gradient_accumulation_steps = 2;
  const TrainOutcome parts = Train(Unit(2), options);
  ASSERT_EQ(parts.steps, whole.steps);
  for (size_t i = 0; i < whole.train_losses.size(); ++i) {
    EXPECT_NEAR(parts.train_losses[i], whole.train_losses[i], 1e-5 * whole.train_losses[i]) << "step " << i;
    EXPECT_NEAR(parts.grad_norms[i], whole.grad_norms[i], 1e-4 * whole.grad_norms[i]) << "step " << i;
  }
}

TEST_F(TrainUnitTest, ANanInALaterBlocksWeightsDivergesBeforeTheFirstStep) {
  std::vector<BlockState> unit = Unit(2);
  at::Tensor weight = RandomTensor({config_.hidden_size, config_.hidden_size}, 1);
  weight[3][4] = std::nan("");
  unit[1].linears[LinearKind::kQ] = ToHostTensor(weight);
  const auto outcome = Try(unit, Options(2));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_TRUE(outcome->diverged);
  EXPECT_EQ(outcome->diverged->step, 0);
  EXPECT_TRUE(outcome->blocks.empty());
}

TEST_F(TrainUnitTest, AStepOfAUnitNeedsNothingOfTheCpu) {
  UnitTrainer trainer(config_, Unit(2), Options(2), kSeqlen, at::kMeta);
  const at::Tensor samples = RandomTensor({2, kSeqlen, config_.hidden_size}, 1).to(at::kMeta);
  EXPECT_EQ(trainer.Accumulate(samples, samples, 1).device().type(), at::kMeta);
  for (const LatentBlock& block : trainer.blocks()) {
    for (const auto& parameter : block.parameters()) EXPECT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
  }
  trainer.Step({.quant = 1e-3, .zero_point = 1e-3, .weight = 1e-3});
}

TEST_F(TrainUnitTest, UnitsThatDoNotFitTheirOptionsAreRefusedByName) {
  const std::vector<BlockState> unit = Unit(2);
  TrainOptions options = Options(2);
  options.keep_latent = true;
  const TrainOutcome first = Train(unit, options);
  const std::vector<BlockState> start = States(first, &TrainedBlock::block);
  const std::vector<BlockState> latent = States(first, &TrainedBlock::latent);
  const auto refusal = [&](const std::vector<BlockState>& blocks, const TrainOptions& asked,
                           const std::vector<BlockState>& from = {}) {
    const Status status = Try(blocks, asked, from).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(refusal(unit, Options(3)), "blocks in the unit: 2, but bits and group_size are given for 3");
  EXPECT_EQ(refusal(Unit(3), options), "blocks in the unit: 3, but bits and group_size are given for 2");
  EXPECT_EQ(refusal(latent, options, {start[0]}), "blocks in the unit: 2, but in the training to go on from: 1");
  options.rest[0].bits = 4;
  EXPECT_EQ(refusal(latent, options, start),
            "the training to go on from has no self_attn.q_proj of 4 bits and groups of 8 in block 1 of the unit");
  options.rest[0].bits = 7;
  EXPECT_THAT(refusal(unit, options), HasSubstr("bits"));
  options.rest[0] = {4, 5};
  EXPECT_THAT(refusal(unit, options), HasSubstr("group_size"));
}

}  // namespace
}  // namespace lwq::qat
