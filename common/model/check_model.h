// SPDX-License-Identifier: Apache-2.0
// Whether a model's tensors are those its config.json asks for, before any work: all of the headers, none of the data
// but biases.
//
// Errors name the tensor: INVALID_ARGUMENT for one that is absent or has the wrong shape or dtype, FAILED_PRECONDITION
// for what is not supported. Thread-safety: as TensorSource.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/model/linear_storage.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "common/status/status.h"

namespace lwq {

// Presence, shape and dtype (fp32, fp16, bf16 or fp64; of quantized linears what their format stores) of every tensor
// that is needed; the others may be anything.
Status CheckModelTensors(const LlamaConfig& config, const TensorSource& source);

// Those of one linear, named without ".weight".
Status CheckLinearTensors(const TensorSource& source, std::string_view linear, const LinearStorage& storage,
                          const LinearShape& shape);
// One tensor.
Status CheckFloatTensor(const TensorSource& source, std::string_view name, const std::vector<int64_t>& shape);

// A bias where the architecture has none is refused; biases of zeros, which some writers add, are none. Reads them, a
// few KB each.
Status CheckNoBias(TensorSource& source, std::string_view linear, std::string_view architecture);
Status CheckBiases(const LlamaConfig& config, TensorSource& source);

}  // namespace lwq
