// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/quant/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/kernels.h"

namespace lwq::qat {
namespace {

// Tensors are cut into pieces of this many elements, and the pieces of all tensors are shared out over the threads.
constexpr int64_t kPieceElements = 64 << 10;

struct Piece {
  const AdamWConstants* constants;
  int64_t count;
  const float* grad;
  float* param;
  float* exp_avg;
  float* exp_avg_sq;
};

AdamWConstants MakeConstants(const AdamWOptions& options, const AdamW::Group& group, int64_t step) {
  const double bias_correction1 = 1 - std::pow(options.beta1, static_cast<double>(step));
  const double bias_correction2 = 1 - std::pow(options.beta2, static_cast<double>(step));
  AdamWConstants constants;
  constants.decay = static_cast<float>(1 - group.lr * group.weight_decay);
  constants.beta1 = static_cast<float>(options.beta1);
  constants.one_minus_beta1 = static_cast<float>(1 - options.beta1);
  constants.beta2 = static_cast<float>(options.beta2);
  constants.one_minus_beta2 = static_cast<float>(1 - options.beta2);
  constants.sqrt_bias_correction2 = static_cast<float>(std::sqrt(bias_correction2));
  constants.eps = static_cast<float>(options.eps);
  constants.minus_step_size = static_cast<float>(-group.lr / bias_correction1);
  return constants;
}

bool CanFuse(const at::Tensor& param, const at::Tensor& grad) {
  return param.is_cpu() && param.is_contiguous() && grad.is_cpu() && grad.scalar_type() == at::kFloat;
}

}  // namespace

AdamW::AdamW(const AdamWOptions& options, std::vector<Group> groups) : options_(options), groups_(std::move(groups)) {}

void AdamW::AddParameter(at::Tensor param, int group) {
  LWQ_CHECK(group >= 0 && group < static_cast<int>(groups_.size()), "AdamW has no group ", group);
  LWQ_CHECK(param.scalar_type() == at::kFloat, "AdamW's parameters are fp32");
  parameters_.push_back({std::move(param), group, {}});
}

void AdamW::SetLr(int group, double lr) {
  LWQ_CHECK(group >= 0 && group < static_cast<int>(groups_.size()), "AdamW has no group ", group);
  groups_[static_cast<size_t>(group)].lr = lr;
}

void AdamW::SetState(size_t parameter, ParameterState state) {
  const at::Tensor& param = parameters_.at(parameter).param;
  for (const at::Tensor& moment : {state.exp_avg, state.exp_avg_sq}) {
    LWQ_CHECK(moment.defined() == (state.steps > 0), "AdamW's moments begin with the first step");
    LWQ_CHECK(!moment.defined() || (moment.sizes() == param.sizes() && moment.scalar_type() == at::kFloat),
              "AdamW's moments have the shape of their parameter");
  }
  parameters_[parameter].state = std::move(state);
}

void AdamW::Step() {
  c10::AutoGradMode no_grad(false);
  // Parameters of a group usually share their constants, but one without a gradient so far has made fewer steps.
  std::vector<AdamWConstants> constants(parameters_.size());
  std::vector<at::Tensor> grads;  // holds contiguous copies while the kernels read them
  std::vector<Piece> pieces;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = parameters_[i];
    const at::Tensor& grad = p.param.grad();
    if (!grad.defined()) continue;
    if (!p.state.exp_avg.defined()) {
      p.state.exp_avg = at::zeros_like(p.param);
      p.state.exp_avg_sq = at::zeros_like(p.param);
    }
    ++p.state.steps;
    const Group& group = groups_[static_cast<size_t>(p.group)];
    if (!CanFuse(p.param, grad)) {
      AdamWStepReference(options_, group, p.state.steps, grad, p.param, p.state.exp_avg, p.state.exp_avg_sq);
      continue;
    }
    constants[i] = MakeConstants(options_, group, p.state.steps);
    grads.push_back(grad.contiguous());
    for (int64_t first = 0; first < p.param.numel(); first += kPieceElements) {
      pieces.push_back({&constants[i], std::min(kPieceElements, p.param.numel() - first),
                        grads.back().data_ptr<float>() + first, p.param.data_ptr<float>() + first,
                        p.state.exp_avg.data_ptr<float>() + first, p.state.exp_avg_sq.data_ptr<float>() + first});
    }
  }
  const KernelSet& kernels = ActiveKernels();
  ParallelFor(static_cast<int64_t>(pieces.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      kernels.adamw(*piece.constants, piece.count, piece.grad, piece.param, piece.exp_avg, piece.exp_avg_sq);
    }
  });
}

void AdamW::ZeroGrad() {
  for (Parameter& p : parameters_) p.param.mutable_grad().reset();
}

void AdamWStepReference(const AdamWOptions& options, const AdamW::Group& group, int64_t step, const at::Tensor& grad,
                        at::Tensor param, at::Tensor exp_avg, at::Tensor exp_avg_sq) {
  c10::AutoGradMode no_grad(false);
  const double bias_correction1 = 1 - std::pow(options.beta1, static_cast<double>(step));
  const double bias_correction2 = 1 - std::pow(options.beta2, static_cast<double>(step));
  param.mul_(1 - group.lr * group.weight_decay);
  exp_avg.mul_(options.beta1).add_(grad, 1 - options.beta1);
  exp_avg_sq.mul_(options.beta2).addcmul_(grad, grad, 1 - options.beta2);
  const at::Tensor denominator = (exp_avg_sq.sqrt() / std::sqrt(bias_correction2)).add_(options.eps);
  param.addcdiv_(exp_avg, denominator, -group.lr / bias_correction1);
}

}  // namespace lwq::qat
