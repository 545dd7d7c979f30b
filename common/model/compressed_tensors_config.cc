// SPDX-License-Identifier: Apache-2.0
#include "common/model/compressed_tensors_config.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/model/config_json.h"

namespace lwq {
namespace {

using internal::Find;
using internal::Shown;

constexpr std::string_view kFormat = "pack-quantized";
constexpr std::string_view kRegex = "re:";
constexpr std::string_view kLinear = "Linear";  // torch.nn.Linear, by the name of its class
constexpr size_t kMaxTargets = 100'000;

// `where` is the key's place in messages. Absent and null are the same.
Status Refuse(const Json& object, std::string_view where, std::string_view key, std::string_view what) {
  const Json* value = Find(object, key);
  if (value == nullptr || (value->is_structured() && value->empty())) return absl::OkStatus();
  return QuantizationNotSupported(absl::StrCat(where, key, ": ", what, " is not supported"));
}

StatusOr<std::string> ReadText(const Json& object, std::string_view where, std::string_view key) {
  const Json* value = Find(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) {
    return InvalidQuantization(absl::StrCat(where, key, " must be a string, not ", Shown(*value)));
  }
  return value->get<std::string>();
}

Status CheckFormat(const Json& object, std::string_view where, std::string_view otherwise) {
  LWQ_ASSIGN_OR_RETURN(std::string format, ReadText(object, where, "format"));
  if (format.empty()) format = otherwise;
  if (format == kFormat) return absl::OkStatus();
  return QuantizationNotSupported(
      absl::StrCat(where, "format '", format.substr(0, 80), "' is not supported; supported: ", kFormat));
}

// Names and expressions of a list; `take` is called for each.
template <typename Take>
Status ForEachName(const Json& object, std::string_view where, std::string_view key, const Take& take) {
  const Json* names = Find(object, key);
  if (names == nullptr) return absl::OkStatus();
  if (!names->is_array() || names->size() > kMaxTargets) {
    return InvalidQuantization(absl::StrCat(where, key, " must be a list of names, not ", Shown(*names)));
  }
  for (const Json& name : *names) {
    if (!name.is_string()) {
      return InvalidQuantization(absl::StrCat(where, key, " must hold names, not ", Shown(name)));
    }
    LWQ_RETURN_IF_ERROR(take(name.get<std::string>()));
  }
  return absl::OkStatus();
}

std::string PatternOf(std::string_view name) {
  return name.starts_with(kRegex) ? std::string(name.substr(kRegex.size())) : EscapedPattern(name) + "$";
}

StatusOr<int64_t> ReadInteger(const Json& object, std::string_view where, std::string_view key) {
  const Json* value = Find(object, key);
  if (value == nullptr || !value->is_number_integer()) {
    return InvalidQuantization(
        absl::StrCat(where, key, " must be a whole number, not ", value == nullptr ? "absent" : Shown(*value)));
  }
  return value->get<int64_t>();
}

Status ReadGroupSize(const Json& weights, std::string_view where, LinearStorage& storage) {
  LWQ_ASSIGN_OR_RETURN(const std::string strategy, ReadText(weights, where, "strategy"));
  if (strategy == "channel") {
    storage.group_size = -1;
    return absl::OkStatus();
  }
  if (strategy != "group") {
    return QuantizationNotSupported(
        absl::StrCat(where, "strategy '", strategy.substr(0, 80), "' is not supported; supported: group, channel"));
  }
  LWQ_ASSIGN_OR_RETURN(storage.group_size, ReadInteger(weights, where, "group_size"));
  if (storage.group_size == -1 || (storage.group_size >= 1 && storage.group_size <= (int64_t{1} << 28))) {
    return absl::OkStatus();
  }
  return InvalidQuantization(absl::StrCat(where, "group_size is ", storage.group_size, ", expected a positive number"));
}

StatusOr<LinearStorage> ReadWeights(const Json& weights, std::string_view where) {
  LinearStorage storage{.format = ExportFormat::kCompressedTensors, .symmetric = true};
  LWQ_ASSIGN_OR_RETURN(const std::string type, ReadText(weights, where, "type"));
  if (type != "int") {
    return QuantizationNotSupported(
        absl::StrCat(where, "type '", type.substr(0, 80), "' is not supported; supported: int"));
  }
  LWQ_ASSIGN_OR_RETURN(const int64_t bits, ReadInteger(weights, where, "num_bits"));
  if (bits < 0 || bits > 32 || !FormatHolds(storage.format, static_cast<int>(bits))) {
    return QuantizationNotSupported(
        absl::StrCat(where, "num_bits ", bits, " is not supported; supported: 2, 3, 4, 5, 6, 8"));
  }
  storage.bits = static_cast<int>(bits);
  if (const Json* symmetric = Find(weights, "symmetric"); symmetric != nullptr) {
    if (!symmetric->is_boolean()) {
      return InvalidQuantization(absl::StrCat(where, "symmetric must be true or false, not ", Shown(*symmetric)));
    }
    storage.symmetric = symmetric->get<bool>();
  }
  LWQ_ASSIGN_OR_RETURN(const std::string order, ReadText(weights, where, "actorder"));
  if (order == "group" || order == "dynamic") {
    return QuantizationNotSupported(absl::StrCat(where, "actorder (groups in activation order) is not supported"));
  }
  LWQ_RETURN_IF_ERROR(ReadGroupSize(weights, where, storage));
  return storage;
}

Status ReadGroup(const Json& group, std::string_view where, std::string_view format, ModuleRules& rules,
                 std::optional<LinearStorage>& of_every_linear) {
  if (!group.is_object())
    return InvalidQuantization(absl::StrCat(where.substr(0, where.rfind('.')), " must be an object"));
  LWQ_RETURN_IF_ERROR(CheckFormat(group, where, format));
  LWQ_RETURN_IF_ERROR(Refuse(group, where, "input_activations", "quantization of activations"));
  LWQ_RETURN_IF_ERROR(Refuse(group, where, "output_activations", "quantization of activations"));
  const Json* weights = Find(group, "weights");
  if (weights == nullptr || !weights->is_object()) {
    return InvalidQuantization(absl::StrCat(where, "weights must be an object"));
  }
  LWQ_ASSIGN_OR_RETURN(const LinearStorage storage, ReadWeights(*weights, absl::StrCat(where, "weights.")));
  return ForEachName(group, where, "targets", [&](const std::string& target) -> Status {
    if (target != kLinear) return rules.Add(target, PatternOf(target), storage);
    if (of_every_linear.has_value() && *of_every_linear != storage) {
      return QuantizationNotSupported(absl::StrCat(where, "targets: two groups target ", kLinear, " and differ"));
    }
    of_every_linear = storage;
    return absl::OkStatus();
  });
}

}  // namespace

StatusOr<ModuleRules> ParseCompressedTensorsConfig(const Json& quantization_config) {
  const Json& config = quantization_config;
  if (!config.is_object()) return InvalidQuantization("must be an object");
  LWQ_RETURN_IF_ERROR(Refuse(config, "", "kv_cache_scheme", "a quantized key and value cache"));
  LWQ_RETURN_IF_ERROR(Refuse(config, "", "transform_config", "a transform of weights and activations"));
  if (const Json* sparsity = Find(config, "sparsity_config");
      sparsity == nullptr || !sparsity->is_object() || sparsity->value("format", Json()) != "dense") {
    LWQ_RETURN_IF_ERROR(Refuse(config, "", "sparsity_config", "sparsity"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::string format, ReadText(config, "", "format"));
  const Json* groups = Find(config, "config_groups");
  if (groups == nullptr || !groups->is_object() || groups->empty()) {
    return InvalidQuantization("config_groups must be an object with a group");
  }
  ModuleRules rules("target");
  std::optional<LinearStorage> of_every_linear;
  for (const auto& [name, group] : groups->items()) {
    const std::string where = absl::StrCat("config_groups.", name.substr(0, 80), ".");
    LWQ_RETURN_IF_ERROR(ReadGroup(group, where, format, rules, of_every_linear));
  }
  if (of_every_linear.has_value()) rules.SetDefault(*of_every_linear);
  LWQ_RETURN_IF_ERROR(ForEachName(config, "", "ignore",
                                  [&rules](const std::string& name) { return rules.Exclude(name, PatternOf(name)); }));
  return rules;
}

}  // namespace lwq
