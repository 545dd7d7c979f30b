// SPDX-License-Identifier: Apache-2.0
// How a block is stored: per linear its shape and either (bits, group size) or the dtype of a full-precision weight,
// and the dtypes of its norms and biases. What an exporter must know of a block before it has read any of it.
//
// JSON form (manifest of a block checkpoint, metadata of its safetensors):
//   {"version":1,
//    "linears":{"self_attn.q_proj":{"out_features":64,"in_features":64,"bits":2,"group_size":64}, …},
//    "norms":{"input_layernorm.weight":"F32","post_attention_layernorm.weight":"F32"}}
// A linear kept at full precision has "dtype":"F16" in place of bits and group_size. A block with biases, or with norms
// of queries and keys, is of version 2: its "norms" may have "self_attn.q_norm.weight" and "self_attn.k_norm.weight",
// and it has "biases":{"self_attn.q_proj":"BF16", …}.
// Values; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq::qat {

struct LinearFormat {
  int64_t out_features = 0;
  int64_t in_features = 0;
  int bits = 0;               // 0: kept at full precision
  int64_t group_size = 0;     // quantized only; a whole row is in_features
  DType dtype = DType::kF16;  // full precision only
  bool quantized() const { return bits != 0; }
  friend bool operator==(const LinearFormat&, const LinearFormat&) = default;
};

struct BlockFormat {
  std::map<LinearKind, LinearFormat> linears;  // all seven
  DType input_norm = DType::kF32;
  DType post_attention_norm = DType::kF32;
  std::map<LinearKind, DType> biases;
  std::optional<DType> query_norm;
  std::optional<DType> key_norm;
  int64_t head_dim = 0;  // with query_norm and key_norm: their size
  friend bool operator==(const BlockFormat&, const BlockFormat&) = default;
};

// Requires CheckBlock to have passed.
BlockFormat FormatOf(const BlockState& block);

// INVALID_ARGUMENT naming `what` and the part unless all seven linears and both norms are there, each well formed
// and consistent with the others (codes and zero points within their bits, groups that divide the input, finite
// scales, one hidden size, biases of their linears' size, norms of queries and keys both or neither).
Status CheckBlock(const BlockState& block, std::string_view what);
// INVALID_ARGUMENT naming `what` and the part when shapes, biases or norms are not those of the model.
Status CheckBlockFits(const LlamaConfig& config, const BlockFormat& format, std::string_view what);

Json BlockFormatToJson(const BlockFormat& format);
// DATA_LOSS naming `what` for a missing, unknown or impossible field.
StatusOr<BlockFormat> BlockFormatFromJson(const Json& json, std::string_view what);

}  // namespace lwq::qat
