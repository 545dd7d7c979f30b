// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/cost/storage.h"

#include "common/status/status.h"

namespace lwq::coordinator {

LinearStorage StorageOf(ExportFormat format, const LinearShape& shape, int bits, int64_t group_size,
                        ZeroPoints zero_points) {
  LWQ_CHECK(FormatHolds(format, bits, zero_points), "format ", WordOf(format), " cannot hold ", bits, " bits");
  const QuantizedShape quantized = {.out_features = shape.out_features,
                                    .in_features = shape.in_features,
                                    .bits = bits,
                                    .group_size = group_size == -1 ? shape.in_features : group_size,
                                    .zero_points = zero_points};
  LinearStorage storage;
  for (const ExportTensor& tensor : TraitsOf(format).tensors(quantized)) {
    (tensor.stored_bits ? storage.stored_bytes : storage.index_bytes) += tensor.bytes();
  }
  return storage;
}

int64_t UnquantizedBytes(const LlamaConfig& config) {
  constexpr int64_t kFp16Bytes = 2;
  const int64_t embedding = config.vocab_size * config.hidden_size;
  const int64_t head = config.tie_word_embeddings ? 0 : embedding;
  const int64_t norms_per_block = BlockParameters(config) - BlockLinearParameters(config);
  return (embedding + head + config.hidden_size + config.num_hidden_layers * norms_per_block) * kFp16Bytes;
}

}  // namespace lwq::coordinator
