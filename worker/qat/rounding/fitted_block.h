// SPDX-License-Identifier: Apache-2.0
// The fitted linears of one block beside what stays as it came, and a step of what fits them.
//
// Any device. Throws StatusError and LibTorch's exceptions: use inside TorchGuard. One thread.
#pragma once

#include <variant>
#include <vector>

#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/sequence_tables.h"
#include "worker/qat/quant/adamw.h"
#include "worker/qat/rounding/fitted_linear.h"
#include "worker/qat/rounding/signed_descent.h"

namespace lwq::qat {

class FittedBlock {
 public:
  // Rounded to nearest until Begin.
  FittedBlock(const LlamaConfig& config, const BlockState& block, const FitOptions& options, int64_t seqlen,
              at::Device device);

  void Begin();

  // Mean squared error of samples [n, seqlen, hidden], a scalar; adds `share` times its gradient to the parameters'.
  at::Tensor Accumulate(const at::Tensor& in, const at::Tensor& target, double share);
  // Takes the gradients as step `step` of options.steps, and drops them.
  void Step(int64_t step);

  // The weights as they would be served, without gradients, in the precision of the computation.
  BlockTensors Served() const;
  // Mean squared error with such weights, without gradients.
  double Loss(const BlockTensors& served, const at::Tensor& in, const at::Tensor& target) const;

  // The integers of the present state, and the weights behind them in fp32.
  BlockState Derive() const;
  BlockState Latent() const;

 private:
  BlockTensors FakeQuantized() const;

  LlamaConfig config_;
  FitOptions options_;
  SequenceTables tables_;
  at::ScalarType compute_type_;
  BlockState rest_;                    // all but the linears
  BlockTensors tensors_;               // the same, as the computation reads it
  std::vector<FittedLinear> linears_;  // in the order of kAllLinears
  std::variant<SignedDescent, AdamW> optimizer_;
};

}  // namespace lwq::qat
