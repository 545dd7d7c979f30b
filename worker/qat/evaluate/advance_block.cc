// SPDX-License-Identifier: Apache-2.0
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>

#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {

Status AdvanceBlock(const LlamaConfig& config, const BlockState& block, SampleSource& in, SampleSink& out,
                    const AdvanceOptions& options, const ProgressSink& progress, const CancelToken& cancel) {
  return TorchGuard("running a block", [&]() -> Status {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const int64_t seqlen = CheckActivations(config, in, "block inputs");
    CheckActivationType(options.out_dtype, "block outputs");
    CheckMicroBatch(options.micro_batch);
    const BlockTensors weights = LoadBlock(config, block, ComputeType(options.execution.precision), device);
    const SequenceTables tables = MakeSequenceTables(config, seqlen, device);
    for (int64_t first = 0; first < in.samples(); first += options.micro_batch) {
      ThrowIfCancelled(cancel);
      const int64_t count = std::min(options.micro_batch, in.samples() - first);
      const at::Tensor hidden = BlockForward(config, weights, tables, ReadSamples(in, first, count, device));
      LWQ_RETURN_IF_ERROR(out.Append(ToHostTensor(hidden.to(ScalarTypeOf(options.out_dtype)))));
      if (progress) {
        progress({.stage = "advance",
                  .step = first + count,
                  .steps = in.samples(),
                  .loss = std::numeric_limits<double>::quiet_NaN()});
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace lwq::qat
