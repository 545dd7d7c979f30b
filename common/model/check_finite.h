// SPDX-License-Identifier: Apache-2.0
// Whether every weight a model needs is a number: embedding, head, norms, biases, linears (the scales of quantized
// ones). One NaN makes everything that is computed from it NaN; a round-to-nearest export would carry it on unseen.
//
// Reads all of the model once, at about the speed of memory; what no block needs is not read. FAILED_PRECONDITION
// naming the tensor, the place and the value. Thread-safety: as TensorSource.
#pragma once

#include <functional>
#include <string_view>

#include "common/artifact/tensor.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "common/status/status.h"

namespace lwq {

// One tensor of a float dtype (F32, F16, BF16).
Status CheckFiniteTensor(const HostTensor& tensor, std::string_view name);

// Requires CheckModelTensors to have passed. `go_on` (may be null) is asked before every tensor; its error ends the
// check.
Status CheckFiniteModel(const LlamaConfig& config, TensorSource& source, const std::function<Status()>& go_on);

}  // namespace lwq
