// SPDX-License-Identifier: Apache-2.0
// The `post_processor` of a tokenizer.json, of which one thing is taken: the special tokens that it puts in front of a
// text, usually BOS. What it puts behind (EOS) is not applied: streams are one running text.
//
// Supported: `TemplateProcessing`, `RobertaProcessing`, `BertProcessing`, `ByteLevel`, `Sequence` of these, or null.
// Others are FAILED_PRECONDITION by name, a malformed section INVALID_ARGUMENT. `add_bos_token` of
// tokenizer_config.json plays no part beside a tokenizer.json, as in transformers 5.23. Pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

// The ids in front, first to last: those that the section names, or of a token without ids there `id_of` its text.
// INVALID_ARGUMENT for one that has neither. `what` names the file in errors.
using TokenLookup = absl::FunctionRef<std::optional<int32_t>(std::string_view token)>;
StatusOr<std::vector<int32_t>> LeadingSpecialTokens(const Json& section, std::string_view what, TokenLookup id_of);

}  // namespace lwq
