// SPDX-License-Identifier: Apache-2.0
#include "common/model/quantization.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/model/compressed_tensors_config.h"
#include "common/model/config_json.h"
#include "common/model/gptq_config.h"

namespace lwq {
namespace {

StatusOr<ModuleRules> Parse(const Json& config) {
  const Json* method = config.is_object() ? internal::Find(config, "quant_method") : nullptr;
  if (method != nullptr && *method == "compressed-tensors") return ParseCompressedTensorsConfig(config);
  return ParseGptqConfig(config);
}

}  // namespace

StatusOr<std::optional<ModuleRules>> QuantizationOf(const LlamaConfig& config) {
  if (config.quantization_config.is_null()) return std::optional<ModuleRules>();
  LWQ_ASSIGN_OR_RETURN(ModuleRules rules, Parse(config.quantization_config));
  return std::optional<ModuleRules>(std::move(rules));
}

StatusOr<LinearStorage> StorageOf(const std::optional<ModuleRules>& quantization, std::string_view linear,
                                  int64_t in_features) {
  if (!quantization.has_value()) return LinearStorage{.quantized = false};
  LWQ_ASSIGN_OR_RETURN(LinearStorage storage, quantization->Of(linear));
  if (!storage.quantized) return storage;
  if (storage.group_size == -1) storage.group_size = in_features;
  if (in_features % storage.group_size == 0) return storage;
  return absl::FailedPreconditionError(absl::StrCat(linear, ": groups of ", storage.group_size, " do not divide its ",
                                                    in_features, " inputs, which is not supported"));
}

}  // namespace lwq
