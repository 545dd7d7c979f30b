// SPDX-License-Identifier: Apache-2.0
// The fused fake-quantizer: one pass forward, one pass backward, chosen for the CPU at run time (AVX-512, AVX2,
// scalar).
//
// Same semantics, shapes and NaN rules as quantizer_reference.h. Forward is bit-equal to that chain (out_dtype
// kBFloat16: the chain's result rounded to nearest even). Backward in closed form, U the upstream gradient (fp32 or
// bf16), inside = 0 ≤ round(w/s)+z ≤ qmax:
//   grad_weight     = U · inside
//   grad_scale      = Σ_group U · ((q − z) − inside · w/s)
//   grad_zero_point = s · Σ_group U · (inside − 1)
// all fp32, sums in a fixed order inside the group: the bytes depend neither on the thread count nor on the instruction
// set. Saves its three inputs for backward and nothing else: do not write to them between forward and backward. Off the
// CPU the same is computed by at:: operators, which save no more either; when backward itself is to be differentiated
// (create_graph), by the chain. Thread-safety: no state. Wrong shapes, dtypes or bits throw StatusError
// (INVALID_ARGUMENT).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace lwq::qat {

// weight [out, in] fp32; scale, zero_point [out × in / group_size, 1] fp32; bits 2, 3, 4, 5, 6 or 8; group_size divides
// in, −1: in. out_dtype kFloat or kBFloat16. Returns [out, in].
at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                     int64_t group_size, at::ScalarType out_dtype);

}  // namespace lwq::qat
