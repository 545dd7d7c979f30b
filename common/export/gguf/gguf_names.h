// SPDX-License-Identifier: Apache-2.0
// llama.cpp's names of a model's tensors, and the order of rows that it has in the heads of q and k.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/artifact/tensor.h"
#include "common/model/llama_config.h"

namespace lwq::qat {

// "model.layers.3.self_attn.q_proj.weight" → "blk.3.attn_q.weight". Requires a name of an exported model.
std::string LlamaCppName(std::string_view name);

// The heads whose rows the tensor holds, where it is a weight or bias of q or k; else 0.
int64_t HeadsOf(std::string_view name, const LlamaConfig& config);

// Row i of the first half of a head becomes its row 2i, row i of the second half row 2i + 1: what is rotated together
// stands together. Rows are bytes, whatever is in them. Requires a first dimension of `heads` heads of even size.
HostTensor InterleaveHeads(const HostTensor& tensor, int64_t heads);

}  // namespace lwq::qat
