// SPDX-License-Identifier: Apache-2.0
// Codes of b bits as streams of 32-bit words, and back.
//
// One layout serves every format we write: a dense stream, least significant bit first, code j at bits [b·j,
// b·(j+1)), so that 32 codes are exactly b words. For 2, 4 and 8 bits this is GPTQ's "32/b fields a word", for 3
// bits its 96-bit stream (code 10 and 21 straddle words), and for 5 and 6 bits the dense layout of
// compressed-tensors. A stream that does not end on a word is padded with zero bits; padding is ignored on reading.
//
// Source: GPTQModel's and compressed-tensors' documented tensor layouts. Words are little-endian int32, as
// safetensors stores them. Thread-safety: pure functions. Errors: INVALID_ARGUMENT for bits other than 2, 3, 4, 5,
// 6, 8, for shapes that do not fit and for a code above 2^b − 1 (packing it would overwrite its neighbours).
#pragma once

#include <cstdint>

#include "common/artifact/tensor.h"
#include "common/status/status.h"

namespace lwq::qat {

bool IsSupportedBits(int bits);  // 2, 3, 4, 5, 6, 8

// Words that a stream of `codes` codes takes: ceil(codes · bits / 32).
int64_t PackedWords(int64_t codes, int bits);

// U8 [rows, columns] → I32 [rows, PackedWords(columns)]: every row a stream of its own.
StatusOr<HostTensor> PackRows(const HostTensor& codes, int bits);
// The exact inverse: I32 [rows, PackedWords(columns)] → U8 [rows, columns].
StatusOr<HostTensor> UnpackRows(const HostTensor& words, int bits, int64_t columns);

// The same streams stored as columns, which is GPTQ's qweight: U8 [rows, columns] → I32 [PackedWords(columns), rows].
StatusOr<HostTensor> PackRowsTransposed(const HostTensor& codes, int bits);
StatusOr<HostTensor> UnpackRowsTransposed(const HostTensor& words, int bits, int64_t columns);

}  // namespace lwq::qat
