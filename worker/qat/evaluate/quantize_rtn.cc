// SPDX-License-Identifier: Apache-2.0
#include <c10/core/GradMode.h>

#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {

StatusOr<BlockState> QuantizeRtn(const LlamaConfig& config, const BlockState& block, const RtnOptions& options) {
  return TorchGuard("round-to-nearest quantization", [&]() -> StatusOr<BlockState> {
    const c10::NoGradGuard no_grad;
    BlockState quantized = LoadRest(config, block);
    for (const LinearKind kind : kAllLinears) {
      const at::Tensor weight = LoadLinear(config, block, kind, at::kFloat, at::kCPU);
      const QuantizerInit init =
          InitQuantizer(weight, options.bits, options.group_size, options.range_contains_zero,
                        options.fp16_scales ? kMinScale : kEfficientQatMinScale, options.zero_points);
      const at::Tensor scale = options.fp16_scales ? RoundScaleToFp16Ste(init.scale) : init.scale;
      auto linear = DeriveQuantizedLinear(weight, scale, init.zero_point, options.bits, options.group_size);
      if (!linear.ok()) return Annotate(linear.status(), LinearName(kind));
      quantized.linears[kind] = *std::move(linear);
    }
    return quantized;
  });
}

}  // namespace lwq::qat
