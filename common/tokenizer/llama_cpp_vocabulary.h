// SPDX-License-Identifier: Apache-2.0
// A model's tokenizer as llama.cpp takes it from a GGUF file, and which tokenizers it can take.
//
//   "gpt2"   a byte-level tokenizer.json: tokens, merges, and the name of a way to cut texts into words, of which
//            llama.cpp has a fixed list. A tokenizer whose pre_tokenizer is none of those in our list is refused:
//            under another name it loads, and encodes differently, without a word.
//   "llama"  a SentencePiece tokenizer.model with byte fallback: pieces, scores, types.
//
// scripts/consumers_gguf compares llama.cpp's ids with ours. It does not normalize: of a
// tokenizer that does (Qwen2's NFC), texts that are not normalized get other ids there. Pure; thread-safe. Used by the
// client before anything is uploaded, and by the exporter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "common/tokenizer/load_tokenizer.h"

namespace lwq {

struct LlamaCppVocabulary {
  // The values of the file.
  enum class Type : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

  std::string model = {};                // "gpt2", "llama"
  std::string pre = {};                  // "smollm", …; of "llama" "default"
  std::vector<std::string> tokens = {};  // by id, as many as the model has rows of embeddings; no two alike
  std::vector<Type> types = {};
  std::vector<float> scores = {};        // "llama" only
  std::vector<std::string> merges = {};  // "gpt2" only: "a b"
  int32_t bos_id = 0;
  int32_t eos_id = 0;
  std::optional<int32_t> unk_id = std::nullopt;
  bool add_bos = false;           // texts get the BOS in front
  bool add_space_prefix = false;  // "llama" only: and a space
};

// What the model's config.json says.
struct VocabularyOfModel {
  int64_t rows = 0;           // vocab_size
  int64_t bos_token_id = -1;  // used where the tokenizer names none; −1: none
  int64_t eos_token_id = -1;
};

// FAILED_PRECONDITION naming what llama.cpp lacks; INVALID_ARGUMENT where tokenizer and model do not fit together;
// otherwise LoadTokenizer's errors.
StatusOr<LlamaCppVocabulary> LlamaCppVocabularyOf(const TokenizerFiles& files, const VocabularyOfModel& model);

}  // namespace lwq
