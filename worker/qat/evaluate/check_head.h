// SPDX-License-Identifier: Apache-2.0
// Whether what stands before and behind the blocks fits the model. Pure; thread-safe.
#pragma once

#include "common/model/llama_config.h"
#include "common/status/status.h"
#include "worker/qat/api/block_ops.h"

namespace lwq::qat {

// INVALID_ARGUMENT naming the tensor.
Status CheckHead(const LlamaConfig& config, const HeadWeights& head);

}  // namespace lwq::qat
