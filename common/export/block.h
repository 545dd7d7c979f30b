// SPDX-License-Identifier: Apache-2.0
// A block's weights as bytes, and those outside the blocks: what worker/qat computes with, and what exports are read
// into and written from.
//
// Block state (docs/glossary.md): full precision, or a quantized checkpoint. Each of the seven linears is either a
// full-precision HostTensor [out, in] or a QuantizedLinear; norm weights and biases are always full precision.
// Values; immutable once built.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/model/llama_config.h"

namespace lwq::qat {

// weight[o, i] = scale[o, g] · (code[o, i] − zero[o, g]), g = i / group_size, all in float32: decoding is exact and the
// same everywhere.
struct QuantizedLinear {
  int bits = 0;            // 2, 3, 4, 5, 6 or 8
  int64_t group_size = 0;  // input columns a group spans; divides in_features (a whole row: in_features)
  int64_t out_features = 0;
  int64_t in_features = 0;
  HostTensor codes;  // U8 [out, in], 0 … 2^bits − 1
  HostTensor
      scales;        // F32 [out, in / group_size]; every value is an fp16 number unless the efficientqat preset made it
  HostTensor zeros;  // U8 [out, in / group_size], 0 … 2^bits − 1
};

using LinearWeight = std::variant<HostTensor, QuantizedLinear>;

struct BlockState {
  std::map<LinearKind, LinearWeight> linears;
  std::map<LinearKind, HostTensor> biases;  // [out], of those linears that have one
  HostTensor input_norm;                    // [hidden]
  HostTensor post_attention_norm;           // [hidden]
  std::optional<HostTensor> query_norm;     // [head_dim]; of architectures that have them, both or neither
  std::optional<HostTensor> key_norm;
};

// The norms the block has, by their names inside it.
inline std::vector<std::pair<std::string_view, const HostTensor*>> NormsOf(const BlockState& block) {
  std::vector<std::pair<std::string_view, const HostTensor*>> norms = {
      {kInputNorm, &block.input_norm}, {kPostAttentionNorm, &block.post_attention_norm}};
  if (block.query_norm) norms.emplace_back(kQueryNorm, &*block.query_norm);
  if (block.key_norm) norms.emplace_back(kKeyNorm, &*block.key_norm);
  return norms;
}

struct HeadWeights {
  HostTensor embedding;   // [vocab, hidden]
  HostTensor final_norm;  // [hidden]
  HostTensor lm_head;     // [vocab, hidden]; the embedding when tied
};

}  // namespace lwq::qat
