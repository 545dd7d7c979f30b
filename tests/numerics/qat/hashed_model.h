// SPDX-License-Identifier: Apache-2.0
// The tiny models of tests/numerics/golden/models: every weight an integer hash of its tensor's name and its position,
// so that scripts/make_model_golden and this program make the same bytes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/safetensors.h"
#include "common/artifact/samples.h"
#include "common/model/llama_config.h"

namespace lwq::qat {

// F32 of this shape: norms 1 ± 1/8, the head ± 1/2, all others ± 1/4.
HostTensor HashedTensor(std::string_view name, const std::vector<int64_t>& shape);

// Every tensor that a full-precision checkpoint of this configuration holds.
std::map<std::string, HostTensor> HashedTensors(const LlamaConfig& config);

// I32 [windows, seqlen], ids below vocab_size.
MemorySamples HashedTokens(int64_t windows, int64_t seqlen, int64_t vocab_size);

}  // namespace lwq::qat
