// The trained parameters of one block and the two things done with them: a gradient of the reconstruction loss, an
// optimizer step.
//
// Per linear a latent weight [out, in], a scale and a zero point [out × groups, 1]; and the two norm weights. All fp32.
// The forward pass uses the fake-quantized linears (scales through RoundScaleToFp16Ste with `fp16_scales`), so with
// gradients off it computes exactly what the derived integers will. Parameters whose learning rate is 0 are frozen: no
// gradient, not in the gradient's norm.
//
// Any device, meta included (no method reads a value but GradNorm and Derive). Throws StatusError and LibTorch's
// exceptions: use inside TorchGuard. One thread. Memory: train_memory.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string>
#include <vector>

#include "worker/qat/api/train_block.h"
#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/sequence_tables.h"
#include "worker/qat/quant/adamw.h"

namespace lwq::qat {

struct LearningRates {
  double quant = 0;
  double zero_point = 0;
  double weight = 0;
};

class BlockTrainer {
 public:
  // Quantizers initialised from min/max of the weights, or as `start` (TrainInputs) has them.
  BlockTrainer(const LlamaConfig& config, const BlockState& full_precision, const TrainOptions& options, int64_t seqlen,
               at::Device device, const BlockState* start = nullptr);

  // Mean squared error over all elements of one micro-batch ([n, seqlen, hidden] both), a scalar; adds `share` times
  // its gradient to the parameters' gradients. `share` is the micro-batch's part of the step's samples.
  at::Tensor Accumulate(const at::Tensor& in, const at::Tensor& target, double share);
  // L2 norm over all gradients.
  double GradNorm() const;
  // One AdamW step, after which the gradients are dropped.
  void Step(const LearningRates& rates);

  // The weights as they would be served, without gradients, in the precision of the computation.
  BlockTensors ServedWeights() const;
  // Mean squared error of a micro-batch with such weights, without gradients.
  double Loss(const BlockTensors& served, const at::Tensor& in, const at::Tensor& target) const;
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
  };
  std::vector<NamedParameter> parameters() const;

 private:
  struct TrainedLinear {
    at::Tensor weight;
    at::Tensor scale;
    at::Tensor zero_point;
    at::Tensor initial_zeros;  // U8, as they would be stored
  };
  enum Group { kQuant, kZeroPoint, kWeight };

  void AddParameter(at::Tensor& tensor, Group group, double base_lr);
  at::Tensor ServedScale(const TrainedLinear& linear) const;
  BlockTensors FakeQuantized() const;

  LlamaConfig config_;
  TrainOptions options_;
  at::ScalarType compute_type_;
  SequenceTables tables_;
  std::array<TrainedLinear, std::size(kAllLinears)> linears_;
  at::Tensor input_norm_;
  at::Tensor post_attention_norm_;
  AdamW optimizer_;
};

}  // namespace lwq::qat
