// A BPE `tokenizer.model` as a Tokenizer, id for id what SentencePiece's encode gives: `<s>` in a text is plain text.
//
// Algorithm: SentencePiece (Kudo and Richardson 2018): normalize, split into characters and user-defined symbols, merge
// by score, split unused pieces again, write unknown characters as bytes (byte fallback) or as one <unk> a run.
// Where no piece has a space inside, text is merged word by word, which gives the same ids and is several times faster.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq {

// What tokenizer_config.json adds to the model file.
struct SentencePieceOptions {
  std::optional<std::string> bos_token = std::nullopt;  // default: the model's own bos piece
  std::optional<std::string> eos_token = std::nullopt;
  std::optional<bool> add_bos = std::nullopt;  // default: whether there is a BOS
};

// INVALID_ARGUMENT for a damaged character map.
StatusOr<std::unique_ptr<Tokenizer>> MakeSentencePieceTokenizer(SentencePieceModel model, SentencePieceOptions options);

}  // namespace lwq
