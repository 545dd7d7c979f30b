// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/sensitivity/inner_product.h"
#include "worker/qat/sensitivity/sample_pass.h"

namespace lwq::qat {

StatusOr<BlockGradients> BackwardBlock(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
                                       SampleSource& gradients, SampleSink* out, bool sum_gradients,
                                       const SensitivityOptions& options, const ProgressSink& progress,
                                       const CancelToken& cancel) {
  return TorchGuard("differentiating a block", [&]() -> StatusOr<BlockGradients> {
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const ShardShape shard = CheckShard(config, activations);
    CheckActivationsFit(config, gradients, shard, "gradients");
    const BlockTensors weights = LoadBlock(config, block, at::kFloat, device);
    const SequenceTables tables = MakeSequenceTables(config, shard.seqlen, device);
    std::vector<at::Tensor> sums;
    for (const at::Tensor& weight : weights.linears) {
      if (sum_gradients) sums.push_back(at::zeros_like(weight));
      weight.set_requires_grad(true);
    }
    BlockGradients result;
    SamplePass(shard.samples, progress, cancel).ForEach(shard.samples, [&](int64_t sample) {
      const at::Tensor in = ReadSamples(activations, sample, 1, device).set_requires_grad(out != nullptr);
      std::vector<at::Tensor> variables(weights.linears.begin(), weights.linears.end());
      if (out != nullptr) variables.push_back(in);
      const std::vector<at::Tensor> found = torch::autograd::grad(
          {BlockForward(config, weights, tables, in)}, variables, {ReadSamples(gradients, sample, 1, device)});
      double squared_norm = 0;
      for (size_t i = 0; i < weights.linears.size(); ++i) {
        squared_norm += InnerProduct(found[i], found[i]);
        if (sum_gradients) sums[i].add_(found[i]);
      }
      result.squared_norms.push_back(squared_norm);
      if (out != nullptr) OrThrow(out->Append(ToHostTensor(found.back())));
    });
    for (size_t i = 0; i < sums.size(); ++i) result.sum[kAllLinears[i]] = ToHostTensor(sums[i]);
    return result;
  });
}

}  // namespace lwq::qat
