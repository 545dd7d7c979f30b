// SPDX-License-Identifier: Apache-2.0
// A whole Llama/Mistral model from tokens to logits, built from BlockForward: for pretraining small models, for checks
// against reference logits, and as the slow obvious counterpart of the streamed evaluation (worker/qat/evaluate).
//
// Everything is held at once and recorded by autograd where a weight requires gradients. A value; not thread-safe to
// modify.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "common/model/llama_config.h"
#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/sequence_tables.h"

namespace lwq::qat {

struct LlamaModel {
  LlamaConfig config;
  at::Tensor embedding;              // [vocab, hidden]
  std::vector<BlockTensors> blocks;  // num_hidden_layers
  at::Tensor final_norm;             // [hidden]
  at::Tensor lm_head;                // [vocab, hidden]; the embedding itself when tied

  // tokens [B, T] int64, every one inside the vocabulary → hidden states [B, T, hidden] after the last block.
  at::Tensor Hidden(const at::Tensor& tokens) const;
  // tokens [B, T] int64 → logits [B, T, vocab], float32.
  at::Tensor Forward(const at::Tensor& tokens) const;
};

// Final norm and head: hidden [..., hidden] → logits [..., vocab] in float32 (float64 for float64).
at::Tensor Logits(const LlamaConfig& config, const at::Tensor& final_norm, const at::Tensor& lm_head,
                  const at::Tensor& hidden);

// Per-sequence mean cross-entropy of the next tokens: logits [B, T, vocab], tokens [B, T] int64 → [B]. T ≥ 2.
at::Tensor NextTokenLoss(const at::Tensor& logits, const at::Tensor& tokens);

}  // namespace lwq::qat
