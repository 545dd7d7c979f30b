// SPDX-License-Identifier: Apache-2.0
// What every pass over a sample set does between two micro-batches: look at the cancel token, read the next samples,
// check that they are what the model takes. All throw StatusError; call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

// CANCELLED once the token is set.
void ThrowIfCancelled(const CancelToken& cancel);

// INVALID_ARGUMENT, naming `what`, unless the samples are [seqlen, hidden_size] in F32 or BF16. Returns seqlen.
int64_t CheckActivations(const LlamaConfig& config, const SampleSource& source, std::string_view what);
// INVALID_ARGUMENT unless activations may be stored in this type (F32, BF16; fp16 overflows on real models).
void CheckActivationType(DType type, std::string_view what);

// INVALID_ARGUMENT unless the samples are [seqlen] of I32 token ids with seqlen ≥ `min_seqlen`. Returns seqlen.
int64_t CheckTokens(const SampleSource& tokens, int64_t min_seqlen);
// INVALID_ARGUMENT unless at least 1.
void CheckMicroBatch(int64_t micro_batch);

// Samples first … first + count − 1 as a float32 tensor [count, …sample shape].
at::Tensor ReadSamples(SampleSource& source, int64_t first, int64_t count, at::Device device);

}  // namespace lwq::qat
