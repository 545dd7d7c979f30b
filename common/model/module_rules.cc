// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/model/module_rules.h"

#include <pcre2.h>

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace lwq {
namespace {

constexpr uint32_t kMaxMatchSteps = 100'000;  // of PCRE2's own steps: a module name needs a few hundred
constexpr size_t kMaxShownBytes = 80;

}  // namespace

struct ModuleRules::Rule {
  std::string text;
  LinearStorage storage;
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code{nullptr, &pcre2_code_free};
  std::string_view shown() const { return std::string_view(text).substr(0, kMaxShownBytes); }
};

StatusOr<std::shared_ptr<const ModuleRules::Rule>> ModuleRules::MakeRule(std::string_view text,
                                                                         std::string_view pattern,
                                                                         const LinearStorage& storage) const {
  auto rule = std::make_shared<Rule>();
  rule->text = std::string(text);
  rule->storage = storage;
  int error = 0;
  PCRE2_SIZE offset = 0;
  rule->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_ANCHORED, &error,
                                 &offset, nullptr));
  if (rule->code != nullptr) return rule;
  std::array<PCRE2_UCHAR, 256> message{};
  pcre2_get_error_message(error, message.data(), message.size());
  return InvalidQuantization(absl::StrCat(noun_, " '", rule->shown(), "' is not a regular expression: ",
                                          reinterpret_cast<const char*>(message.data()), " at ", offset));
}

StatusOr<bool> ModuleRules::Matches(const Rule& rule, std::string_view linear) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(rule.code.get(), nullptr), &pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  if (data == nullptr || context == nullptr) return absl::ResourceExhaustedError("no memory for a regular expression");
  pcre2_set_match_limit(context.get(), kMaxMatchSteps);
  pcre2_set_depth_limit(context.get(), kMaxMatchSteps);
  const int matched = pcre2_match(rule.code.get(), reinterpret_cast<PCRE2_SPTR>(linear.data()), linear.size(), 0, 0,
                                  data.get(), context.get());
  if (matched >= 0) return true;
  if (matched == PCRE2_ERROR_NOMATCH) return false;
  return InvalidQuantization(absl::StrCat(noun_, " '", rule.shown(), "' is too expensive to match; simplify it"));
}

Status ModuleRules::Add(std::string_view text, std::string_view pattern, const LinearStorage& storage) {
  LWQ_ASSIGN_OR_RETURN(auto rule, MakeRule(text, pattern, storage));
  rules_.push_back(std::move(rule));
  return absl::OkStatus();
}

Status ModuleRules::Exclude(std::string_view text, std::string_view pattern) {
  LWQ_ASSIGN_OR_RETURN(auto rule, MakeRule(text, pattern, {.quantized = false}));
  exclusions_.push_back(std::move(rule));
  return absl::OkStatus();
}

StatusOr<LinearStorage> ModuleRules::Of(std::string_view linear) const {
  for (const auto& exclusion : exclusions_) {
    LWQ_ASSIGN_OR_RETURN(const bool matches, Matches(*exclusion, linear));
    if (matches) return exclusion->storage;
  }
  const Rule* chosen = nullptr;
  for (const auto& rule : rules_) {
    LWQ_ASSIGN_OR_RETURN(const bool matches, Matches(*rule, linear));
    if (!matches) continue;
    if (chosen != nullptr && chosen->storage != rule->storage) {
      return QuantizationNotSupported(absl::StrCat(noun_, "s '", chosen->shown(), "' and '", rule->shown(),
                                                   "' both match ", linear,
                                                   " and differ; make them exclude each other"));
    }
    chosen = rule.get();
  }
  return chosen == nullptr ? default_ : chosen->storage;
}

std::string EscapedPattern(std::string_view name) {
  std::string pattern;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '_') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Status QuantizationNotSupported(std::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat("quantization_config: ", reason));
}

Status InvalidQuantization(std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("quantization_config: ", reason));
}

}  // namespace lwq
