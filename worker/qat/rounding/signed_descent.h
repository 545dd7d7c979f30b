// SPDX-License-Identifier: Apache-2.0
// Signed gradient descent (arXiv 2309.05516, equation 4): p ← p − lr · sign(g). A gradient of 0 moves nothing.
//
// The interface is AdamW's (quant/adamw.h); it holds no state of its own. Any device. One thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace lwq::qat {

class SignedDescent {
 public:
  explicit SignedDescent(int groups) : rates_(static_cast<size_t>(groups), 0.0) {}

  // A leaf that requires a gradient; written in place by Step.
  void AddParameter(at::Tensor parameter, int group) { parameters_.emplace_back(std::move(parameter), group); }
  void SetLr(int group, double lr) { rates_[static_cast<size_t>(group)] = lr; }
  // Parameters without a gradient keep their values.
  void Step();
  void ZeroGrad();

 private:
  std::vector<double> rates_;
  std::vector<std::pair<at::Tensor, int>> parameters_;
};

}  // namespace lwq::qat
