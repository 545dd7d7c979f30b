// SPDX-License-Identifier: Apache-2.0
// The trained parameters of one block: what they are, the weights they serve, the integers they become.
//
// Per linear a latent weight [out, in], a scale and a zero point [out × groups, 1]; and the norm weights. All fp32.
// Parameters whose learning rate is 0 are frozen: they require no gradient. Biases are not trained.
//
// Any device, meta included (no method reads a value but Derive, Latent and CountFlips). Throws StatusError and
// LibTorch's exceptions: use inside TorchGuard. One thread. Moved, not copied: the parameters are shared with the
// optimizer.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/recipe/zero_points.h"
#include "common/task/quant_choice.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/model/block_tensors.h"

namespace lwq::qat {

// Which learning rate a parameter has; the optimizer's groups in this order.
enum ParameterGroup { kQuantGroup, kZeroPointGroup, kWeightGroup };
inline constexpr int kParameterGroups = 3;

class LatentBlock {
 public:
  // Quantizers initialised from min/max of the weights, or as `start` (TrainInputs) has them where it is not null.
  LatentBlock(const LlamaConfig& config, const BlockState& weights, const QuantChoice& choice,
              const TrainOptions& options, at::Device device, const BlockState* start);
  LatentBlock(LatentBlock&&) = default;

  // The fake-quantized linears (scales through RoundScaleToFp16Ste with fp16_scales) and the norms, in the precision
  // of the computation: with gradients off exactly what the derived integers will decode to. Of some of the linears:
  // the others are undefined.
  BlockTensors FakeQuantized(absl::Span<const LinearKind> linears = kAllLinears) const;
  // The integers, scales and zero points of the present state, and the norms.
  BlockState Derive() const;
  // The weights behind them, fp32, and the norms.
  BlockState Latent() const;
  // Groups of `block` whose zero point is not the initial one, and groups in all.
  struct ZeroPointFlips {
    int64_t flips = 0;
    int64_t groups = 0;
  };
  ZeroPointFlips CountFlips(const BlockState& block) const;

  // Every parameter with its name in EfficientQAT's checkpoints: "self_attn.q_proj.weight",
  // "self_attn.q_proj.weight_quantizer.scale", "….zero_point", "input_layernorm.weight". Shares the parameters' memory
  // and gradients.
  struct NamedParameter {
    std::string name;
    at::Tensor tensor;
    ParameterGroup group;
  };
  std::vector<NamedParameter> parameters() const;

 private:
  struct TrainedLinear {
    at::Tensor weight;
    at::Tensor scale;
    at::Tensor zero_point;
    at::Tensor initial_zeros;  // U8, as they would be stored
  };

  at::Tensor ServedScale(const TrainedLinear& linear) const;
  at::Tensor ServedZeroPoint(const TrainedLinear& linear) const;
  // Norms and biases of the present state.
  void CopyRest(BlockState& state) const;

  QuantChoice choice_;
  bool fp16_scales_;
  ZeroPoints zero_points_;
  at::ScalarType compute_type_;
  std::array<TrainedLinear, std::size(kAllLinears)> linears_;
  at::Tensor input_norm_;
  at::Tensor post_attention_norm_;
  at::Tensor query_norm_;  // undefined in architectures without it
  at::Tensor key_norm_;
  std::map<LinearKind, HostTensor> stored_biases_;         // as they came, for Derive and Latent
  std::array<at::Tensor, std::size(kAllLinears)> biases_;  // the same in the precision of the computation
};

}  // namespace lwq::qat
