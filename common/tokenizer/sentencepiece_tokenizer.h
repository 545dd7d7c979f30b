// SPDX-License-Identifier: Apache-2.0
// A BPE `tokenizer.model` as a Tokenizer, id for id what SentencePiece's encode gives.
//
// Algorithm: SentencePiece (Kudo and Richardson 2018): normalize, split into characters and user-defined symbols, merge
// by score, split unused pieces again, write unknown characters as bytes (byte fallback) or as one <unk> a run.
// Where no piece has a space inside, text is merged word by word, which gives the same ids and is several times faster.
//
// With added tokens a text is cut at them first, and SentencePiece sees the parts between. The dummy prefix ("▁")
// stands before the part that begins the text; with `prefix_every_part` before every part.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq {

// What tokenizer_config.json adds to the model file.
struct SentencePieceOptions {
  std::optional<std::string> bos_token = std::nullopt;  // default: the model's own bos piece
  std::optional<std::string> eos_token = std::nullopt;
  std::optional<bool> add_bos = std::nullopt;  // default: whether there is a BOS
  std::vector<AddedToken> added_tokens = {};   // an id of the model: its piece under this name, too
  bool prefix_every_part = false;
};

// INVALID_ARGUMENT for a damaged character map and for an added token that the model
// has as a piece with another id.
StatusOr<std::unique_ptr<Tokenizer>> MakeSentencePieceTokenizer(SentencePieceModel model, SentencePieceOptions options);

}  // namespace lwq
