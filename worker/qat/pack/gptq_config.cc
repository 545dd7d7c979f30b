#define PCRE2_CODE_UNIT_WIDTH 8
#include "worker/qat/pack/gptq_config.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "worker/qat/pack/gptq_layout.h"

namespace lwq::qat {
namespace {

constexpr uint32_t kMatchLimit = 100'000;  // of PCRE2's own steps: a module name needs a few hundred
constexpr size_t kMaxRules = 100'000;
constexpr std::string_view kWhat = "quantization_config";

std::string Shown(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80);
}

Status NotSupported(std::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat(kWhat, ": ", reason));
}

Status Invalid(std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat(kWhat, ": ", reason));
}

const Json* Find(const Json& object, std::string_view key) {
  const auto it = object.find(std::string(key));
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// Both spellings that GPTQModel writes must say the same; absent from both: nothing.
StatusOr<std::optional<std::string>> ReadName(const Json& object, std::string_view key, std::string_view alias) {
  std::optional<std::string> name;
  for (const std::string_view spelling : {key, alias}) {
    const Json* value = Find(object, spelling);
    if (value == nullptr) continue;
    if (!value->is_string()) return Invalid(absl::StrCat(spelling, " must be a string, not ", Shown(*value)));
    const std::string text = value->get<std::string>();
    if (name.has_value() && *name != text) return Invalid(absl::StrCat(key, " and ", alias, " contradict each other"));
    name = text;
  }
  return name;
}

Status CheckMethodAndFormat(const Json& object) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> method, ReadName(object, "quant_method", "method"));
  if (method.value_or("gptq") != "gptq") {
    return NotSupported(absl::StrCat("quant_method '", method->substr(0, 80), "' is not supported; supported: gptq"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> format, ReadName(object, "checkpoint_format", "format"));
  if (format.value_or("gptq") == "gptq_v2") return absl::OkStatus();
  if (format.value_or("gptq") == "gptq") {
    return NotSupported(
        "checkpoint_format 'gptq' (v1 stores zero points minus one) is not supported; convert the model to gptq_v2 "
        "with "
        "GPTQModel");
  }
  return NotSupported(
      absl::StrCat("checkpoint_format '", format->substr(0, 80), "' is not supported; supported: gptq_v2"));
}

// What changes how tensors are decoded, at the top and inside an override.
Status CheckDecoding(const Json& object) {
  if (const Json* desc_act = Find(object, "desc_act"); desc_act != nullptr) {
    if (!desc_act->is_boolean()) return Invalid(absl::StrCat("desc_act must be true or false, not ", Shown(*desc_act)));
    if (desc_act->get<bool>()) return NotSupported("desc_act (groups in activation order) is not supported");
  }
  if (const Json* dtype = Find(object, "pack_dtype"); dtype != nullptr && *dtype != "int32") {
    return NotSupported(absl::StrCat("pack_dtype ", Shown(*dtype), " is not supported; supported: \"int32\""));
  }
  if (const Json* head = Find(object, "lm_head"); head != nullptr && *head != false) {
    return NotSupported("a quantized lm_head is not supported");
  }
  return absl::OkStatus();
}

Status ReadWidths(const Json& object, GptqModule& module) {
  if (const Json* bits = Find(object, "bits"); bits != nullptr) {
    if (!bits->is_number_integer()) return Invalid(absl::StrCat("bits must be an integer, not ", Shown(*bits)));
    const int64_t value = bits->get<int64_t>();
    if (value < 0 || value > 32 || !GptqHoldsBits(static_cast<int>(value))) {
      return NotSupported(absl::StrCat(Shown(*bits), " bits are not supported in gptq_v2; supported: 2, 3, 4, 8"));
    }
    module.bits = static_cast<int>(value);
  }
  if (const Json* group = Find(object, "group_size"); group != nullptr) {
    if (!group->is_number_integer()) return Invalid(absl::StrCat("group_size must be an integer, not ", Shown(*group)));
    module.group_size = group->get<int64_t>();
    if (module.group_size != -1 && (module.group_size < 1 || module.group_size > (int64_t{1} << 28))) {
      return Invalid(absl::StrCat("group_size is ", module.group_size, ", expected -1 or a positive number"));
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
    return Invalid(absl::StrCat("dynamic rule '", text.substr(0, 80), "' is not a regular expression: ",
                                reinterpret_cast<const char*>(message.data()), " at ", offset));
  }

  StatusOr<bool> Matches(std::string_view name) const {
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
        pcre2_match_data_create_from_pattern(code.get(), nullptr), &pcre2_match_data_free);
    const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
        pcre2_match_context_create(nullptr), &pcre2_match_context_free);
    if (data == nullptr || context == nullptr)
      return absl::ResourceExhaustedError("no memory for a regular expression");
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_depth_limit(context.get(), kMatchLimit);
    const int matched = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0,
                                    data.get(), context.get());
    if (matched >= 0) return true;
    if (matched == PCRE2_ERROR_NOMATCH) return false;
    return Invalid(absl::StrCat("dynamic rule '", text.substr(0, 80), "' is too expensive to match; simplify it"));
  }
};

StatusOr<GptqConfig> GptqConfig::Parse(const Json& quantization_config) {
  if (!quantization_config.is_object()) return Invalid("must be an object");
  LWQ_RETURN_IF_ERROR(CheckMethodAndFormat(quantization_config));
  LWQ_RETURN_IF_ERROR(CheckDecoding(quantization_config));
  GptqConfig config;
  for (const std::string_view key : {"bits", "group_size"}) {
    if (Find(quantization_config, key) == nullptr) return Invalid(absl::StrCat(key, " is missing"));
  }
  LWQ_RETURN_IF_ERROR(ReadWidths(quantization_config, config.base_));
  const Json* dynamic = Find(quantization_config, "dynamic");
  if (dynamic == nullptr) return config;
  if (!dynamic->is_object()) return Invalid("dynamic must be an object of rules");
  if (dynamic->size() > kMaxRules) return Invalid(absl::StrCat("dynamic has ", dynamic->size(), " rules"));
  for (const auto& [text, override] : dynamic->items()) {
    auto rule = std::make_shared<Rule>();
    rule->text = text;
    rule->module = config.base_;
    std::string_view pattern = text;
    const bool excludes = pattern.substr(0, 2) == "-:";
    if (excludes || pattern.substr(0, 2) == "+:") pattern.remove_prefix(2);
    LWQ_RETURN_IF_ERROR(rule->Compile(pattern));
    if (!override.is_object())
      return Invalid(absl::StrCat("dynamic rule '", text.substr(0, 80), "' must be an object"));
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
      return NotSupported(absl::StrCat("dynamic rules '", chosen->text.substr(0, 80), "' and '",
                                       rule->text.substr(0, 80), "' both match ", name,
                                       " and differ; make them exclude each other"));
    }
    chosen = rule.get();
  }
  return chosen == nullptr ? base_ : chosen->module;
}

namespace {

// (bits, group size as the config writes it). A linear whose group is its whole row may be written either way.
using Width = std::pair<int, int64_t>;

std::vector<Width> WidthsOf(const LinearFormat& linear) {
  std::vector<Width> widths = {{linear.bits, linear.group_size}};
  if (linear.group_size == linear.in_features) widths.emplace_back(linear.bits, -1);
  return widths;
}

bool CanBe(const LinearFormat& linear, const Width& width) {
  const std::vector<Width> widths = WidthsOf(linear);
  return linear.quantized() && std::find(widths.begin(), widths.end(), width) != widths.end();
}

// The width that covers most weights; of equals the fewest bits, and a number before -1.
std::optional<Width> BaseWidth(const std::vector<BlockFormat>& blocks) {
  std::map<Width, int64_t> weights;
  for (const BlockFormat& block : blocks) {
    for (const auto& [kind, linear] : block.linears) {
      if (!linear.quantized()) continue;
      for (const Width& width : WidthsOf(linear)) weights[width] += linear.out_features * linear.in_features;
    }
  }
  std::optional<Width> best;
  const auto rank = [&weights](const Width& width) {
    return std::tuple(-weights.at(width), width.first, width.second < 0, width.second);
  };
  for (const auto& [width, count] : weights) {
    if (!best.has_value() || rank(width) < rank(*best)) best = width;
  }
  return best;
}

// The one width that all quantized linears of the block can be written in, if all are quantized and there is one.
std::optional<Width> CommonWidth(const BlockFormat& block) {
  for (const Width& width : WidthsOf(block.linears.begin()->second)) {
    if (std::all_of(block.linears.begin(), block.linears.end(),
                    [&width](const auto& entry) { return CanBe(entry.second, width); })) {
      return width;
    }
  }
  return std::nullopt;
}

std::string Escaped(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == '.' ? std::string("\\.") : std::string(1, c);
  return out;
}

Json Override(const Width& width) {
  return {{"bits", width.first}, {"group_size", width.second}};
}

// Rules for the linears of one block that share no width, grouped by what they are.
void AddLinearRules(size_t index, const BlockFormat& block, const Width& base, Json& dynamic) {
  std::map<Width, std::vector<std::string>> overridden;
  std::vector<std::string> excluded;
  for (const auto& [kind, linear] : block.linears) {
    if (!linear.quantized()) {
      excluded.push_back(Escaped(LinearName(kind)));
    } else if (!CanBe(linear, base)) {
      overridden[{linear.bits, linear.group_size}].push_back(Escaped(LinearName(kind)));
    }
  }
  const auto pattern = [index](const std::vector<std::string>& names) {
    return absl::StrCat("^model\\.layers\\.", index, "\\.(", absl::StrJoin(names, "|"), ")$");
  };
  for (const auto& [width, names] : overridden) dynamic[absl::StrCat("+:", pattern(names))] = Override(width);
  if (!excluded.empty()) dynamic[absl::StrCat("-:", pattern(excluded))] = Json::object();
}

}  // namespace

StatusOr<Json> MakeGptqConfig(const std::vector<BlockFormat>& blocks) {
  const std::optional<Width> base = BaseWidth(blocks);
  if (!base.has_value())
    return absl::InvalidArgumentError("no linear of the model is quantized: nothing to export as gptq_v2");
  std::map<Width, std::vector<size_t>> whole_blocks;
  Json dynamic = Json::object();
  for (size_t k = 0; k < blocks.size(); ++k) {
    const auto& linears = blocks[k].linears;
    if (std::all_of(linears.begin(), linears.end(), [&](const auto& entry) { return CanBe(entry.second, *base); }))
      continue;
    if (const std::optional<Width> common = CommonWidth(blocks[k])) {
      whole_blocks[*common].push_back(k);
    } else {
      AddLinearRules(k, blocks[k], *base, dynamic);
    }
  }
  for (const auto& [width, indices] : whole_blocks) {
    dynamic[absl::StrCat("+:^model\\.layers\\.(", absl::StrJoin(indices, "|"), ")\\..*")] = Override(width);
  }
  Json config = {{"bits", base->first},
                 {"group_size", base->second},
                 {"desc_act", false},
                 {"sym", false},
                 {"lm_head", false},
                 {"quant_method", "gptq"},
                 {"method", "gptq"},
                 {"checkpoint_format", "gptq_v2"},
                 {"format", "gptq_v2"},
                 {"pack_dtype", "int32"},
                 {"meta", {{"quantizer", Json::array({absl::StrCat("lwq:", LWQ_VERSION)})}}}};
  if (!dynamic.empty()) config["dynamic"] = std::move(dynamic);
  return config;
}

}  // namespace lwq::qat
