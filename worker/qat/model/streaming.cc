// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/streaming.h"

#include "absl/strings/str_join.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {

void ThrowIfCancelled(const CancelToken& cancel) {
  if (cancel.cancelled.load(std::memory_order_relaxed)) throw StatusError(absl::CancelledError("stopped on request"));
}

void CheckActivationType(DType type, std::string_view what) {
  if (type == DType::kF32 || type == DType::kBF16) return;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat(what, " are stored as ", DTypeName(type), ": activations are F32 or BF16")));
}

int64_t CheckActivations(const LlamaConfig& config, const SampleSource& source, std::string_view what) {
  CheckActivationType(source.dtype(), what);
  const std::vector<int64_t>& shape = source.sample_shape();
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != config.hidden_size) {
    throw StatusError(
        absl::InvalidArgumentError(absl::StrCat(what, " have samples of shape [", absl::StrJoin(shape, ", "),
                                                "], the model takes [seqlen, ", config.hidden_size, "]")));
  }
  return shape[0];
}

int64_t CheckTokens(const SampleSource& tokens, int64_t min_seqlen) {
  const std::vector<int64_t>& shape = tokens.sample_shape();
  if (tokens.dtype() != DType::kI32 || shape.size() != 1 || shape[0] < min_seqlen) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("token windows are ", DTypeName(tokens.dtype()), " of shape [", absl::StrJoin(shape, ", "),
                     "]: they must be I32 [seqlen] with at least ", min_seqlen, " tokens")));
  }
  return shape[0];
}

void CheckMicroBatch(int64_t micro_batch) {
  if (micro_batch >= 1) return;
  throw StatusError(
      absl::InvalidArgumentError(absl::StrCat("micro_batch is ", micro_batch, ": it must be at least 1")));
}

at::Tensor ReadSamples(SampleSource& source, int64_t first, int64_t count, at::Device device) {
  return ToTensor(OrThrow(source.Read(first, count)), at::kFloat, device);
}

}  // namespace lwq::qat
