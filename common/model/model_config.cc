// SPDX-License-Identifier: Apache-2.0
#include "common/model/model_config.h"

#include "common/json/json.h"

namespace lwq {

StatusOr<std::string> MergedConfig(std::string_view config_json, std::string_view quantize_config_json) {
  if (quantize_config_json.empty()) return std::string(config_json);
  LWQ_ASSIGN_OR_RETURN(Json config, ParseJson(config_json, "config.json", DuplicateKeys::kRefuse));
  if (!config.is_object()) return absl::InvalidArgumentError("config.json is not a JSON object");
  const auto own = config.find("quantization_config");
  if (own != config.end() && !own->is_null()) return std::string(config_json);
  LWQ_ASSIGN_OR_RETURN(Json quantization,
                       ParseJson(quantize_config_json, "quantize_config.json", DuplicateKeys::kRefuse));
  if (!quantization.is_object()) return absl::InvalidArgumentError("quantize_config.json is not a JSON object");
  config["quantization_config"] = std::move(quantization);
  return CanonicalJson(config);
}

StatusOr<LlamaConfig> ParseModelConfig(std::string_view config_json, std::string_view quantize_config_json) {
  LWQ_ASSIGN_OR_RETURN(const std::string merged, MergedConfig(config_json, quantize_config_json));
  return LlamaConfig::Parse(merged);
}

}  // namespace lwq
