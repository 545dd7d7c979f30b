// SPDX-License-Identifier: Apache-2.0
// From stored weights to the tensors that BlockForward and the head's losses take.
//
// Throws StatusError (INVALID_ARGUMENT naming the tensor) when a shape does not fit the model; call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "common/model/llama_config.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/execution.h"
#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/head_loss.h"

namespace lwq::qat {

// The dtype of a block's matrix products.
at::ScalarType ComputeType(Precision precision);

// One linear as a tensor [out, in] of `type`: a full-precision one converted, a quantized one decoded in float32 first.
at::Tensor LoadLinear(const LlamaConfig& config, const BlockState& block, LinearKind kind, at::ScalarType type,
                      at::Device device);
// A norm weight [hidden], float32. `name` is for errors.
at::Tensor LoadNorm(const LlamaConfig& config, const HostTensor& norm, std::string_view name, at::Device device);
// One of a head's queries or keys [head_dim], float32; undefined where the architecture has none.
at::Tensor LoadHeadNorm(const LlamaConfig& config, const std::optional<HostTensor>& norm, std::string_view name,
                        at::Device device);
// A linear's bias [out] of `type`; undefined where it has none.
at::Tensor LoadBias(const LlamaConfig& config, const BlockState& block, LinearKind kind, at::ScalarType type,
                    at::Device device);

BlockTensors LoadBlock(const LlamaConfig& config, const BlockState& block, at::ScalarType type, at::Device device);

// All but the linears, which are not there: as tensors, and as what a quantized block keeps beside its own (norms in
// float32, biases as they came).
BlockTensors LoadRestTensors(const LlamaConfig& config, const BlockState& block, at::ScalarType type,
                             at::Device device);
BlockState LoadRest(const LlamaConfig& config, const BlockState& block);

// The norm in float32, the head in `type`. The embedding is not looked at.
HeadTensors LoadHead(const LlamaConfig& config, const HeadWeights& head, at::ScalarType type, at::Device device);

}  // namespace lwq::qat
