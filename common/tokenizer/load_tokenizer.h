// From a model directory's tokenizer files to a Tokenizer.
//
// Which file: `tokenizer.json` where there is one (it alone knows every added token), else `tokenizer.model`; a caller
// can insist on either, e.g. on `tokenizer.model` to get what EfficientQAT's slow tokenizer gives when a text contains
// "<s>". For text without special tokens both give the same ids.
//
// Whether a BOS is wanted: what `add_bos_token` of tokenizer_config.json says; without it, for tokenizer.json what its
// post_processor does, or if it has none whether tokenizer_class is a Llama tokenizer with a BOS; for tokenizer.model
// whether it has a BOS. `add_eos_token` is not applied: streams are one running text.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/tokenizer/tokenizer.h"

namespace lwq {

// Contents, read by the caller; views need live only during LoadTokenizer.
struct TokenizerFiles {
  std::optional<std::string_view> tokenizer_model = std::nullopt;
  std::optional<std::string_view> tokenizer_json = std::nullopt;
  std::optional<std::string_view> tokenizer_config_json = std::nullopt;
};

enum class TokenizerFormat { kAuto, kSentencePiece, kJson };

// NOT_FOUND when the wanted file is absent; otherwise the formats' errors, which name the file.
StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const TokenizerFiles& files,
                                                   TokenizerFormat format = TokenizerFormat::kAuto);

}  // namespace lwq
