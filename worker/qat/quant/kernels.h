// SPDX-License-Identifier: Apache-2.0
// The fused kernels on raw memory, one set per instruction set, chosen at run time.
//
// All sets give the same bits (of a NaN only that it is one): each processes vectors of 16 floats in the same order
// with the same roundings, and adds the 16 partial sums of a row in one fixed order. Rows are groups of `group_size`
// consecutive floats with one scale and one zero point each; a kernel works on rows [first, last) and touches nothing
// else, so rows may be split over threads anywhere.
// Free of LibTorch. Thread-safety: no state.
#pragma once

#include <cstdint>

#include "worker/qat/device/cpu_features.h"

namespace lwq::qat {

// bf16 is passed as its 16 bits.
struct FakeQuantInput {
  const float* weight = nullptr;      // [rows, group_size]
  const float* scale = nullptr;       // [rows], raw (not clamped)
  const float* zero_point = nullptr;  // [rows], raw (not rounded)
  int64_t group_size = 0;
  float max_code = 0;  // 2^bits − 1
};

struct FakeQuantGradients {
  float* weight = nullptr;  // [rows, group_size], or null: not wanted
  float* scale = nullptr;   // [rows]
  float* zero_point = nullptr;
};

struct AdamWConstants {
  float decay = 1;  // 1 − lr · weight_decay
  float beta1 = 0;
  float one_minus_beta1 = 0;
  float beta2 = 0;
  float one_minus_beta2 = 0;
  float sqrt_bias_correction2 = 1;
  float eps = 0;
  float minus_step_size = 0;  // −lr / (1 − β1^t)
};

struct KernelSet {
  // `streaming`: write around the caches; for outputs larger than they are.
  void (*fake_quant_f32)(const FakeQuantInput& in, int64_t first, int64_t last, float* out, bool streaming);
  void (*fake_quant_bf16)(const FakeQuantInput& in, int64_t first, int64_t last, uint16_t* out, bool streaming);
  void (*fake_quant_backward_f32)(const FakeQuantInput& in, int64_t first, int64_t last, const float* upstream,
                                  const FakeQuantGradients& gradients, bool streaming);
  void (*fake_quant_backward_bf16)(const FakeQuantInput& in, int64_t first, int64_t last, const uint16_t* upstream,
                                   const FakeQuantGradients& gradients, bool streaming);
  // count floats each; param, exp_avg and exp_avg_sq are written in place.
  void (*adamw)(const AdamWConstants& constants, int64_t count, const float* grad, float* param, float* exp_avg,
                float* exp_avg_sq);
};

// Those of ActiveInstructionSet().
const KernelSet& ActiveKernels();

namespace internal {
const KernelSet& ScalarKernels();
const KernelSet& Avx2Kernels();
const KernelSet& Avx512Kernels();
const KernelSet& Avx512Bf16Kernels();
}  // namespace internal

}  // namespace lwq::qat
