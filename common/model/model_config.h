// SPDX-License-Identifier: Apache-2.0
// config.json and, beside it, the quantize_config.json that some GPTQ writers leave instead of a quantization_config in
// it. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq {

// The text of config.json with quantize_config.json as its quantization_config where it has none of its own.
// `quantize_config_json` is empty when there is no such file. INVALID_ARGUMENT where one of them is no JSON object.
StatusOr<std::string> MergedConfig(std::string_view config_json, std::string_view quantize_config_json);

// Merges both files as MergedConfig does and parses the result; the errors are those of both steps.
StatusOr<LlamaConfig> ParseModelConfig(std::string_view config_json, std::string_view quantize_config_json);

}  // namespace lwq
