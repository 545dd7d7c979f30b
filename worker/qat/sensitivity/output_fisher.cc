// SPDX-License-Identifier: Apache-2.0
#include <c10/core/GradMode.h>

#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/sensitivity/inner_product.h"
#include "worker/qat/sensitivity/sample_pass.h"

namespace lwq::qat {

// The outputs of the block as it is are spilled, so that one block is held at a time and computed once.
StatusOr<std::vector<double>> OutputFisher(const LlamaConfig& config, const BlockState& block,
                                           const std::vector<std::function<StatusOr<BlockState>()>>& candidates,
                                           SampleSource& activations, SampleSource& gradients,
                                           const SensitivityOptions& options, const ProgressSink& progress,
                                           const CancelToken& cancel) {
  return TorchGuard("measuring output errors", [&]() -> StatusOr<std::vector<double>> {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const ShardShape shard = CheckShard(config, activations);
    CheckActivationsFit(config, gradients, shard, "gradients");
    const SequenceTables tables = MakeSequenceTables(config, shard.seqlen, device);
    ActivationSpill outputs(options.scratch_directory, shard.seqlen, config.hidden_size);
    SamplePass pass(shard.samples * (static_cast<int64_t>(candidates.size()) + 1), progress, cancel);
    const auto for_each_output = [&](const BlockState& state, auto body) {
      const BlockTensors weights = LoadBlock(config, state, at::kFloat, device);
      pass.ForEach(shard.samples, [&](int64_t sample) {
        body(sample, BlockForwardForLosses(config, weights, tables, ReadSamples(activations, sample, 1, device)));
      });
    };
    for_each_output(block, [&](int64_t sample, const at::Tensor& out) { outputs.Write(sample, out); });
    std::vector<double> sums;
    for (const auto& load_candidate : candidates) {
      LWQ_ASSIGN_OR_RETURN(const BlockState candidate, load_candidate());
      double sum = 0;
      for_each_output(candidate, [&](int64_t sample, const at::Tensor& out) {
        const at::Tensor error = out.sub(outputs.Read(sample, 1, device));
        const at::Tensor rise = error.mul(ReadSamples(gradients, sample, 1, device))[0];
        sum += InnerProduct(rise, rise);
      });
      sums.push_back(sum);
    }
    return sums;
  });
}

}  // namespace lwq::qat
