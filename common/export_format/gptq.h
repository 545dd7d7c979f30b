// SPDX-License-Identifier: Apache-2.0
// GPTQ's layout of a quantized linear: gptq_v2 and gptq, which is its version 1 (checkpoint_format "gptq").
//
// For in_features K, out_features N, b bits, G = ceil(K / group_size) groups:
//   qweight I32 [ceil(K·b/32), N]   codes, packed along K
//   qzeros  I32 [G, ceil(N·b/32)]   zero points, packed along N; in version 1 each less one
//   scales  F16 [G, N]
//   g_idx   I32 [K] = i / group_size; in the file, but no stored bits
// Version 1 is for symmetric quantization alone: what it stores for a zero point of 0 readers understand in two ways
// (docs/adr/0043-gptq-version-1.md). Source: the tensor layout of GPTQModel's quantized linear. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "common/export_format/export_format.h"

namespace lwq {

// 2, 3, 4, 8.
bool GptqHoldsBits(int bits);

enum class StoredZeros { kAsTheyAre, kLessOne };
// Requires kGptqV2 or kGptq.
StoredZeros StoredZerosOf(ExportFormat format);
// kGptqV2 or kGptq.
bool IsGptq(ExportFormat format);

struct GptqShapes {
  std::vector<int64_t> qweight;
  std::vector<int64_t> qzeros;
  std::vector<int64_t> scales;
  std::vector<int64_t> g_idx;
};
GptqShapes GptqShapesOf(const QuantizedShape& linear);

}  // namespace lwq
