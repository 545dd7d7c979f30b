// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/evaluate/embed_rows.h"

#include <cstring>
#include <string>

namespace lwq::qat {
Status CheckEmbedding(const LlamaConfig& config, const HostTensor& embedding) {
  if (embedding.shape != std::vector<int64_t>{config.vocab_size, config.hidden_size} || !IsFloat(embedding.dtype)) {
    return absl::InvalidArgumentError(absl::StrCat("the embedding is ", DTypeName(embedding.dtype), " ",
                                                   ShapeText(embedding.shape), ", the model needs floats [",
                                                   config.vocab_size, ", ", config.hidden_size, "]"));
  }
  if (static_cast<int64_t>(embedding.bytes.size()) != embedding.elements() * DTypeBytes(embedding.dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the embedding holds ", embedding.bytes.size(), " bytes, which is not what its shape needs"));
  }
  return absl::OkStatus();
}

StatusOr<HostTensor> EmbedRows(const LlamaConfig& config, const HostTensor& embedding, const HostTensor& tokens) {
  const auto row_bytes = static_cast<size_t>(config.hidden_size * DTypeBytes(embedding.dtype));
  const int64_t count = tokens.elements();
  std::string rows(static_cast<size_t>(count) * row_bytes, '\0');
  for (int64_t i = 0; i < count; ++i) {
    int32_t token = 0;
    std::memcpy(&token, tokens.bytes.data() + i * sizeof(token), sizeof(token));
    if (token < 0 || token >= config.vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("token ", token, " is outside the vocabulary of ",
                                                     config.vocab_size,
                                                     ": were the tokens made with another model's tokenizer?"));
    }
    std::memcpy(rows.data() + i * row_bytes, embedding.bytes.data() + token * row_bytes, row_bytes);
  }
  return HostTensor{.dtype = embedding.dtype,
                    .shape = {tokens.shape[0], tokens.shape[1], config.hidden_size},
                    .bytes = Bytes::FromString(std::move(rows))};
}

}  // namespace lwq::qat
