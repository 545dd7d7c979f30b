// SPDX-License-Identifier: Apache-2.0
// The `model` of a tokenizer.json of type BPE: vocabulary, merges, and what becomes of characters that are not in it.
//
// A word is bytes (byte-level vocabularies, whose entries are written in ByteLevel's alphabet) or text. A character
// without an entry of its own becomes its bytes ("<0x0A>", byte_fallback), else the unknown token (with fuse_unk one
// for a run). Where neither is to be had, the tokenizers library drops it without a word; here the encoding fails, for
// then, and only then, the vocabulary lacks something. `continuing_subword_prefix` and `end_of_word_suffix` are applied
// to characters; `ignore_merges` takes a word that is an entry whole. Merges are "a b" or ["a", "b"]; of repeated pairs
// the last counts; both parts and the result must be in the vocabulary. `dropout` is FAILED_PRECONDITION, as are models
// of other types; a malformed section is INVALID_ARGUMENT.
//
// Thread-safety: immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/tokenizer/bpe_merge.h"
#include "common/tokenizer/string_map.h"

namespace lwq {

// Ids at or above this are refused: tables are indexed by id.
inline constexpr int64_t kMaxVocabularySize = int64_t{1} << 22;

class BpeModel {
 public:
  // `byte_level`: the vocabulary is written in ByteLevel's alphabet.
  static StatusOr<BpeModel> FromJson(const Json& section, bool byte_level, std::string_view what);

  // The vocabulary as the file writes it; the vector is indexed by id, unused ids are empty.
  const std::vector<std::string>& tokens() const { return tokens_; }
  std::optional<int32_t> TokenId(std::string_view token) const;

  // Whether EncodeWord takes words as bytes; else it takes text (of a byte-level vocabulary: in that alphabet).
  bool words_are_bytes() const { return words_are_bytes_; }
  // Appends the ids of one word (of the pre-tokenizer). INVALID_ARGUMENT for a word over 2 GiB. FAILED_PRECONDITION for
  // a character without a token; `missing`, as it stands in the text, then holds it.
  Status EncodeWord(std::string_view word, BpeWorkspace* workspace, std::vector<int32_t>* ids,
                    std::string* missing) const;
  // Whether a word may be cut at spaces ("▁") first without changing its ids (word_split.h).
  bool may_cut_at_spaces() const { return may_cut_at_spaces_; }

 private:
  // Characters of a word without entries, on their way to one unknown token.
  struct UnknownRun {
    uint32_t begin = 0;
    uint32_t size = 0;
  };
  Status ReadVocabulary(const Json& section, std::string_view what);
  Status ReadMerges(const Json& section, std::string_view what);
  Status AddMerge(const Json& merge, int64_t rank, std::string_view what);
  Status ReadUnknown(const Json& section, std::string_view what);
  void FindBytes(bool byte_level);
  Status AppendBytes(std::string_view word, BpeWorkspace* workspace, std::string* missing) const;
  Status AppendCharacters(std::string_view word, BpeWorkspace* workspace, std::string* missing) const;
  bool AppendFallback(std::string_view piece, uint32_t begin, BpeWorkspace* workspace) const;
  Status Missing(std::string_view character, std::string* missing) const;

  bool byte_level_ = false;
  bool words_are_bytes_ = false;
  bool byte_fallback_ = false;
  bool fuse_unk_ = false;
  bool ignore_merges_ = false;
  bool may_cut_at_spaces_ = false;
  std::string subword_prefix_;
  std::string word_suffix_;
  std::string unk_token_;  // named by the file; may be in no vocabulary
  std::optional<int32_t> unk_id_;
  std::vector<std::string> tokens_;
  StringMap<int32_t> ids_;                          // by token as written
  StringMap<int32_t> word_ids_;                     // byte-level: by bytes; else empty
  absl::flat_hash_map<uint64_t, BpeMerge> merges_;  // by left id << 32 | right id
  std::vector<int32_t> byte_ids_;                   // 256 entries, kNoToken where there is none
};

}  // namespace lwq
