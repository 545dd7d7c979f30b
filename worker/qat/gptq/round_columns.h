// SPDX-License-Identifier: Apache-2.0
// The inner loop of GPTQ on raw memory: a batch of columns rounded one after the other.
//
// Columns of the weight are rows here: element [c, o] is the weight of output o and column c, so that one step of the
// recurrence is the same operation for many outputs side by side. Outputs do not depend on each other: any partition of
// them gives the same bits, and so does every CPU (no fused operations). Free of LibTorch. Thread-safety: no state.
#pragma once

#include <cstdint>

namespace lwq::qat {

inline constexpr int64_t kMostBatchColumns = 128;

struct ColumnBatch {
  int64_t columns = 0;  // at most kMostBatchColumns
  int64_t outputs = 0;
  float* weights = nullptr;       // [columns, outputs]; in: after all batches before; out: as they were rounded
  const float* factor = nullptr;  // U [columns, columns] on the diagonal, row i from factor + i · factor_stride
  int64_t factor_stride = 0;
  const float* scales = nullptr;    // [groups, outputs]: above 0
  const float* zeros = nullptr;     // [groups, outputs]: whole, 0 … max_code
  const int64_t* groups = nullptr;  // [columns]: the group of each
  float max_code = 0;               // 2^bits − 1
  float* errors = nullptr;          // out: [columns, outputs]: (w − (code − zero) · scale) / U[i, i]
  uint8_t* codes = nullptr;  // out: [columns, outputs]: clamp(round half to even(w / scale) + zero, 0, max_code);
                             // any of them where w is not a number
};

// Outputs [first, last). weights[i] −= Σ_{k < i} U[k, i] · errors[k], then the column is rounded.
void RoundColumns(const ColumnBatch& batch, int64_t first, int64_t last);

}  // namespace lwq::qat
