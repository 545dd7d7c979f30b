// SPDX-License-Identifier: Apache-2.0
// Which linear of a quantized model is stored how: a default and rules by name, as the configs of several formats say
// it with regular expressions.
//
// A rule wins over the default, an exclusion over both. Rules have no order (JSON keeps none): two that match one
// linear and differ are refused. Expressions match at the beginning of a name; one that takes too many steps is
// refused. Thread-safety: immutable once built; Of may be called from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/model/linear_storage.h"
#include "common/status/status.h"

namespace lwq {

class ModuleRules {
 public:
  // `noun` is what the config calls a rule, for messages: "dynamic rule". Until told otherwise a linear is unquantized.
  explicit ModuleRules(std::string noun) : noun_(std::move(noun)) {}

  void SetDefault(const LinearStorage& storage) { default_ = storage; }
  // `text` names the rule in messages. INVALID_ARGUMENT: `pattern` is no regular expression.
  Status Add(std::string_view text, std::string_view pattern, const LinearStorage& storage);
  // Names that the expression matches are unquantized, whatever the rules say.
  Status Exclude(std::string_view text, std::string_view pattern);

  // `linear` without ".weight": "model.layers.3.self_attn.q_proj". FAILED_PRECONDITION: two rules contradict each
  // other.
  StatusOr<LinearStorage> Of(std::string_view linear) const;

 private:
  struct Rule;
  StatusOr<std::shared_ptr<const Rule>> MakeRule(std::string_view text, std::string_view pattern,
                                                 const LinearStorage& storage) const;
  StatusOr<bool> Matches(const Rule& rule, std::string_view linear) const;

  std::string noun_;
  LinearStorage default_ = {.quantized = false};
  std::vector<std::shared_ptr<const Rule>> rules_;
  std::vector<std::shared_ptr<const Rule>> exclusions_;
};

// `name` as part of an expression that matches it literally: "q\.proj" for "q.proj".
std::string EscapedPattern(std::string_view name);

// "quantization_config: <reason>".
Status QuantizationNotSupported(std::string_view reason);  // FAILED_PRECONDITION
Status InvalidQuantization(std::string_view reason);       // INVALID_ARGUMENT

}  // namespace lwq
