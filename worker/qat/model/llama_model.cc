// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/llama_model.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/log_softmax.h>

#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/products.h"

namespace lwq::qat {

at::Tensor LlamaModel::Hidden(const at::Tensor& tokens) const {
  const SequenceTables tables = MakeSequenceTables(config, tokens.size(1), embedding.device());
  at::Tensor hidden = at::embedding(embedding, tokens);
  for (const BlockTensors& block : blocks) hidden = BlockForward(config, block, tables, hidden);
  return hidden;
}

at::Tensor LlamaModel::Forward(const at::Tensor& tokens) const {
  return Logits(config, final_norm, lm_head, Hidden(tokens));
}

at::Tensor Logits(const LlamaConfig& config, const at::Tensor& final_norm, const at::Tensor& lm_head,
                  const at::Tensor& hidden) {
  const at::Tensor x = RmsNorm(hidden, final_norm, config.rms_norm_eps).to(lm_head.scalar_type());
  const at::Tensor logits = Linear(x, lm_head);
  return logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
}

at::Tensor NextTokenLoss(const at::Tensor& logits, const at::Tensor& tokens) {
  const int64_t targets = tokens.size(1) - 1;
  const at::Tensor log_probs = at::log_softmax(logits.narrow(1, 0, targets), -1);
  return log_probs.gather(-1, tokens.narrow(1, 1, targets).unsqueeze(-1)).squeeze(-1).mean(1).neg();
}

}  // namespace lwq::qat
