// SPDX-License-Identifier: Apache-2.0
// AdamW over many tensors in one pass (decoupled weight decay, Loshchilov & Hutter 2019), with the arithmetic order of
// PyTorch's single-tensor torch.optim.AdamW:
//   p ← p · (1 − lr·wd);  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
//   p ← p − (lr / (1−β1^t)) · m / (sqrt(v) / sqrt(1−β2^t) + eps)
// CPU fp32 tensors: fused, AVX-512, AVX2 or scalar chosen at run time; the bytes do not depend on the thread count.
// Other devices: the same with at:: operators (AdamWStepReference).
//
// One object per training; one thread at a time. Holds m and v (2 × the parameters' bytes, allocated at the first
// step).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lwq::qat {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

class AdamW {
 public:
  struct Group {
    double lr = 0;
    double weight_decay = 0;
  };

  AdamW(const AdamWOptions& options, std::vector<Group> groups);

  // `param` is an fp32 leaf that requires a gradient; written in place by Step. `group` indexes the constructor's
  // groups.
  void AddParameter(at::Tensor param, int group);
  void SetLr(int group, double lr);

  // What the steps so far have made of a parameter, counted in the order in which they were added. For checkpoints: m
  // and v are shared, not copied.
  struct ParameterState {
    at::Tensor exp_avg;     // m, undefined before the first step
    at::Tensor exp_avg_sq;  // v
    int64_t steps = 0;
  };
  const ParameterState& state(size_t parameter) const { return parameters_.at(parameter).state; }
  // Requires m and v of the parameter's shape, fp32, contiguous, on its device; or neither and no steps.
  void SetState(size_t parameter, ParameterState state);

  // One step for every parameter that has a gradient (others keep values and state, as in PyTorch). NaN gradients give
  // NaN parameters.
  void Step();
  // Drops the gradients: the next backward gives fresh ones.
  void ZeroGrad();

 private:
  struct Parameter {
    at::Tensor param;
    int group = 0;
    ParameterState state;
  };

  AdamWOptions options_;
  std::vector<Group> groups_;
  std::vector<Parameter> parameters_;
};

// One step of one tensor with at:: operators, the slow reference. t = `step`, counted from 1. All tensors of one shape,
// dtype fp32.
void AdamWStepReference(const AdamWOptions& options, const AdamW::Group& group, int64_t step, const at::Tensor& grad,
                        at::Tensor param, at::Tensor exp_avg, at::Tensor exp_avg_sq);

}  // namespace lwq::qat
