// SPDX-License-Identifier: Apache-2.0
#include "common/model/gptq_config.h"

#include <optional>
#include <string>

#include "common/export_format/gptq.h"
#include "common/model/config_json.h"

namespace lwq {
namespace {

using internal::Find;
using internal::Shown;

constexpr size_t kMaxRules = 100'000;

// Both spellings that GPTQModel writes must say the same; absent from both: nothing.
StatusOr<std::optional<std::string>> ReadName(const Json& object, std::string_view key, std::string_view alias) {
  std::optional<std::string> name;
  for (const std::string_view spelling : {key, alias}) {
    const Json* value = Find(object, spelling);
    if (value == nullptr) continue;
    if (!value->is_string())
      return InvalidQuantization(absl::StrCat(spelling, " must be a string, not ", Shown(*value)));
    const std::string text = value->get<std::string>();
    if (name.has_value() && *name != text)
      return InvalidQuantization(absl::StrCat(key, " and ", alias, " contradict each other"));
    name = text;
  }
  return name;
}

// The version by its name; version 1 where there is none, as GPTQModel reads it.
StatusOr<ExportFormat> ReadFormat(const Json& object) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> method, ReadName(object, "quant_method", "method"));
  if (method.value_or("gptq") != "gptq") {
    return QuantizationNotSupported(absl::StrCat("quant_method '", method->substr(0, 80),
                                                 "' is not supported; supported: gptq, compressed-tensors"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> format, ReadName(object, "checkpoint_format", "format"));
  const std::optional<ExportFormat> known = ParseWord<ExportFormat>(format.value_or("gptq"));
  if (known.has_value() && IsGptq(*known)) return *known;
  return QuantizationNotSupported(
      absl::StrCat("checkpoint_format '", format->substr(0, 80), "' is not supported; supported: gptq, gptq_v2"));
}

// What changes how tensors are decoded, at the top and inside an override.
Status CheckDecoding(const Json& object) {
  if (const Json* desc_act = Find(object, "desc_act"); desc_act != nullptr) {
    if (!desc_act->is_boolean())
      return InvalidQuantization(absl::StrCat("desc_act must be true or false, not ", Shown(*desc_act)));
    if (desc_act->get<bool>())
      return QuantizationNotSupported("desc_act (groups in activation order) is not supported");
  }
  if (const Json* dtype = Find(object, "pack_dtype"); dtype != nullptr && *dtype != "int32") {
    return QuantizationNotSupported(
        absl::StrCat("pack_dtype ", Shown(*dtype), " is not supported; supported: \"int32\""));
  }
  if (const Json* head = Find(object, "lm_head"); head != nullptr && *head != false) {
    return QuantizationNotSupported("a quantized lm_head is not supported");
  }
  return absl::OkStatus();
}

Status ReadWidths(const Json& object, LinearStorage& storage) {
  if (const Json* bits = Find(object, "bits"); bits != nullptr) {
    if (!bits->is_number_integer())
      return InvalidQuantization(absl::StrCat("bits must be an integer, not ", Shown(*bits)));
    const int64_t value = bits->get<int64_t>();
    if (value < 0 || value > 32 || !GptqHoldsBits(static_cast<int>(value))) {
      return QuantizationNotSupported(
          absl::StrCat(Shown(*bits), " bits are not supported in GPTQ's layout; supported: 2, 3, 4, 8"));
    }
    storage.bits = static_cast<int>(value);
  }
  if (const Json* group = Find(object, "group_size"); group != nullptr) {
    if (!group->is_number_integer())
      return InvalidQuantization(absl::StrCat("group_size must be an integer, not ", Shown(*group)));
    storage.group_size = group->get<int64_t>();
    if (storage.group_size != -1 && (storage.group_size < 1 || storage.group_size > (int64_t{1} << 28))) {
      return InvalidQuantization(
          absl::StrCat("group_size is ", storage.group_size, ", expected -1 or a positive number"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<ModuleRules> ParseGptqConfig(const Json& quantization_config) {
  if (!quantization_config.is_object()) return InvalidQuantization("must be an object");
  LWQ_ASSIGN_OR_RETURN(const ExportFormat format, ReadFormat(quantization_config));
  LWQ_RETURN_IF_ERROR(CheckDecoding(quantization_config));
  for (const std::string_view key : {"bits", "group_size"}) {
    if (Find(quantization_config, key) == nullptr) return InvalidQuantization(absl::StrCat(key, " is missing"));
  }
  LinearStorage base{.format = format};
  LWQ_RETURN_IF_ERROR(ReadWidths(quantization_config, base));
  ModuleRules rules("dynamic rule");
  rules.SetDefault(base);
  const Json* dynamic = Find(quantization_config, "dynamic");
  if (dynamic == nullptr) return rules;
  if (!dynamic->is_object()) return InvalidQuantization("dynamic must be an object of rules");
  if (dynamic->size() > kMaxRules) return InvalidQuantization(absl::StrCat("dynamic has ", dynamic->size(), " rules"));
  for (const auto& [text, override] : dynamic->items()) {
    std::string_view pattern = text;
    const bool excludes = pattern.substr(0, 2) == "-:";
    if (excludes || pattern.substr(0, 2) == "+:") pattern.remove_prefix(2);
    if (!override.is_object())
      return InvalidQuantization(absl::StrCat("dynamic rule '", text.substr(0, 80), "' must be an object"));
    LinearStorage storage = excludes ? LinearStorage{.quantized = false} : base;
    if (!excludes) {
      LWQ_RETURN_IF_ERROR(CheckDecoding(override));
      LWQ_RETURN_IF_ERROR(ReadWidths(override, storage));
    }
    LWQ_RETURN_IF_ERROR(rules.Add(text, pattern, storage));
  }
  return rules;
}

}  // namespace lwq
