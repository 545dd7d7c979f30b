// SPDX-License-Identifier: Apache-2.0
// What a decoder block does between its matrix products, on rows of raw memory: RMSNorm, rotation, SwiGLU and softmax,
// forward and backward. Written for AVX-512; where it is missing the block is composed of at:: operators
// (model/block_forward.h), which is also the reference these are tested against.
//
// Values between products are of the type of the products (bf16 or float32: kernels come for each); arithmetic is
// float32 throughout. A row's bits depend on nothing but the row. Free of LibTorch. Thread-safety: no state.
#pragma once

#include <cstdint>

namespace lwq::qat {

// Scores of up to kTileRows queries with some keys, and the place of their weights. Query i sees the keys first[i] ≤ j
// < last[i] (none where that is empty) of `width`, a multiple of 32; the weights of the others are 0.
inline constexpr int64_t kTileRows = 32;
struct SoftmaxTile {
  const float* scores = nullptr;  // [rows, stride]
  void* weights = nullptr;        // [rows, stride], of the type of the products
  int64_t stride = 0, rows = 0, width = 0;
  const int64_t* first = nullptr;
  const int64_t* last = nullptr;
  float scale = 0;  // positive
};

struct RowKernels {
  // out = x / sqrt(mean(x²) + eps) · weight; inverse = 1 / sqrt(…).
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float eps, void* out, float* inverse);
  // dx = addend + the gradient of rms_norm given that of its output, `dy`; weight_sums += dy · x · inverse. Either may
  // be null.
  void (*rms_norm_backward)(const float* dy, const float* x, const float* weight, int64_t n, float inverse,
                            const float* addend, float* dx, float* weight_sums);
  // Each pair (i, i + n/2) by its angle; sign −1: back.
  void (*rotate)(void* x, int64_t n, const float* cos, const float* sin, float sign);
  // h = silu(gate) · up
  void (*swiglu)(const void* gate, const void* up, int64_t n, void* h);
  void (*swiglu_backward)(const void* dh, const void* gate, const void* up, int64_t n, void* h, void* dgate, void* dup);
  // Takes a tile of keys into a running softmax: weights = exp(scale · scores − maximum), and sums, of what each row
  // has seen so far; `factors` is what everything summed before must be multiplied by. Begins with maxima −∞ and sums
  // 0.
  void (*softmax_tile)(const SoftmaxTile& tile, float* maxima, float* sums, float* factors);
  // p[j] = exp(scale · s[j] − L) for first ≤ j < last, L the logarithm of their sum, else 0, for j < width (a multiple
  // of 32); ds = p · (dp − delta) · scale, 0 outside. `s` and `p` need not differ from `ds` in memory order.
  void (*softmax_backward)(const float* s, const float* dp, int64_t first, int64_t last, int64_t width, float scale,
                           float log_sum, float delta, void* p, void* ds);
  // Σ a · b
  float (*dot)(const void* a, const void* b, int64_t n);
  // out = x · factor; `out` of the type of the products.
  void (*narrow)(const float* x, int64_t n, float factor, void* out);
  // x = x · factor
  void (*scale)(float* x, int64_t n, float factor);
  // Running maximum and Σ exp(x − maximum) over n numbers more.
  void (*add_to_log_sum)(const float* x, int64_t n, float* maximum, float* sum);
};

// Those of ActiveInstructionSet(), which must be kAvx512 or better.
const RowKernels& ActiveRowKernels(bool bf16);

namespace internal {
const RowKernels& Avx512RowKernels(bool bf16);
const RowKernels& Avx512Bf16RowKernels();  // for bf16
}  // namespace internal

}  // namespace lwq::qat
