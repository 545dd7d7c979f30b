// SPDX-License-Identifier: Apache-2.0
// Which of llama.cpp's block types carries a quantized linear.
//
// A block has one fp16 scale d and fixed levels around zero, so that w = (q − z)·s is carried exactly, d = s, wherever
// q − z is a level of the type and a block lies inside one group:
//   2 bits, every z 1 or 2, groups of 64   Q2_0   2.25 bits a weight   (z = 2: d = −s and the code 3 − q)
//   2 and 3 bits                           Q4_0   4.5
//   4 bits, symmetric                      Q4_0   4.5
//   4 bits                                 Q5_0   5.5     gguf_q4_1: Q4_1, 5.0, whose offset −z·s is rounded to fp16
//   5 and 6 bits; 8 bits, symmetric        Q8_0   8.5
// 8 bits with other zero points reach from −255 to 255 and fit no type. The type follows from what the plan knows,
// never from the trained values: the plan counts the bytes of the file (docs/adr/0032-gguf.md). Pure; thread-safe.
#pragma once

#include "common/export_format/export_format.h"
#include "common/export_format/ggml_type.h"

namespace lwq {

// A group must be a multiple of this: the smallest number of weights that a block type spans.
inline constexpr int64_t kGgufGroupMultiple = 32;

// What 4 bits go into.
enum class GgufFourBits { kExact, kSmall };  // Q5_0, Q4_1

// Requires 2 to 6 bits, or 8 with symmetric zero points.
GgmlType GgufTypeOf(const QuantizedShape& linear, GgufFourBits four_bits);

}  // namespace lwq
