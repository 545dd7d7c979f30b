// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/quant/fake_quant.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/kernels.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Elements a thread should have at least; fewer are not worth waking it.
constexpr int64_t kElementsPerThread = 32 << 10;
// Outputs from this size on are written around the caches: they would only push out what the next product reads.
constexpr int64_t kStreamFromBytes = 16 << 20;

struct Quantizer {
  int bits;
  int64_t group_size;  // resolved
};

struct CpuInputs {
  at::Tensor weight, scale, zero_point;  // keep the memory of `raw`
  FakeQuantInput raw;
  int64_t rows;
};

CpuInputs MakeInputs(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                     const Quantizer& quantizer) {
  CpuInputs in{weight.contiguous(), scale.contiguous(), zero_point.contiguous(), {}, scale.size(0)};
  in.raw = {in.weight.data_ptr<float>(), in.scale.data_ptr<float>(), in.zero_point.data_ptr<float>(),
            quantizer.group_size, static_cast<float>((1 << quantizer.bits) - 1)};
  return in;
}

int64_t RowsPerThread(int64_t group_size) {
  return std::max<int64_t>(1, kElementsPerThread / group_size);
}

uint16_t* Bf16Data(const at::Tensor& tensor) {
  return reinterpret_cast<uint16_t*>(tensor.data_ptr<at::BFloat16>());
}

bool IsOnCpu(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point) {
  return weight.is_cpu() && scale.is_cpu() && zero_point.is_cpu();
}

at::Tensor ForwardOnCpu(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                        const Quantizer& quantizer, at::ScalarType out_dtype) {
  const CpuInputs in = MakeInputs(weight, scale, zero_point, quantizer);
  const at::Tensor out = at::empty(weight.sizes(), weight.options().dtype(out_dtype).requires_grad(false));
  const bool streaming = static_cast<int64_t>(out.nbytes()) >= kStreamFromBytes;
  const KernelSet& kernels = ActiveKernels();
  ParallelFor(in.rows, RowsPerThread(quantizer.group_size), [&](int64_t first, int64_t last) {
    if (out_dtype == at::kFloat) {
      kernels.fake_quant_f32(in.raw, first, last, out.data_ptr<float>(), streaming);
    } else {
      kernels.fake_quant_bf16(in.raw, first, last, Bf16Data(out), streaming);
    }
  });
  return out;
}

variable_list BackwardOnCpu(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                            const Quantizer& quantizer, const at::Tensor& upstream, bool weight_gradient) {
  const CpuInputs in = MakeInputs(weight, scale, zero_point, quantizer);
  const at::Tensor grad_out = upstream.contiguous();
  const at::Tensor grad_weight = weight_gradient ? at::empty(weight.sizes(), in.weight.options()) : at::Tensor();
  const at::Tensor grad_scale = at::empty(scale.sizes(), in.scale.options());
  const at::Tensor grad_zero = at::empty(zero_point.sizes(), in.zero_point.options());
  const FakeQuantGradients gradients{weight_gradient ? grad_weight.data_ptr<float>() : nullptr,
                                     grad_scale.data_ptr<float>(), grad_zero.data_ptr<float>()};
  const bool streaming = static_cast<int64_t>(weight.nbytes()) >= kStreamFromBytes;
  const KernelSet& kernels = ActiveKernels();
  ParallelFor(in.rows, RowsPerThread(quantizer.group_size), [&](int64_t first, int64_t last) {
    if (grad_out.scalar_type() == at::kFloat) {
      kernels.fake_quant_backward_f32(in.raw, first, last, grad_out.data_ptr<float>(), gradients, streaming);
    } else {
      kernels.fake_quant_backward_bf16(in.raw, first, last, Bf16Data(grad_out), gradients, streaming);
    }
  });
  return {grad_weight, grad_scale, grad_zero};
}

at::Tensor Forward(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                   const Quantizer& quantizer, at::ScalarType out_dtype) {
  if (IsOnCpu(weight, scale, zero_point)) return ForwardOnCpu(weight, scale, zero_point, quantizer, out_dtype);
  return FakeQuantReference(weight, scale, zero_point, quantizer.bits, quantizer.group_size).to(out_dtype);
}

variable_list Backward(const variable_list& inputs, const Quantizer& quantizer, const at::Tensor& upstream,
                       bool weight_gradient) {
  if (IsOnCpu(inputs[0], inputs[1], inputs[2])) {
    return BackwardOnCpu(inputs[0], inputs[1], inputs[2], quantizer, upstream, weight_gradient);
  }
  const QuantizerGradients gradients = FakeQuantGradientsReference(inputs[0], inputs[1], inputs[2], quantizer.bits,
                                                                   quantizer.group_size, upstream, weight_gradient);
  return {gradients.weight, gradients.scale, gradients.zero_point};
}

// The same gradients through the chain of at:: operators, which autograd can differentiate again.
variable_list DifferentiableBackward(const variable_list& inputs, const Quantizer& quantizer,
                                     const at::Tensor& upstream) {
  const at::Tensor out = FakeQuantReference(inputs[0], inputs[1], inputs[2], quantizer.bits, quantizer.group_size);
  variable_list wanted;
  for (const at::Tensor& input : inputs) {
    if (input.requires_grad()) wanted.push_back(input);
  }
  const variable_list found = torch::autograd::grad({out}, wanted, {upstream.to(at::kFloat)}, /*retain_graph=*/true,
                                                    /*create_graph=*/true);
  variable_list gradients;
  size_t next = 0;
  for (const at::Tensor& input : inputs) gradients.push_back(input.requires_grad() ? found[next++] : at::Tensor());
  return gradients;
}

class FusedFakeQuant : public torch::autograd::Function<FusedFakeQuant> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& zero_point, int64_t bits, int64_t group_size, int64_t out_dtype) {
    context->save_for_backward({weight, scale, zero_point});
    context->saved_data["bits"] = bits;
    context->saved_data["group_size"] = group_size;
    context->saved_data["weight_gradient"] = weight.requires_grad();
    return Forward(weight, scale, zero_point, {static_cast<int>(bits), group_size},
                   static_cast<at::ScalarType>(out_dtype));
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const variable_list saved = context->get_saved_variables();
    const Quantizer quantizer{static_cast<int>(context->saved_data["bits"].toInt()),
                              context->saved_data["group_size"].toInt()};
    variable_list gradients = c10::GradMode::is_enabled() ? DifferentiableBackward(saved, quantizer, upstream[0])
                                                          : Backward(saved, quantizer, upstream[0],
                                                                     context->saved_data["weight_gradient"].toBool());
    gradients.resize(6);  // the three numbers have none
    return gradients;
  }
};

}  // namespace

at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                     int64_t group_size, at::ScalarType out_dtype) {
  const int64_t group = CheckQuantizerShapes(weight, scale, zero_point, bits, group_size);
  if (out_dtype != at::kFloat && out_dtype != at::kBFloat16) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("fake-quantized weights are float or bfloat16, not ", c10::toString(out_dtype))));
  }
  if (weight.numel() == 0) return FakeQuantReference(weight, scale, zero_point, bits, group).to(out_dtype);
  const bool differentiable =
      c10::GradMode::is_enabled() && (weight.requires_grad() || scale.requires_grad() || zero_point.requires_grad());
  if (!differentiable) {
    const c10::NoGradGuard no_grad;
    return Forward(weight, scale, zero_point, {bits, group}, out_dtype);
  }
  return FusedFakeQuant::apply(weight, scale, zero_point, static_cast<int64_t>(bits), group,
                               static_cast<int64_t>(out_dtype));
}

}  // namespace lwq::qat
