// SPDX-License-Identifier: Apache-2.0
// The contents of a SentencePiece `tokenizer.model` (protobuf message ModelProto), read by our own reader.
//
// Decides which models are accepted: BPE. Unigram, word and character models, whitespace as a suffix and
// denormalization rules are refused by name (FAILED_PRECONDITION). A file that breaks the format's own rules
// (truncated, no <unk>, an empty or repeated piece, a score that is no number, byte fallback without its 256 byte
// pieces) is INVALID_ARGUMENT. Field numbers: <sentencepiece_model.proto> of SentencePiece 0.1.97.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"

namespace lwq {

struct SentencePiece {
  // The values of the file.
  enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  std::string text;
  float score = 0;
  Type type = Type::kNormal;
};

struct SentencePieceModel {
  std::vector<SentencePiece> pieces;  // by id
  int32_t unk_id = 0;
  std::vector<int32_t> byte_ids;  // 256 entries with byte fallback, else empty

  std::string unk_surface = " \xE2\x81\x87 ";  // what <unk> decodes to
  std::string bos_piece = "<s>";
  std::string eos_piece = "</s>";

  std::string normalizer_name;
  std::string precompiled_charsmap;  // empty: identity
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// `what` names the file in errors.
StatusOr<SentencePieceModel> ParseSentencePieceModel(std::string_view file, std::string_view what);

}  // namespace lwq
