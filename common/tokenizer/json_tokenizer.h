// A `tokenizer.json` (Hugging Face tokenizers) with a BPE model as a Tokenizer: byte-level (Llama-3) or with byte
// fallback (Llama-2, Mistral).
//
// The pipeline, as there: text is first cut at the added tokens that are matched raw, the parts are normalized, cut at
// the added tokens that are matched normalized, pre-tokenized, and merged word by word. So the text "<s>" IS the
// special token here, unlike in SentencePiece. lstrip and rstrip of added tokens are honoured, single_word is refused.
// `post_processor` is read only for the special token it puts in front (BOS); `truncation` and `padding` are not
// applied. Whatever is not supported is FAILED_PRECONDITION by name, a malformed file INVALID_ARGUMENT.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/tokenizer/tokenizer.h"

namespace lwq {

// What tokenizer_config.json says beside it.
struct JsonTokenizerOptions {
  std::optional<std::string> bos_token = std::nullopt;  // default: the one of post_processor
  std::optional<std::string> eos_token = std::nullopt;
  std::optional<bool> add_bos = std::nullopt;  // default: whether post_processor puts one in front
  bool add_known_bos = false;  // the default for a file without post_processor: add a BOS if there is one
};

// `file` is the text of tokenizer.json, `what` its name in errors.
StatusOr<std::unique_ptr<Tokenizer>> MakeJsonTokenizer(std::string_view file, std::string_view what,
                                                       JsonTokenizerOptions options);

}  // namespace lwq
