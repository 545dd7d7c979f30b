#include "worker/text/tokenizer.h"

#include "absl/strings/str_join.h"

namespace lwq {

StatusOr<std::vector<int32_t>> TokenizeStream(const Tokenizer& tokenizer, const std::vector<std::string>& documents,
                                              bool add_bos) {
  if (add_bos && !tokenizer.bos_id().has_value()) {
    return absl::FailedPreconditionError(
        "a BOS token is asked for, but the tokenizer has none; set add_bos_token to false");
  }
  StatusOr<std::vector<int32_t>> ids =
      documents.size() == 1 ? tokenizer.Encode(documents[0]) : tokenizer.Encode(absl::StrJoin(documents, "\n\n"));
  if (ids.ok() && add_bos) ids->insert(ids->begin(), *tokenizer.bos_id());
  return ids;
}

}  // namespace lwq
