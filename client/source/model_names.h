// SPDX-License-Identifier: Apache-2.0
// The names of a model's files in Hugging Face layout.
#pragma once

#include <array>

namespace lwq::client {

inline constexpr char kWeightsFile[] = "model.safetensors";
inline constexpr char kWeightsIndexFile[] = "model.safetensors.index.json";
inline constexpr std::array<const char*, 3> kModelConfigFiles = {"config.json", "generation_config.json",
                                                                 "quantize_config.json"};
inline constexpr std::array<const char*, 7> kModelTokenizerFiles = {
    "tokenizer.json",    "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
    "added_tokens.json", "merges.txt"};

}  // namespace lwq::client
