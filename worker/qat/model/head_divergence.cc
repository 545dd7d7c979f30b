// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/head_divergence.h"

#include <ATen/ops/log_softmax.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "worker/qat/model/llama_model.h"

namespace lwq::qat {
namespace {

// Σ p (ln p − ln q) of each row. Where p is 0 its term is 0, however unlikely q finds the token; where rounding made a
// sum negative it is 0: a divergence never is.
at::Tensor RowDivergences(const at::Tensor& reference_logits, const at::Tensor& logits) {
  const at::Tensor log_p = at::log_softmax(reference_logits.to(at::kDouble), -1);
  at::Tensor terms = at::log_softmax(logits.to(at::kDouble), -1);
  terms.sub_(log_p).neg_();
  const at::Tensor p = log_p.exp();
  terms.mul_(p).masked_fill_(p.eq(0), 0.0);
  return terms.sum(-1).clamp_min_(0.0).to(at::kCPU).contiguous();
}

}  // namespace

WindowDivergence SampleDivergence(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& reference,
                                  const at::Tensor& hidden) {
  const c10::NoGradGuard no_grad;
  const int64_t targets = hidden.size(0) - 1;
  const int64_t slice = std::clamp<int64_t>(kLogitElements / config.vocab_size, 1, targets);
  WindowDivergence divergence;
  for (int64_t first = 0; first < targets; first += slice) {
    const int64_t count = std::min(slice, targets - first);
    const auto logits_of = [&](const at::Tensor& states) {
      return Logits(config, head.final_norm, head.lm_head, states.narrow(0, first, count));
    };
    const at::Tensor wanted = logits_of(reference), found = logits_of(hidden);
    divergence.agreements += wanted.argmax(-1).eq(found.argmax(-1)).sum().item<int64_t>();
    const at::Tensor rows = RowDivergences(wanted, found);
    for (int64_t i = 0; i < count; ++i) {
      const double value = rows.data_ptr<double>()[i];
      divergence.sum += value;
      divergence.square_sum += value * value;
    }
  }
  return divergence;
}

}  // namespace lwq::qat
