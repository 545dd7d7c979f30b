// SPDX-License-Identifier: Apache-2.0
// Quantized weights as rows of ggml's blocks, and back to weights.
//
// A block is an fp16 scale d (of Q4_1 an fp16 offset m, too) and the codes of 32 weights, of Q2_0 of 64, along a row:
//   Q2_0  d, 16 bytes    w = (c − 1)·d    weight i at bits 2·(i mod 4) of byte i/4
//   Q4_0  d, 16 bytes    w = (c − 8)·d    weight j in the low half of byte j, weight j + 16 in the high one
//   Q4_1  d, m, 16 bytes w = c·d + m      likewise
//   Q5_0  d, 4 bytes, 16 bytes  w = (c − 16)·d    likewise, the fifth bits as one word: bit j is weight j's
//   Q8_0  d, 32 bytes    w = c·d          c signed, byte j
// Source: ggml's block types. The bytes that tests/unit/worker/gguf_blocks_test.cc writes out were given to the
// dequantizers of llama.cpp b11549, which made the weights of them that stand here. Products are exact in fp32, so what
// is unpacked has the bits of scale · (code − zero); of a weight that is 0 the sign may differ (Q2_0 with zero point
// 2).
//
// Thread-safety: pure functions. `what` names the linear in errors.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/export/half.h"
#include "common/export_format/ggml_type.h"
#include "common/status/status.h"

namespace lwq::qat {

// U8 [out, bytes of a row]. Requires CheckQuantizedLinear and a type of blocks. Scales that are no fp16 numbers are
// rounded, which is added to `rounding`. INVALID_ARGUMENT naming `what` where a group is no multiple of the block, a
// scale or offset is not finite in fp16, or a level q − z is none of the type: then also the group and what to do.
StatusOr<HostTensor> PackBlocks(const QuantizedLinear& linear, GgmlType type, std::string_view what,
                                HalfRounding* rounding);

// The weights of rows of `columns` in blocks of `type`: F32 [rows, columns]. `blocks` is U8 [rows, bytes of a row].
// INVALID_ARGUMENT naming `what` for other shapes, for columns that are no multiple of the block, for a plain type.
StatusOr<HostTensor> UnpackBlocks(const HostTensor& blocks, GgmlType type, int64_t columns, std::string_view what);

}  // namespace lwq::qat
