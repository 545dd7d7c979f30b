// SPDX-License-Identifier: Apache-2.0
// EfficientQAT's own layout of a quantized linear: GPTQ's names, zero points as they are, and whole codes in every
// word, so that 3 bits are 10 codes a word and not 32 codes in 3 words. Its files have no quantization_config: bits and
// group size follow from the shapes. Of 2, 4 and 8 bits the tensors are those of gptq_v2.
//
// Source: EfficientQAT's quantized linear. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>

#include "common/export/inspect/inspection.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"

namespace lwq::qat {

struct EfficientQatLinear {
  int bits = 0;
  int64_t group_size = 0;
};

// By the shapes of qweight and scales; nothing where they are of no width.
std::optional<EfficientQatLinear> EfficientQatLinearOf(const TensorSource& source, const std::string& name,
                                                       const LinearShape& shape);

// Of 3 bits: a fault for a wrong shape or dtype, for scales that are no numbers above 0, and for words whose two unused
// bits are not zero.
void CheckEfficientQatThreeBits(TensorSource& source, const std::string& name, const LinearShape& shape,
                                int64_t group_size, Inspection& found);

}  // namespace lwq::qat
