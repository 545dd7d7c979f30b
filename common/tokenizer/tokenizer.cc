// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/tokenizer.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "common/tokenizer/text_place.h"

namespace lwq {

namespace {

constexpr char kBetween[] = "\n\n";
constexpr size_t kBetweenBytes = sizeof(kBetween) - 1;

// The document that an error's place lies in, counted from 1, and the offset there.
Status AtDocument(const Status& status, const std::vector<size_t>& sizes) {
  const std::optional<size_t> offset = TextOffsetOf(status);
  if (!offset.has_value() || sizes.size() < 2) return status;
  size_t rest = *offset;
  size_t document = 0;
  while (document + 1 < sizes.size() && rest >= sizes[document] + kBetweenBytes) {
    rest -= sizes[document++] + kBetweenBytes;
  }
  return Annotate(status, absl::StrCat("document ", document + 1, ", byte ", rest));
}

}  // namespace

StatusOr<std::vector<int32_t>> TokenizeStream(const Tokenizer& tokenizer, std::vector<std::string> documents,
                                              bool add_bos, KeepGoing keep_going) {
  if (add_bos && !tokenizer.add_bos() && !tokenizer.bos_id().has_value()) {
    return absl::FailedPreconditionError(
        "a BOS token is asked for, but the tokenizer has none; set add_bos_token to false");
  }
  std::vector<size_t> sizes;
  for (const std::string& document : documents) sizes.push_back(document.size());
  const std::string text = documents.size() == 1 ? std::move(documents[0]) : absl::StrJoin(documents, kBetween);
  documents = {};
  LWQ_RETURN_IF_ERROR(keep_going());
  StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, keep_going);
  if (!ids.ok()) return AtDocument(ids.status(), sizes);
  if (!add_bos) return ids;
  std::vector<int32_t> front(tokenizer.prefix_ids().begin(), tokenizer.prefix_ids().end());
  if (front.empty()) front = {*tokenizer.bos_id()};
  ids->insert(ids->begin(), front.begin(), front.end());
  return ids;
}

}  // namespace lwq
