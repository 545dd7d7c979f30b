// SPDX-License-Identifier: Apache-2.0
// GPTQ's layout of a quantized linear (checkpoint_format "gptq_v2").
//
// For in_features K, out_features N, b bits, G = ceil(K / group_size) groups:
//   qweight I32 [ceil(K·b/32), N]   codes, packed along K
//   qzeros  I32 [G, ceil(N·b/32)]   zero points, packed along N
//   scales  F16 [G, N]
//   g_idx   I32 [K] = i / group_size; in the file, but no stored bits
// Source: the tensor layout of GPTQModel's quantized linear. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "common/export_format/export_format.h"

namespace lwq {

// 2, 3, 4, 8.
bool GptqHoldsBits(int bits);

struct GptqShapes {
  std::vector<int64_t> qweight;
  std::vector<int64_t> qzeros;
  std::vector<int64_t> scales;
  std::vector<int64_t> g_idx;
};
GptqShapes GptqShapesOf(const QuantizedShape& linear);

}  // namespace lwq
