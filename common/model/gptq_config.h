// SPDX-License-Identifier: Apache-2.0
// GPTQ's quantization config: the JSON object that is both quantize_config.json and config.json's
// "quantization_config".
//
// {"bits":2,"group_size":64,"desc_act":false,"sym":false,"lm_head":false,
//  "quant_method":"gptq","checkpoint_format":"gptq_v2","pack_dtype":"int32","meta":{"quantizer":["lwq:0.1.0"]},
//  "dynamic":{"+:^model\\.layers\\.(0|31)\\..*":{"bits":8,"group_size":64},"-:…":{}}}
// `dynamic` overrides per module: a regular expression matched at the beginning of the module's name; "-:" keeps the
// module at full precision, "+:" or nothing overrides bits and group size.
//
// A file in which two rules give one module different formats is refused: the order of a JSON object's members is not
// kept.
//
// Read: quant_method "gptq", checkpoint_format "gptq_v2", bits 2, 3, 4, 8, desc_act false. Anything else is
// FAILED_PRECONDITION naming it and what to do; a wrong type or an invalid regular expression is INVALID_ARGUMENT.
// Thread-safety: immutable after Parse; Module may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq {

// How one linear is stored. group_size −1: a whole row.
struct GptqModule {
  bool quantized = true;
  int bits = 0;
  int64_t group_size = 0;
  friend bool operator==(const GptqModule&, const GptqModule&) = default;
};

class GptqConfig {
 public:
  static StatusOr<GptqConfig> Parse(const Json& quantization_config);
  // `name` without ".weight": "model.layers.3.self_attn.q_proj".
  StatusOr<GptqModule> Module(std::string_view name) const;

 private:
  struct Rule;
  GptqModule base_;
  std::vector<std::shared_ptr<const Rule>> rules_;
};

// The config of a quantized model; nothing for a plain one.
StatusOr<std::optional<GptqConfig>> QuantizationOf(const LlamaConfig& config);

// How the linear, named without ".weight", is stored; its group size a number that divides in_features.
StatusOr<GptqModule> StorageOf(const std::optional<GptqConfig>& quantization, std::string_view linear,
                               int64_t in_features);

}  // namespace lwq
