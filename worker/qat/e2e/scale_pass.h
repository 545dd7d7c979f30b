// SPDX-License-Identifier: Apache-2.0
// One window through the whole quantized model, a block at a time: its loss, and the gradient of every scale.
//
// Not thread-safe; call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "common/artifact/samples.h"
#include "worker/qat/api/train_scales.h"
#include "worker/qat/e2e/scale_tensors.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/model/head_loss.h"
#include "worker/qat/model/sequence_tables.h"

namespace lwq::qat {

class ScalePass {
 public:
  // All references must outlive it. `blocks` may change their scales between calls.
  ScalePass(const LlamaConfig& config, const HeadWeights& head, const std::vector<BlockState>& blocks, int64_t seqlen,
            const TrainScalesOptions& options, at::Device device, const CancelToken& cancel);

  // Mean next-token cross-entropy of a window: forward only, nothing is spilled.
  double Loss(SampleSource& windows, int64_t window);
  // The same, and adds `weight` times the gradient to every block's `gradient`. Where the loss is not finite, nothing
  // is added.
  double AddGradients(SampleSource& windows, int64_t window, double weight, std::vector<ScaleTensors>& scales);

 private:
  // [1, seqlen, hidden] of the window.
  at::Tensor Embedded(SampleSource& windows, int64_t window) const;
  at::Tensor Forward(at::Tensor hidden, bool keeps_inputs);
  // Of block `index`: output gradient → input gradient (undefined for block 0), scale gradients added.
  at::Tensor Backward(int64_t index, const at::Tensor& gradient, ScaleTensors& scales);

  const LlamaConfig& config_;
  const HeadWeights& head_;
  const std::vector<BlockState>& blocks_;
  at::Device device_;
  at::ScalarType compute_type_;
  HeadTensors head_tensors_;
  SequenceTables tables_;
  ActivationSpill inputs_;  // sample k: what block k reads
  const CancelToken& cancel_;
};

}  // namespace lwq::qat
