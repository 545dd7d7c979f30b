// SPDX-License-Identifier: Apache-2.0
#include "common/model/architecture.h"

#include "absl/strings/str_join.h"
#include "common/model/config_json.h"

namespace lwq::internal {
namespace {

constexpr Architecture kArchitectures[] = {
    {.name = "LlamaForCausalLM",
     .model_type = "llama",
     .attention_bias = AttentionBias::kByKey,
     .mlp_bias_key = true,
     .bos_token_id = 1,
     .eos_token_id = 2},
    {.name = "MistralForCausalLM",
     .model_type = "mistral",
     .window = WindowRule::kAlways,
     .num_key_value_heads = 8,
     .max_position_embeddings = 131'072,
     .bos_token_id = 1,
     .eos_token_id = 2},
    {.name = "Qwen2ForCausalLM",
     .model_type = "qwen2",
     .attention_bias = AttentionBias::kQueryKeyAndValue,
     .window = WindowRule::kOptIn,
     .num_key_value_heads = 32,
     .max_position_embeddings = 32'768},
    {.name = "Qwen3ForCausalLM",
     .model_type = "qwen3",
     .attention_bias = AttentionBias::kByKey,
     .query_key_norms = true,
     .window = WindowRule::kOptIn,
     .num_key_value_heads = 32,
     .head_dim = 128,
     .max_position_embeddings = 32'768},
};

std::string Supported() {
  return absl::StrCat("supported: ", absl::StrJoin(kArchitectures, ", ", [](std::string* out, const Architecture& row) {
                        out->append(row.name);
                      }));
}

}  // namespace

StatusOr<const Architecture*> ArchitectureOf(const Json& config) {
  std::string model_type;
  if (Find(config, "model_type") != nullptr) {
    LWQ_ASSIGN_OR_RETURN(model_type, JsonString(config, "model_type", kConfigFile));
  }
  const Json* list = Find(config, "architectures");
  if (list == nullptr) {
    for (const Architecture& row : kArchitectures) {
      if (row.model_type == model_type) return &row;
    }
    return NotSupported(absl::StrCat("no 'architectures', and model_type '", model_type.substr(0, 80),
                                     "' is not supported; ", Supported()));
  }
  if (!list->is_array() || list->size() != 1 || !list->front().is_string()) {
    return Impossible("architectures", absl::StrCat("must be a list of one name, not ", Shown(*list)));
  }
  const std::string name = list->front().get<std::string>();
  for (const Architecture& row : kArchitectures) {
    if (row.name != name) continue;
    if (model_type.empty() || model_type == row.model_type) return &row;
    return NotSupported(
        absl::StrCat("model_type '", model_type.substr(0, 80), "' is not supported for ", name, "; ", Supported()));
  }
  return NotSupported(absl::StrCat("architecture '", name.substr(0, 80), "' is not supported; ", Supported()));
}

}  // namespace lwq::internal
