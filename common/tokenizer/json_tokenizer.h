// SPDX-License-Identifier: Apache-2.0
// A `tokenizer.json` (Hugging Face tokenizers) with a BPE model as a Tokenizer: byte-level (Llama-3, Qwen, SmolLM) or
// with byte fallback (Llama-2, Mistral).
//
// The pipeline, as there: text is first cut at the added tokens that are matched raw, the parts are normalized, cut at
// the added tokens that are matched normalized, pre-tokenized, and merged word by word. So the text "<s>" IS the
// special token. `post_processor` is read only for what it puts in front (BOS); `truncation` and `padding` are not
// applied. Whatever is not supported is FAILED_PRECONDITION by name, a malformed file INVALID_ARGUMENT. What encoding
// does not need is no error of the file: a decoder that is not supported fails Decode, a bos_token that the vocabulary
// lacks is none.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq {

// What tokenizer_config.json says beside it.
struct JsonTokenizerOptions {
  std::optional<std::string> bos_token = std::nullopt;  // default: the first that post_processor puts in front
  std::optional<std::string> eos_token = std::nullopt;
  std::vector<AddedToken> more_added_tokens = {};  // those whose content and id the file does not have are added
};

// `file` is the text of tokenizer.json, `what` its name in errors.
StatusOr<std::unique_ptr<Tokenizer>> MakeJsonTokenizer(std::string_view file, std::string_view what,
                                                       const JsonTokenizerOptions& options);

}  // namespace lwq
