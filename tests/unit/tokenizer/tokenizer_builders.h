// SPDX-License-Identifier: Apache-2.0
// Tokenizer files made in memory: SentencePiece models, and tokenizer.json files of both kinds; and what a tokenizer
// makes of a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq {

// Protobuf wire format, written field by field.
std::string WireVarint(int number, uint64_t value);
std::string WireBytes(int number, std::string_view bytes);
std::string WireFloat(int number, float value);

struct ModelFileOptions {
  int model_type = 2;  // BPE
  bool treat_whitespace_as_suffix = false;
};
// The `tokenizer.model` file of a parsed model (byte fallback where it has byte ids).
std::string WriteSentencePieceModel(const SentencePieceModel& model, const ModelFileOptions& options = {});

// <unk>, <s>, </s>, with `byte_fallback` the 256 bytes, then the given normal pieces with scores 0, -1, -2, …
SentencePieceModel SmallModel(const std::vector<std::string>& pieces, bool byte_fallback);

// The tokenizer.json of a SentencePiece model, as Hugging Face's converter writes it: every split of a piece into two
// pieces is a merge, by falling score. `metaspace`: the newer form (Metaspace, prepend_scheme "first", no split), else
// Llama-2's normalizer (Prepend, Replace). No added tokens, no post_processor.
Json JsonOfSentencePiece(const SentencePieceModel& model, bool metaspace);

// A byte-level tokenizer.json with Llama-3's pattern: 256 bytes (id = byte), then one token for each merge.
Json ByteLevelJson(const std::vector<std::pair<std::string, std::string>>& merges);

// The pieces that the text is encoded to. Requires a tokenizer that encodes it.
std::vector<std::string> Pieces(const Tokenizer& tokenizer, std::string_view text);

// The split pattern of Llama-3's tokenizer.json.
inline constexpr char kLlama3Pattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace lwq
