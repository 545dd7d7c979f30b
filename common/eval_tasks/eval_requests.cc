// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/eval_requests.h"

#include <algorithm>

#include "common/eval_tasks/python_text.h"

namespace lwq {

StatusOr<RequestEncoder> RequestEncoder::Create(const Tokenizer& tokenizer, AddBos add_bos) {
  std::vector<int32_t> front;
  const std::optional<int32_t> bos = tokenizer.bos_id();
  if (add_bos != AddBos::kNever) front.assign(tokenizer.prefix_ids().begin(), tokenizer.prefix_ids().end());
  if (add_bos == AddBos::kAlways && front.empty()) {
    if (!bos.has_value()) {
      return absl::FailedPreconditionError("add_bos is always, but the tokenizer has no BOS token; take auto or never");
    }
    front = {*bos};
  }
  RequestEncoder encoder(tokenizer, std::move(front));
  encoder.prefix_id_ = bos.has_value() ? bos : tokenizer.eos_id();
  if (encoder.prefix_id_.has_value()) {
    LWQ_ASSIGN_OR_RETURN(const std::string_view piece, tokenizer.Piece(*encoder.prefix_id_));
    encoder.prefix_text_ = piece;
  }
  return encoder;
}

StatusOr<std::vector<int32_t>> RequestEncoder::EncodeText(std::string_view text) const {
  LWQ_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer_->Encode(text));
  const bool has_prefix = !prefix_text_.empty() && text.starts_with(prefix_text_);
  if (!has_prefix) ids.insert(ids.begin(), front_.begin(), front_.end());
  return ids;
}

StatusOr<EvalRequest> RequestEncoder::EncodeWithoutContext(const EvalChoice& choice) const {
  if (!prefix_id_.has_value()) {
    return absl::FailedPreconditionError("the context is empty, and the tokenizer has no BOS or EOS to stand for it");
  }
  EvalRequest request{choice.context, choice.continuation, {*prefix_id_}, {}, choice.characters};
  LWQ_ASSIGN_OR_RETURN(request.continuation_ids, tokenizer_->Encode(choice.continuation));
  if (!request.continuation_ids.empty() && request.continuation_ids.front() == *prefix_id_) {
    request.continuation_ids.erase(request.continuation_ids.begin());
  }
  return request;
}

StatusOr<EvalRequest> RequestEncoder::Encode(const EvalChoice& choice) {
  EvalRequest request;
  if (choice.context.empty()) {
    LWQ_ASSIGN_OR_RETURN(request, EncodeWithoutContext(choice));
  } else {
    const std::string trimmed = choice.context.substr(0, PythonTrimmedEnd(choice.context));
    if (trimmed != last_context_ || last_context_ids_.empty()) {
      LWQ_ASSIGN_OR_RETURN(last_context_ids_, EncodeText(trimmed));
      last_context_ = trimmed;
    }
    LWQ_ASSIGN_OR_RETURN(const std::vector<int32_t> whole,
                         EncodeText(absl::StrCat(choice.context, choice.continuation)));
    const size_t begin = std::min(whole.size(), last_context_ids_.size());
    request = {choice.context, choice.continuation, last_context_ids_, {}, choice.characters};
    request.continuation_ids.assign(whole.begin() + static_cast<int64_t>(begin), whole.end());
  }
  if (request.context_ids.empty()) return absl::InvalidArgumentError("the context has no token");
  if (request.continuation_ids.empty()) return absl::InvalidArgumentError("the choice has no token to score");
  return request;
}

StatusOr<std::vector<EvalRequest>> RequestEncoder::EncodeDocument(const EvalChoice& text, int64_t window) const {
  if (!prefix_id_.has_value()) {
    return absl::FailedPreconditionError("the tokenizer has no BOS or EOS to stand before a document's first token");
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, EncodeText(text.continuation));
  const int64_t count = std::ssize(ids);
  if (count == 0) return absl::InvalidArgumentError("the document has no token to score");
  std::vector<EvalRequest> windows;
  for (int64_t begin = 0; begin < count; begin += window) {
    const int64_t end = std::min(begin + window, count);
    EvalRequest& request = windows.emplace_back();
    // What the model reads ends before the last token that is scored.
    request.context_ids = begin == 0 ? std::vector<int32_t>{*prefix_id_}
                                     : std::vector<int32_t>(ids.begin() + (end - 1 - window), ids.begin() + begin);
    request.continuation_ids.assign(ids.begin() + begin, ids.begin() + end);
  }
  windows.front().continuation = text.continuation;
  windows.front().characters = text.characters;
  return windows;
}

StatusOr<std::vector<RequestItem>> EncodeDocuments(RequestEncoder& encoder, const std::vector<EvalItem>& items,
                                                   int64_t window, KeepGoing keep_going) {
  std::vector<RequestItem> encoded;
  encoded.reserve(items.size());
  for (const EvalItem& item : items) {
    LWQ_RETURN_IF_ERROR(keep_going());
    LWQ_CHECK(item.choices.size() == 1, "a document is one text");
    StatusOr<std::vector<EvalRequest>> windows = encoder.EncodeDocument(item.choices.front(), window);
    if (!windows.ok()) return Annotate(windows.status(), absl::StrCat("document ", encoded.size() + 1));
    encoded.push_back({.requests = *std::move(windows), .gold = 0, .words = item.words, .bytes = item.bytes});
  }
  return encoded;
}

StatusOr<std::vector<RequestItem>> EncodeItems(RequestEncoder& encoder, const std::vector<EvalItem>& items,
                                               KeepGoing keep_going) {
  std::vector<RequestItem> encoded;
  encoded.reserve(items.size());
  for (const EvalItem& item : items) {
    LWQ_RETURN_IF_ERROR(keep_going());
    RequestItem& requests = encoded.emplace_back(RequestItem{.requests = {}, .gold = item.gold});
    for (const EvalChoice& choice : item.choices) {
      StatusOr<EvalRequest> request = encoder.Encode(choice);
      if (!request.ok()) {
        return Annotate(request.status(),
                        absl::StrCat("item ", encoded.size(), ", choice ", requests.requests.size() + 1));
      }
      requests.requests.push_back(*std::move(request));
    }
  }
  return encoded;
}

}  // namespace lwq
