// The `model` of a tokenizer.json of type BPE: vocabulary, merges, and what becomes of characters that are not in it.
//
// Two kinds: byte-level (words are bytes; all 256 must be in the vocabulary) and by character, with byte fallback
// ("<0x0A>"; all 256 required) or an unknown token. Merges are "a b" or ["a", "b"]; of repeated pairs the last counts;
// both parts and the result must be in the vocabulary. `dropout`, `continuing_subword_prefix` and `end_of_word_suffix`
// are FAILED_PRECONDITION by name, as are models of other types; a malformed section is INVALID_ARGUMENT.
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
  static StatusOr<BpeModel> FromJson(const Json& section, bool byte_level, std::string_view what);

  // The vocabulary as the file writes it; the vector is indexed by id, unused ids are empty.
  const std::vector<std::string>& tokens() const { return tokens_; }
  std::optional<int32_t> TokenId(std::string_view token) const;

  // Appends the ids of one word (of the pre-tokenizer). INVALID_ARGUMENT for a word over 2 GiB.
  Status EncodeWord(std::string_view word, BpeWorkspace* workspace, std::vector<int32_t>* ids) const;
  // Whether a word may be cut at spaces ("▁") first without changing its ids (word_split.h).
  bool may_cut_at_spaces() const { return may_cut_at_spaces_; }

 private:
  Status ReadVocabulary(const Json& section, std::string_view what);
  Status ReadMerges(const Json& section, std::string_view what);
  Status AddMerge(const Json& merge, int64_t rank, std::string_view what);
  Status ReadUnknown(const Json& section, std::string_view what);
  Status FindBytes(std::string_view what);
  void AppendSymbols(std::string_view word, BpeWorkspace* workspace) const;

  bool byte_level_ = false;
  bool byte_fallback_ = false;
  bool fuse_unk_ = false;
  bool ignore_merges_ = false;
  bool may_cut_at_spaces_ = false;
  std::optional<int32_t> unk_id_;
  std::vector<std::string> tokens_;
  StringMap<int32_t> ids_;                          // by token as written
  StringMap<int32_t> word_ids_;                     // byte-level: by bytes; else empty
  absl::flat_hash_map<uint64_t, BpeMerge> merges_;  // by left id << 32 | right id
  std::vector<int32_t> byte_ids_;                   // byte-level and byte fallback: 256 entries
};

}  // namespace lwq
