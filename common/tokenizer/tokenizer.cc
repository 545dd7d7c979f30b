#include "common/tokenizer/tokenizer.h"

#include <utility>

#include "absl/strings/str_join.h"

namespace lwq {

StatusOr<std::vector<int32_t>> TokenizeStream(const Tokenizer& tokenizer, std::vector<std::string> documents,
                                              bool add_bos, KeepGoing keep_going) {
  if (add_bos && !tokenizer.bos_id().has_value()) {
    return absl::FailedPreconditionError(
        "a BOS token is asked for, but the tokenizer has none; set add_bos_token to false");
  }
  const std::string text = documents.size() == 1 ? std::move(documents[0]) : absl::StrJoin(documents, "\n\n");
  documents = {};
  LWQ_RETURN_IF_ERROR(keep_going());
  StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, keep_going);
  if (ids.ok() && add_bos) ids->insert(ids->begin(), *tokenizer.bos_id());
  return ids;
}

}  // namespace lwq
