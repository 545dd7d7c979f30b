// SPDX-License-Identifier: Apache-2.0
// How the linears of a model are stored, whatever the format: config.json's "quantization_config" by its quant_method.
// gptq_config.h and compressed_tensors_config.h say what is read of each.
//
// Thread-safety: free functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/model/llama_config.h"
#include "common/model/module_rules.h"
#include "common/status/status.h"

namespace lwq {

// The rules of a quantized model; nothing for a plain one. FAILED_PRECONDITION for a quant_method that is not read, and
// the errors of the method's parser.
StatusOr<std::optional<ModuleRules>> QuantizationOf(const LlamaConfig& config);

// How the linear, named without ".weight", is stored; its group size a number that divides in_features.
StatusOr<LinearStorage> StorageOf(const std::optional<ModuleRules>& quantization, std::string_view linear,
                                  int64_t in_features);

}  // namespace lwq
