// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/model/gptq_config.h"

#include <pcre2.h>

#include <array>
#include <optional>
#include <utility>

#include "common/export_format/gptq_v2.h"
#include "common/model/config_json.h"

namespace lwq {
namespace {

using internal::Find;
using internal::Shown;

constexpr uint32_t kMaxMatchSteps = 100'000;  // of PCRE2's own steps: a module name needs a few hundred
constexpr size_t kMaxRules = 100'000;
constexpr std::string_view kQuantizationConfig = "quantization_config";

Status QuantizationNotSupported(std::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat(kQuantizationConfig, ": ", reason));
}

Status InvalidQuantization(std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat(kQuantizationConfig, ": ", reason));
}

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

Status CheckMethodAndFormat(const Json& object) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> method, ReadName(object, "quant_method", "method"));
  if (method.value_or("gptq") != "gptq") {
    return QuantizationNotSupported(
        absl::StrCat("quant_method '", method->substr(0, 80), "' is not supported; supported: gptq"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> format, ReadName(object, "checkpoint_format", "format"));
  if (format.value_or("gptq") == "gptq_v2") return absl::OkStatus();
  if (format.value_or("gptq") == "gptq") {
    return QuantizationNotSupported(
        "checkpoint_format 'gptq' (v1 stores zero points minus one) is not supported; convert the model to gptq_v2 "
        "with GPTQModel");
  }
  return QuantizationNotSupported(
      absl::StrCat("checkpoint_format '", format->substr(0, 80), "' is not supported; supported: gptq_v2"));
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

Status ReadWidths(const Json& object, GptqModule& module) {
  if (const Json* bits = Find(object, "bits"); bits != nullptr) {
    if (!bits->is_number_integer())
      return InvalidQuantization(absl::StrCat("bits must be an integer, not ", Shown(*bits)));
    const int64_t value = bits->get<int64_t>();
    if (value < 0 || value > 32 || !GptqHoldsBits(static_cast<int>(value))) {
      return QuantizationNotSupported(
          absl::StrCat(Shown(*bits), " bits are not supported in gptq_v2; supported: 2, 3, 4, 8"));
    }
    module.bits = static_cast<int>(value);
  }
  if (const Json* group = Find(object, "group_size"); group != nullptr) {
    if (!group->is_number_integer())
      return InvalidQuantization(absl::StrCat("group_size must be an integer, not ", Shown(*group)));
    module.group_size = group->get<int64_t>();
    if (module.group_size != -1 && (module.group_size < 1 || module.group_size > (int64_t{1} << 28))) {
      return InvalidQuantization(
          absl::StrCat("group_size is ", module.group_size, ", expected -1 or a positive number"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct GptqConfig::Rule {
  std::string text;
  GptqModule module;
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code{nullptr, &pcre2_code_free};

  Status Compile(std::string_view pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_ANCHORED, &error,
                             &offset, nullptr));
    if (code != nullptr) return absl::OkStatus();
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return InvalidQuantization(absl::StrCat("dynamic rule '", text.substr(0, 80), "' is not a regular expression: ",
                                            reinterpret_cast<const char*>(message.data()), " at ", offset));
  }

  StatusOr<bool> Matches(std::string_view name) const {
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
        pcre2_match_data_create_from_pattern(code.get(), nullptr), &pcre2_match_data_free);
    const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
        pcre2_match_context_create(nullptr), &pcre2_match_context_free);
    if (data == nullptr || context == nullptr)
      return absl::ResourceExhaustedError("no memory for a regular expression");
    pcre2_set_match_limit(context.get(), kMaxMatchSteps);
    pcre2_set_depth_limit(context.get(), kMaxMatchSteps);
    const int matched = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0,
                                    data.get(), context.get());
    if (matched >= 0) return true;
    if (matched == PCRE2_ERROR_NOMATCH) return false;
    return InvalidQuantization(
        absl::StrCat("dynamic rule '", text.substr(0, 80), "' is too expensive to match; simplify it"));
  }
};

StatusOr<GptqConfig> GptqConfig::Parse(const Json& quantization_config) {
  if (!quantization_config.is_object()) return InvalidQuantization("must be an object");
  LWQ_RETURN_IF_ERROR(CheckMethodAndFormat(quantization_config));
  LWQ_RETURN_IF_ERROR(CheckDecoding(quantization_config));
  GptqConfig config;
  for (const std::string_view key : {"bits", "group_size"}) {
    if (Find(quantization_config, key) == nullptr) return InvalidQuantization(absl::StrCat(key, " is missing"));
  }
  LWQ_RETURN_IF_ERROR(ReadWidths(quantization_config, config.base_));
  const Json* dynamic = Find(quantization_config, "dynamic");
  if (dynamic == nullptr) return config;
  if (!dynamic->is_object()) return InvalidQuantization("dynamic must be an object of rules");
  if (dynamic->size() > kMaxRules) return InvalidQuantization(absl::StrCat("dynamic has ", dynamic->size(), " rules"));
  for (const auto& [text, override] : dynamic->items()) {
    auto rule = std::make_shared<Rule>();
    rule->text = text;
    rule->module = config.base_;
    std::string_view pattern = text;
    const bool excludes = pattern.substr(0, 2) == "-:";
    if (excludes || pattern.substr(0, 2) == "+:") pattern.remove_prefix(2);
    LWQ_RETURN_IF_ERROR(rule->Compile(pattern));
    if (!override.is_object())
      return InvalidQuantization(absl::StrCat("dynamic rule '", text.substr(0, 80), "' must be an object"));
    if (excludes) {
      rule->module = GptqModule{.quantized = false};
    } else {
      LWQ_RETURN_IF_ERROR(CheckDecoding(override));
      LWQ_RETURN_IF_ERROR(ReadWidths(override, rule->module));
    }
    config.rules_.push_back(std::move(rule));
  }
  return config;
}

StatusOr<GptqModule> GptqConfig::Module(std::string_view name) const {
  const Rule* chosen = nullptr;
  for (const auto& rule : rules_) {
    LWQ_ASSIGN_OR_RETURN(const bool matches, rule->Matches(name));
    if (!matches) continue;
    if (chosen != nullptr && chosen->module != rule->module) {
      return QuantizationNotSupported(absl::StrCat("dynamic rules '", chosen->text.substr(0, 80), "' and '",
                                                   rule->text.substr(0, 80), "' both match ", name,
                                                   " and differ; make them exclude each other"));
    }
    chosen = rule.get();
  }
  return chosen == nullptr ? base_ : chosen->module;
}

StatusOr<std::optional<GptqConfig>> QuantizationOf(const LlamaConfig& config) {
  if (config.quantization_config.is_null()) return std::optional<GptqConfig>();
  LWQ_ASSIGN_OR_RETURN(GptqConfig quantization, GptqConfig::Parse(config.quantization_config));
  return std::optional<GptqConfig>(std::move(quantization));
}

StatusOr<GptqModule> StorageOf(const std::optional<GptqConfig>& quantization, std::string_view linear,
                               int64_t in_features) {
  if (!quantization.has_value()) return GptqModule{.quantized = false};
  LWQ_ASSIGN_OR_RETURN(GptqModule module, quantization->Module(linear));
  if (!module.quantized) return module;
  if (module.group_size == -1) module.group_size = in_features;
  if (in_features % module.group_size == 0) return module;
  return absl::FailedPreconditionError(absl::StrCat(linear, ": groups of ", module.group_size, " do not divide its ",
                                                    in_features, " inputs, which is not supported"));
}

}  // namespace lwq
