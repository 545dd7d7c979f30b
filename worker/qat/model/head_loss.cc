// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/head_loss.h"

#include <ATen/ops/full_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "absl/functional/function_ref.h"
#include "worker/qat/model/fused_head.h"
#include "worker/qat/model/llama_model.h"

namespace lwq::qat {
namespace {

// Rows [first, first + count) of a sample, every one with a next token.
struct Slice {
  int64_t first;
  int64_t count;
};

void ForEachSlice(const LlamaConfig& config, int64_t targets, absl::FunctionRef<void(Slice)> body) {
  const int64_t rows = std::clamp<int64_t>(kLogitElements / config.vocab_size, 1, targets);
  for (int64_t first = 0; first < targets; first += rows) body({first, std::min(rows, targets - first)});
}

// Log-probabilities of the next tokens: rows [count, hidden] → [count, 1].
at::Tensor NextLogProbs(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& rows,
                        const at::Tensor& ids, Slice slice) {
  const at::Tensor next = ids.narrow(0, slice.first + 1, slice.count).unsqueeze(1);
  return at::log_softmax(Logits(config, head.final_norm, head.lm_head, rows), -1).gather(1, next);
}

at::Tensor DifferentiableRows(const at::Tensor& hidden, Slice slice) {
  return hidden.detach().narrow(0, slice.first, slice.count).set_requires_grad(true);
}

// ∂loss/∂log_probs of the mean over `targets`.
at::Tensor MeanWeights(const at::Tensor& log_probs, int64_t targets) {
  return at::full_like(log_probs, -1.0 / static_cast<double>(targets));
}

}  // namespace

std::vector<double> SampleLosses(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                 const at::Tensor& ids) {
  const c10::NoGradGuard no_grad;
  if (CanFuseHead(head, hidden)) return FusedSampleLosses(config, head, hidden, ids);
  std::vector<double> losses;
  for (int64_t i = 0; i < hidden.size(0); ++i) losses.push_back(SampleLoss(config, head, hidden[i], ids[i]));
  return losses;
}

double SampleLoss(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden, const at::Tensor& ids) {
  const c10::NoGradGuard no_grad;
  const int64_t targets = ids.size(0) - 1;
  double sum = 0;
  ForEachSlice(config, targets, [&](Slice slice) {
    const at::Tensor rows = hidden.narrow(0, slice.first, slice.count);
    sum -= NextLogProbs(config, head, rows, ids, slice).sum(at::kDouble).item<double>();
  });
  return sum / static_cast<double>(targets);
}

LossAndGradient SampleLossGradient(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                   const at::Tensor& ids) {
  const int64_t targets = ids.size(0) - 1;
  LossAndGradient result{0, at::zeros_like(hidden)};
  ForEachSlice(config, targets, [&](Slice slice) {
    const at::Tensor rows = DifferentiableRows(hidden, slice);
    const at::Tensor log_probs = NextLogProbs(config, head, rows, ids, slice);
    result.loss -= log_probs.detach().sum(at::kDouble).item<double>();
    const auto gradient = torch::autograd::grad({log_probs}, {rows}, {MeanWeights(log_probs, targets)});
    result.gradient.narrow(0, slice.first, slice.count).copy_(gradient[0]);
  });
  result.loss /= static_cast<double>(targets);
  return result;
}

at::Tensor SampleLossHessianProduct(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                    const at::Tensor& ids, const at::Tensor& direction) {
  const int64_t targets = ids.size(0) - 1;
  at::Tensor product = at::zeros_like(hidden);
  ForEachSlice(config, targets, [&](Slice slice) {
    const at::Tensor rows = DifferentiableRows(hidden, slice);
    const at::Tensor log_probs = NextLogProbs(config, head, rows, ids, slice);
    const auto gradient = torch::autograd::grad({log_probs}, {rows}, {MeanWeights(log_probs, targets)},
                                                /*retain_graph=*/true, /*create_graph=*/true);
    const auto second = torch::autograd::grad(gradient, {rows}, {direction.narrow(0, slice.first, slice.count)});
    product.narrow(0, slice.first, slice.count).copy_(second[0]);
  });
  return product;
}

}  // namespace lwq::qat
