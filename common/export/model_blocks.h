// SPDX-License-Identifier: Apache-2.0
// From a model directory's tensors to block states and head weights: full precision, gptq_v2, gptq, compressed_tensors,
// or fake-quantized (which is a plain model whose linears hold decoded values).
//
// Which of them a directory is, LlamaConfig::quantization_config says: null is a plain model, otherwise the rules of
// common/model/quantization.h decide per linear. Only the tensors of what is asked for are read. A quantized linear
// comes back with the integers, scales and zero points of the file, bit for bit; everything else in the dtype it is
// stored in.
//
// Thread-safety: free functions; the source may be shared. Errors are one line naming the tensor: INVALID_ARGUMENT for
// absent tensors, wrong shapes or dtypes; FAILED_PRECONDITION for what is not supported (desc_act, biases, other
// formats); DATA_LOSS for values that cannot be.
#pragma once

#include <cstdint>
#include <string>

#include "common/artifact/file_tree.h"
#include "common/export/block.h"
#include "common/model/linear_storage.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "common/status/status.h"

namespace lwq::qat {

// config.json, and quantize_config.json where config.json itself has no quantization_config.
StatusOr<LlamaConfig> ReadModelConfig(const FileTree& model);

// One linear, named without ".weight". Requires a storage whose group size is a number that divides the input.
StatusOr<LinearWeight> LoadLinear(TensorSource& source, const std::string& name, const LinearStorage& storage,
                                  const LinearShape& shape);

// INVALID_ARGUMENT for a block outside the model.
StatusOr<BlockState> LoadBlock(TensorSource& source, const LlamaConfig& config, int64_t block);

// lm_head is the embedding (the same bytes) when the embeddings are tied and only one of them is stored.
StatusOr<HeadWeights> LoadHead(TensorSource& source, const LlamaConfig& config);
// The embedding alone.
StatusOr<HostTensor> LoadEmbedding(TensorSource& source, const LlamaConfig& config);

}  // namespace lwq::qat
