// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/products.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

#include "worker/qat/device/cpu_features.h"

namespace lwq::qat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::atomic<bool>& WidenProducts() {
  static std::atomic<bool> widen{!CpuHasBf16()};
  return widen;
}

bool MustWiden(const at::Tensor& operand) {
  return operand.scalar_type() == at::kBFloat16 && operand.device().is_cpu() && WidensProducts();
}

// a · b in float32, rounded to bf16.
at::Tensor RoundedProduct(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.to(at::kFloat), b.to(at::kFloat)).to(at::kBFloat16);
}

at::Tensor AsRows(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}

// `bias` has no elements where there is none: functions of LibTorch 1.13 refuse undefined tensors.
class WidenedLinear : public torch::autograd::Function<WidenedLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    if (bias.numel() == 0) return RoundedProduct(x, weight.t());
    return at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat)).to(at::kBFloat16);
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    at::Tensor grad_x, grad_weight, grad_bias;
    if (context->needs_input_grad(0)) grad_x = RoundedProduct(upstream[0], weight);
    if (context->needs_input_grad(1)) grad_weight = RoundedProduct(AsRows(upstream[0]).t(), AsRows(x));
    if (context->needs_input_grad(2)) grad_bias = AsRows(upstream[0]).sum(0);
    return {grad_x, grad_weight, grad_bias};
  }
};

class WidenedMatmul : public torch::autograd::Function<WidenedMatmul> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& a, const at::Tensor& b) {
    context->save_for_backward({a, b});
    return RoundedProduct(a, b);
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const variable_list saved = context->get_saved_variables();
    at::Tensor grad_a, grad_b;
    if (context->needs_input_grad(0)) grad_a = RoundedProduct(upstream[0], saved[1].transpose(-2, -1));
    if (context->needs_input_grad(1)) grad_b = RoundedProduct(saved[0].transpose(-2, -1), upstream[0]);
    return {grad_a, grad_b};
  }
};

}  // namespace

bool WidensProducts() {
  return WidenProducts().load(std::memory_order_relaxed);
}

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (MustWiden(x)) return WidenedLinear::apply(x, weight, bias.defined() ? bias : at::empty({0}, x.options()));
  return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

at::Tensor Matmul(const at::Tensor& a, const at::Tensor& b) {
  return MustWiden(a) ? WidenedMatmul::apply(a, b) : at::matmul(a, b);
}

ScopedWidenedProducts::ScopedWidenedProducts(bool widened) : before_(WidenProducts().exchange(widened)) {}

ScopedWidenedProducts::~ScopedWidenedProducts() {
  WidenProducts().store(before_);
}

}  // namespace lwq::qat
