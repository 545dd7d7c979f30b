// SPDX-License-Identifier: Apache-2.0
// What every tokenizer can do: text to ids, ids to text.
//
// Thread-safety: immutable; one object serves any number of threads. Deterministic.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/keep_going.h"
#include "common/status/status.h"

namespace lwq {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids of the text, without BOS or EOS. Bytes that are not UTF-8 are read as U+FFFD, never refused (readers of
  // files refuse them: common/documents/documents.h). INVALID_ARGUMENT for a text too large to index,
  // FAILED_PRECONDITION when the split pattern of a tokenizer.json needs too much work, and what `keep_going` answers
  // (asked every few thousand words; one word is never left half done).
  virtual StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                                KeepGoing keep_going = AlwaysKeepGoing) const = 0;
  // The text of the ids, always valid UTF-8; control and special tokens give no text. OUT_OF_RANGE names an id outside
  // the vocabulary.
  virtual StatusOr<std::string> Decode(std::span<const int32_t> ids) const = 0;
  // The vocabulary entry as its file writes it ("▁the", "<0x0A>", "Ġthe"); OUT_OF_RANGE outside the vocabulary.
  virtual StatusOr<std::string_view> Piece(int32_t id) const = 0;

  // One more than the largest id.
  virtual int32_t vocab_size() const = 0;
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;
  // What the tokenizer's files ask to put in front of every text: a BOS, or nothing; seldom several tokens.
  virtual std::span<const int32_t> prefix_ids() const = 0;
  bool add_bos() const { return !prefix_ids().empty(); }
};

// The token stream that calibration windows and perplexity are cut from: documents joined by "\n\n" (as wikitext-2 is
// in every GPTQ-style script), tokenized once as one text. With `add_bos` the tokenizer's prefix_ids() stand in front,
// or its BOS where those are none; FAILED_PRECONDITION when it has none either. Of several documents the one that
// cannot be encoded is named by its number. The documents are freed as soon as they are joined.
StatusOr<std::vector<int32_t>> TokenizeStream(const Tokenizer& tokenizer, std::vector<std::string> documents,
                                              bool add_bos, KeepGoing keep_going = AlwaysKeepGoing);

}  // namespace lwq
