// SPDX-License-Identifier: Apache-2.0
// From items to what a model is asked: token ids of contexts and continuations, exactly as lm-evaluation-harness 0.4.13
// makes them for causal models (lm_eval/api/model.py, _encode_pair and loglikelihood).
//
// All white space at a context's end moves to the continuation. The continuation's ids are what the ids of both
// together have more than those of the context alone, counted, even where a token crosses the border. A text that
// begins with the BOS token written out is given no second one. An empty context is the BOS token (EOS where the
// tokenizer has no BOS); a continuation that begins with that token lends it.
//
// A document is scored in windows that follow each other (lm_eval/models/huggingface.py loglikelihood_rolling,
// lm_eval/utils.py get_rolling_token_windows with context_len 1): the first stands behind what an empty context is, a
// later one behind the token before it, the last, which is shorter, behind as many as the model's window still has.
// Every token is scored once, a BOS that the tokenizer puts before the text like any other.
//
// Thread-safety: an encoder is used by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/eval_tasks/eval_task.h"
#include "common/recipe/choices.h"
#include "common/status/keep_going.h"
#include "common/status/status.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq {

struct EvalRequest {
  std::string context;
  std::string continuation;
  std::vector<int32_t> context_ids;       // at least one
  std::vector<int32_t> continuation_ids;  // at least one: what is scored
  int64_t characters = 0;                 // EvalChoice::characters
};

struct RequestItem {
  std::vector<EvalRequest> requests;  // one a choice; of a document one a window
  int64_t gold = 0;
  int64_t words = 0;  // EvalItem::words and bytes: above 0 of documents, 0 of others
  int64_t bytes = 0;
};

class RequestEncoder {
 public:
  // The tokenizer must outlive the encoder. FAILED_PRECONDITION where a BOS is asked for that the tokenizer does not
  // have.
  static StatusOr<RequestEncoder> Create(const Tokenizer& tokenizer, AddBos add_bos);

  // Whether texts are given a token in front.
  bool adds_bos() const { return !front_.empty(); }

  // INVALID_ARGUMENT for a context or a continuation that has no token; errors of the tokenizer.
  StatusOr<EvalRequest> Encode(const EvalChoice& choice);
  // The windows of `text`, in which the model reads at most `window` ≥ 1 tokens. The first request has the text as its
  // continuation, the others have no text. INVALID_ARGUMENT for a text that has no token; FAILED_PRECONDITION where the
  // tokenizer has neither BOS nor EOS to stand before it.
  StatusOr<std::vector<EvalRequest>> EncodeDocument(const EvalChoice& text, int64_t window) const;

 private:
  RequestEncoder(const Tokenizer& tokenizer, std::vector<int32_t> front)
      : tokenizer_(&tokenizer), front_(std::move(front)) {}
  StatusOr<std::vector<int32_t>> EncodeText(std::string_view text) const;
  StatusOr<EvalRequest> EncodeWithoutContext(const EvalChoice& choice) const;

  const Tokenizer* tokenizer_;
  std::vector<int32_t> front_;
  std::optional<int32_t> prefix_id_;  // what an empty context is
  std::string prefix_text_;           // that token written out; empty where there is none
  std::string last_context_;          // of Encode, trimmed: choices of an item share theirs
  std::vector<int32_t> last_context_ids_;
};

// Every item's requests. An item that cannot be asked is named by its number, counted from 1.
StatusOr<std::vector<RequestItem>> EncodeItems(RequestEncoder& encoder, const std::vector<EvalItem>& items,
                                               KeepGoing keep_going = AlwaysKeepGoing);
// The same of documents, in windows of `window` tokens.
StatusOr<std::vector<RequestItem>> EncodeDocuments(RequestEncoder& encoder, const std::vector<EvalItem>& items,
                                                   int64_t window, KeepGoing keep_going = AlwaysKeepGoing);

}  // namespace lwq
