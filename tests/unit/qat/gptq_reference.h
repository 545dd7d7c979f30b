// SPDX-License-Identifier: Apache-2.0
// GPTQ of one weight as slowly and plainly as it can be said, in float64: equations 2 and 3 of arXiv 2210.17323, where
// after each column the inverse Hessian loses that column's row and column. No factorization, no batches.
#pragma once

#include <cstdint>
#include <vector>

namespace lwq::qat {

using Matrix = std::vector<std::vector<double>>;

struct GptqReference {
  std::vector<std::vector<int>> codes;  // [out][in]
  Matrix scales;                        // [out][groups], fp16 numbers
  std::vector<std::vector<int>> zeros;  // [out][groups]
  Matrix served;                        // [out][in]: (code − zero) · scale
};

struct GptqReferenceOptions {
  int bits = 0;
  int64_t group_size = 0;  // no −1
  double damp_percent = 0.01;
  bool desc_act = false;
};

GptqReference RoundAsThePaperSays(const Matrix& weight, const Matrix& hessian, const GptqReferenceOptions& options);

// tr((W − Q) H (W − Q)ᵀ).
double WeightedError(const Matrix& weight, const Matrix& served, const Matrix& hessian);

}  // namespace lwq::qat
