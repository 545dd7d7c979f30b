// SPDX-License-Identifier: Apache-2.0
// From a model directory's tokenizer files to a Tokenizer.
//
// Which file: `tokenizer.json` where there is one, else `tokenizer.model`; a caller can insist on either.
//
// Text is cut at added tokens first, whatever the file: those of tokenizer.json itself, of `added_tokens.json` and of
// `added_tokens_decoder` in tokenizer_config.json, and of a tokenizer.model its control pieces ("<s>", "</s>") and its
// unknown piece. kSentencePiece gives SentencePiece alone, which knows no such tokens: "<s>" in a text is spelt out.
//
// What stands in front of a text (BOS): for tokenizer.json what its post_processor puts there, whatever `add_bos_token`
// says, as transformers 5.23 does; for tokenizer.model what `add_bos_token` says, and without it a BOS if the model has
// one. `add_eos_token` is not applied: streams are one running text.
//
// Spaces in a tokenizer.model's text are SentencePiece's own rule. transformers 5.23 reads such a file through the
// tokenizers library, which does not have that rule and gives other ids for double and leading spaces. Its `legacy`
// key is honoured: true puts the dummy prefix behind every added token, too.
#pragma once

#include <array>
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
  std::optional<std::string_view> added_tokens_json = std::nullopt;
};

// The files' names in a model directory, and where their contents go.
struct TokenizerFileName {
  const char* name;
  std::optional<std::string_view> TokenizerFiles::*contents;
};
inline constexpr std::array<TokenizerFileName, 4> kTokenizerFileNames = {{
    {"tokenizer.model", &TokenizerFiles::tokenizer_model},
    {"tokenizer.json", &TokenizerFiles::tokenizer_json},
    {"tokenizer_config.json", &TokenizerFiles::tokenizer_config_json},
    {"added_tokens.json", &TokenizerFiles::added_tokens_json},
}};

enum class TokenizerFormat { kAuto, kSentencePiece, kJson };

// NOT_FOUND when the wanted file is absent; otherwise the formats' errors, which name the file.
StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const TokenizerFiles& files,
                                                   TokenizerFormat format = TokenizerFormat::kAuto);

}  // namespace lwq
