// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/head_loss.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/sensitivity/sample_pass.h"

namespace lwq::qat {

StatusOr<std::vector<double>> LossGradient(const LlamaConfig& config, const HeadWeights& head,
                                           SampleSource& activations, SampleSource& tokens, SampleSink& gradients,
                                           const SensitivityOptions& options, const ProgressSink& progress,
                                           const CancelToken& cancel) {
  return TorchGuard("differentiating the loss", [&]() -> StatusOr<std::vector<double>> {
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const ShardShape shard = CheckShard(config, activations);
    CheckTokensFit(tokens, shard);
    const HeadTensors tensors = LoadHead(config, head, at::kFloat, device);
    std::vector<double> losses;
    SamplePass(shard.samples, progress, cancel).ForEach(shard.samples, [&](int64_t sample) {
      const at::Tensor ids = ReadIds(config, tokens, sample, device);
      const LossAndGradient found =
          SampleLossGradient(config, tensors, ReadSamples(activations, sample, 1, device)[0], ids);
      losses.push_back(found.loss);
      OrThrow(gradients.Append(ToHostTensor(found.gradient.unsqueeze(0))));
    });
    return losses;
  });
}

}  // namespace lwq::qat
