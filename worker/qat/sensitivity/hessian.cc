// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/head_loss.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/sensitivity/inner_product.h"
#include "worker/qat/sensitivity/sample_pass.h"

namespace lwq::qat {
namespace {

using Tensors = std::vector<at::Tensor>;

// ∂/∂ε at ε = 0, W being moved to W + ε v, written R below. With u(k) = R A(k):
//   forward:  u(first) = 0; u(k + 1) = J_a u(k) + J_W v_k
//   head:     R G(n) = (∂²l/∂A(n)²) u(n)
//   backward: with φ = ⟨G(k + 1), F_k(a, W)⟩ and s = ⟨∂φ/∂a, u(k)⟩ + ⟨∂φ/∂W, v_k⟩, G(k + 1) held constant,
//             R G(k) = ∂s/∂a + J_aᵀ R G(k + 1)  and  (H v)_k = ∂s/∂W + J_Wᵀ R G(k + 1)
// J_a, J_W are the derivatives of block k's output by its input and its linears; v_k = 0 outside the probe.
class CurvatureWalk {
 public:
  CurvatureWalk(const LlamaConfig& config, const HessianProbe& probe, const HessianInputs& inputs,
                const ShardShape& shard, const SensitivityOptions& options, at::Device device, SamplePass& pass)
      : config_(config),
        probe_(probe),
        inputs_(inputs),
        shard_(shard),
        device_(device),
        pass_(pass),
        tables_(MakeSequenceTables(config, shard.seqlen, device)),
        moved_(options.scratch_directory, shard.seqlen, config.hidden_size),
        moved_gradient_(options.scratch_directory, shard.seqlen, config.hidden_size),
        curvatures_(static_cast<size_t>(probe.blocks)) {}

  std::vector<double> Run() {
    for (int64_t k = probe_.first_block; k < config_.num_hidden_layers; ++k) Forward(k);
    Head();
    for (int64_t k = config_.num_hidden_layers - 1; k >= probe_.first_block; --k) Backward(k);
    return curvatures_;
  }

 private:
  // A block and the probe over its linears; outside the probe nothing is differentiated by weights.
  struct Block {
    BlockTensors weights;
    Tensors linears;
    Tensors directions;
  };
  // What one sample is differentiated by, linears first, and the direction of each.
  struct Moves {
    Tensors variables;
    Tensors directions;
  };

  Block Load(int64_t k) const {
    Block block{LoadBlock(config_, OrThrow(inputs_.load_block(k)), at::kFloat, device_), {}, {}};
    if (k >= probe_.first_block + probe_.blocks) return block;
    for (const LinearKind kind : kAllLinears) {
      const HostTensor direction = OrThrow(probe_.vector(k, kind));
      if (direction.shape != block.weights[kind].sizes().vec()) {
        throw StatusError(absl::InvalidArgumentError(
            absl::StrCat("the probe's vector of block ", k, " ", LinearName(kind), " has not the linear's shape")));
      }
      block.linears.push_back(block.weights[kind].set_requires_grad(true));
      block.directions.push_back(ToTensor(direction, at::kFloat, device_));
    }
    return block;
  }

  std::unique_ptr<SampleSource> Open(const SampleOpener& open, int64_t boundary, std::string_view what) const {
    std::unique_ptr<SampleSource> source = OrThrow(open(boundary));
    CheckActivationsFit(config_, *source, shard_, absl::StrCat(what, " at boundary ", boundary));
    return source;
  }

  // u(first) is 0: there the input is a constant.
  Moves MovesOf(const Block& block, int64_t k, const at::Tensor& in, int64_t sample) const {
    Moves moves{block.linears, block.directions};
    if (k == probe_.first_block) return moves;
    moves.variables.push_back(in.set_requires_grad(true));
    moves.directions.push_back(moved_.Read(MovedAt(k, sample), 1, device_));
    return moves;
  }

  // The derivative of ⟨w, F⟩ by the variables is linear in w: its derivative by w, along the directions, is the
  // directional derivative of F (double backward).
  void Forward(int64_t k) {
    const Block block = Load(k);
    const auto activations = Open(inputs_.activations, k, "activations");
    pass_.ForEach(shard_.samples, [&](int64_t sample) {
      const at::Tensor in = ReadSamples(*activations, sample, 1, device_);
      const Moves moves = MovesOf(block, k, in, sample);
      const at::Tensor out = BlockForward(config_, block.weights, tables_, in);
      const at::Tensor w = at::zeros_like(out).set_requires_grad(true);
      const Tensors first = torch::autograd::grad({out}, moves.variables, {w}, /*retain_graph=*/true,
                                                  /*create_graph=*/true);
      moved_.Write(MovedAt(k + 1, sample), torch::autograd::grad(first, {w}, moves.directions)[0]);
    });
  }

  void Head() {
    const HeadTensors head = LoadHead(config_, *inputs_.head, at::kFloat, device_);
    const int64_t end = config_.num_hidden_layers;
    const auto activations = Open(inputs_.activations, end, "activations");
    pass_.ForEach(shard_.samples, [&](int64_t sample) {
      const at::Tensor product = SampleLossHessianProduct(
          config_, head, ReadSamples(*activations, sample, 1, device_)[0],
          ReadIds(config_, *inputs_.tokens, sample, device_), moved_.Read(MovedAt(end, sample), 1, device_)[0]);
      moved_gradient_.Write(sample, product.unsqueeze(0));
    });
  }

  // s + ⟨R G(k + 1), F⟩ is differentiated once, which gives both sums.
  void Backward(int64_t k) {
    const Block block = Load(k);
    const auto activations = Open(inputs_.activations, k, "activations");
    const auto gradients = Open(inputs_.gradients, k + 1, "gradients");
    pass_.ForEach(shard_.samples, [&](int64_t sample) {
      const at::Tensor in = ReadSamples(*activations, sample, 1, device_);
      Moves moves = MovesOf(block, k, in, sample);
      const at::Tensor out = BlockForward(config_, block.weights, tables_, in);
      Tensors outputs = torch::autograd::grad({out}, moves.variables, {ReadSamples(*gradients, sample, 1, device_)},
                                              /*retain_graph=*/true, /*create_graph=*/true);
      outputs.push_back(out);
      moves.directions.push_back(moved_gradient_.Read(sample, 1, device_));
      const Tensors found = torch::autograd::grad(outputs, moves.variables, moves.directions);
      if (!block.linears.empty()) {
        double curvature = 0;
        for (size_t i = 0; i < block.linears.size(); ++i) curvature += InnerProduct(found[i], block.directions[i]);
        curvatures_[static_cast<size_t>(k - probe_.first_block)] += curvature;
      }
      if (k > probe_.first_block) moved_gradient_.Write(sample, found.back());
    });
  }

  // Where u(boundary) of a sample is spilled; boundary > first_block.
  int64_t MovedAt(int64_t boundary, int64_t sample) const {
    return (boundary - probe_.first_block - 1) * shard_.samples + sample;
  }

  const LlamaConfig& config_;
  const HessianProbe& probe_;
  const HessianInputs& inputs_;
  ShardShape shard_;
  at::Device device_;
  SamplePass& pass_;
  SequenceTables tables_;
  ActivationSpill moved_;           // u(k), k = first_block + 1 … n
  ActivationSpill moved_gradient_;  // R G(k) of the boundary the walk back has reached
  std::vector<double> curvatures_;
};

void CheckProbe(const LlamaConfig& config, const HessianProbe& probe) {
  if (probe.blocks < 1) throw StatusError(absl::InvalidArgumentError("the probe covers no block"));
  CheckBlockIndex(config, probe.first_block);
  CheckBlockIndex(config, probe.first_block + probe.blocks - 1);
}

}  // namespace

StatusOr<std::vector<double>> HessianCurvatures(const LlamaConfig& config, const HessianProbe& probe,
                                                const HessianInputs& inputs, const SensitivityOptions& options,
                                                const ProgressSink& progress, const CancelToken& cancel) {
  return TorchGuard("measuring curvature", [&]() -> StatusOr<std::vector<double>> {
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    CheckProbe(config, probe);
    LWQ_ASSIGN_OR_RETURN(const auto first, inputs.activations(probe.first_block));
    const ShardShape shard = CheckShard(config, *first);
    CheckTokensFit(*inputs.tokens, shard);
    const int64_t walked = config.num_hidden_layers - probe.first_block;
    SamplePass pass(shard.samples * (2 * walked + 1), progress, cancel);
    return CurvatureWalk(config, probe, inputs, shard, options, device, pass).Run();
  });
}

}  // namespace lwq::qat
