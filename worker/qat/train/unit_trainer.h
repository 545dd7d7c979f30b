// SPDX-License-Identifier: Apache-2.0
// A unit of consecutive blocks and the two things done with it: a gradient of the reconstruction loss, an optimizer
// step.
//
// The input passes through the blocks in their order; the loss is the last one's error, and one optimizer holds the
// parameters of all. With one block this is Block-AP of that block.
//
// Any device, meta included (no method reads a value but GradNorm and Loss). Throws StatusError and LibTorch's
// exceptions: use inside TorchGuard. One thread. Memory: train_memory.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/qat/api/activations.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/sequence_tables.h"
#include "worker/qat/quant/adamw.h"
#include "worker/qat/train/latent_block.h"

namespace lwq::qat {

struct LearningRates {
  double quant = 0;
  double zero_point = 0;
  double weight = 0;
};

class UnitTrainer {
 public:
  // `unit` and `start` as in TrainBlock and TrainInputs.
  UnitTrainer(const LlamaConfig& config, const std::vector<BlockState>& unit, const TrainOptions& options,
              int64_t seqlen, at::Device device, const std::vector<BlockState>& start = {});

  // Mean squared error over all elements of one micro-batch ([n, seqlen, hidden] both), a scalar; adds `share` times
  // its gradient to the parameters' gradients. `share` is the micro-batch's part of the step's samples. To the same
  // bits whatever becomes of the activations. When it throws, gradients are half made: drop them.
  at::Tensor Accumulate(const at::Tensor& in, const at::Tensor& target, double share,
                        Activations activations = Activations::kKept);
  void DropGradients() { optimizer_.ZeroGrad(); }
  // L2 norm over all gradients; frozen parameters have none.
  double GradNorm() const;
  // Multiplies all gradients; by 1 it does nothing.
  void ScaleGradients(double factor);
  // One AdamW step, after which the gradients are dropped.
  void Step(const LearningRates& rates);

  // Each block's weights as they would be served, without gradients, in the precision of the computation.
  std::vector<BlockTensors> ServedWeights() const;
  // Mean squared error of a micro-batch with such weights, without gradients.
  double Loss(const std::vector<BlockTensors>& served, const at::Tensor& in, const at::Tensor& target) const;

  const std::vector<LatentBlock>& blocks() const { return blocks_; }

  // Every parameter that is trained, in the optimizer's order: "<place in the unit>." and its name. Shares the
  // parameters' memory.
  std::vector<LatentBlock::NamedParameter> TrainedParameters() const;
  // Its parameters are those, counted alike.
  const AdamW& optimizer() const { return optimizer_; }
  AdamW& optimizer() { return optimizer_; }

 private:
  at::Tensor Forward(const at::Tensor& in) const;
  at::Tensor AccumulateRecomputed(const at::Tensor& in, const at::Tensor& target, double share) const;

  LlamaConfig config_;
  SequenceTables tables_;
  std::vector<LatentBlock> blocks_;
  AdamW optimizer_;
};

}  // namespace lwq::qat
