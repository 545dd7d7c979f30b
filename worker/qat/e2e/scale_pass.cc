// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/e2e/scale_pass.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>

#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/embed_rows.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/sensitivity/sample_pass.h"

namespace lwq::qat {

ScalePass::ScalePass(const LlamaConfig& config, const HeadWeights& head, const std::vector<BlockState>& blocks,
                     int64_t seqlen, const TrainScalesOptions& options, at::Device device, const CancelToken& cancel)
    : config_(config),
      head_(head),
      blocks_(blocks),
      device_(device),
      compute_type_(ComputeType(options.execution.precision)),
      head_tensors_(LoadHead(config, head, compute_type_, device)),
      tables_(MakeSequenceTables(config, seqlen, device)),
      inputs_(options.scratch_directory, seqlen, config.hidden_size),
      cancel_(cancel) {}

at::Tensor ScalePass::Embedded(SampleSource& windows, int64_t window) const {
  const HostTensor rows = OrThrow(EmbedRows(config_, head_.embedding, OrThrow(windows.Read(window, 1))));
  return ToTensor(rows, at::kFloat, device_);
}

at::Tensor ScalePass::Forward(at::Tensor hidden, bool keeps_inputs) {
  const c10::NoGradGuard no_grad;
  for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
    ThrowIfCancelled(cancel_);
    if (keeps_inputs) inputs_.Write(k, hidden);
    const BlockTensors block = LoadBlock(config_, blocks_[static_cast<size_t>(k)], compute_type_, device_);
    hidden = BlockForward(config_, block, tables_, hidden);
  }
  return hidden;
}

double ScalePass::Loss(SampleSource& windows, int64_t window) {
  const at::Tensor ids = ReadIds(config_, windows, window, device_);
  return SampleLoss(config_, head_tensors_, Forward(Embedded(windows, window), false)[0], ids);
}

double ScalePass::AddGradients(SampleSource& windows, int64_t window, double weight,
                               std::vector<ScaleTensors>& scales) {
  const at::Tensor ids = ReadIds(config_, windows, window, device_);
  LossAndGradient found = SampleLossGradient(config_, head_tensors_, Forward(Embedded(windows, window), true)[0], ids);
  if (!std::isfinite(found.loss)) return found.loss;
  at::Tensor gradient = found.gradient.mul_(weight).unsqueeze(0);
  for (int64_t k = config_.num_hidden_layers - 1; k >= 0; --k) {
    ThrowIfCancelled(cancel_);
    gradient = Backward(k, gradient, scales[static_cast<size_t>(k)]);
  }
  return found.loss;
}

at::Tensor ScalePass::Backward(int64_t index, const at::Tensor& gradient, ScaleTensors& scales) {
  const BlockState& state = blocks_[static_cast<size_t>(index)];
  std::vector<at::Tensor> found;
  {
    const BlockTensors block = LoadBlock(config_, state, compute_type_, device_);
    const at::Tensor in = inputs_.Read(index, 1, device_).set_requires_grad(index > 0);
    std::vector<at::Tensor> variables(block.linears.begin(), block.linears.end());
    for (const at::Tensor& weight : variables) weight.set_requires_grad(true);
    if (index > 0) variables.push_back(in);
    found = torch::autograd::grad({BlockForward(config_, block, tables_, in)}, variables, {gradient});
  }
  at::Tensor before;
  if (index > 0) {
    before = found.back();
    found.pop_back();
  }
  AddScaleGradients(state, found, scales.gradient);
  return before;
}

}  // namespace lwq::qat
