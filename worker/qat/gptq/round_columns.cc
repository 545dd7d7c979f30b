// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/gptq/round_columns.h"

#include <algorithm>
#include <iterator>

namespace lwq::qat {
namespace {

// Outputs side by side. Loops over them have this fixed length, so that the compiler makes vectors of them.
constexpr int64_t kLanes = 32;
// Of numbers below 2^22: adding and subtracting it rounds half to even.
constexpr float kRounding = 12582912.0F;  // 1.5 · 2^23
// Far beyond any code, and within what kRounding rounds.
constexpr float kBeyondCodes = 4096.0F;

// What kLanes outputs of a batch need over and over, in the first cache.
struct Lanes {
  alignas(64) float errors[kMostBatchColumns][kLanes];
  alignas(64) float weight[kLanes];
  alignas(64) float scale[kLanes];
  alignas(64) float zero[kLanes];
  alignas(64) float code[kLanes];
};

// weight −= Σ_{k < column} U[k, column] · errors[k], in the order of k.
void ApplyEarlierErrors(const ColumnBatch& batch, int64_t column, Lanes& lanes) {
  float sum[kLanes] = {};
  for (int64_t k = 0; k < column; ++k) {
    const float u = batch.factor[k * batch.factor_stride + column];
    for (int64_t l = 0; l < kLanes; ++l) sum[l] += u * lanes.errors[k][l];
  }
  for (int64_t l = 0; l < kLanes; ++l) lanes.weight[l] -= sum[l];
}

void Round(const ColumnBatch& batch, int64_t column, Lanes& lanes) {
  const float diagonal = batch.factor[column * batch.factor_stride + column];
  for (int64_t l = 0; l < kLanes; ++l) {
    float ratio = lanes.weight[l] / lanes.scale[l];
    ratio = ratio < kBeyondCodes ? ratio : kBeyondCodes;
    ratio = ratio > -kBeyondCodes ? ratio : -kBeyondCodes;
    float code = (ratio + kRounding) - kRounding + lanes.zero[l];
    code = code > 0 ? code : 0;
    code = code < batch.max_code ? code : batch.max_code;
    lanes.code[l] = code;
    lanes.errors[column][l] = (lanes.weight[l] - (code - lanes.zero[l]) * lanes.scale[l]) / diagonal;
  }
}

// Columns of one group, up to kLanes outputs from `output` on.
void RoundLanes(const ColumnBatch& batch, int64_t output, int64_t count, Lanes& lanes) {
  std::fill(std::begin(lanes.scale), std::end(lanes.scale), 1.0F);
  std::fill(std::begin(lanes.zero), std::end(lanes.zero), 0.0F);
  std::fill(std::begin(lanes.weight), std::end(lanes.weight), 0.0F);
  int64_t group = -1;
  for (int64_t c = 0; c < batch.columns; ++c) {
    if (batch.groups[c] != group) {
      group = batch.groups[c];
      std::copy_n(batch.scales + group * batch.outputs + output, count, lanes.scale);
      std::copy_n(batch.zeros + group * batch.outputs + output, count, lanes.zero);
    }
    const int64_t at = c * batch.outputs + output;
    std::copy_n(batch.weights + at, count, lanes.weight);
    ApplyEarlierErrors(batch, c, lanes);
    Round(batch, c, lanes);
    std::copy_n(lanes.weight, count, batch.weights + at);
    std::copy_n(lanes.errors[c], count, batch.errors + at);
    for (int64_t l = 0; l < count; ++l) batch.codes[at + l] = static_cast<uint8_t>(lanes.code[l]);
  }
}

}  // namespace

void RoundColumns(const ColumnBatch& batch, int64_t first, int64_t last) {
  Lanes lanes;
  for (int64_t output = first; output < last; output += kLanes) {
    RoundLanes(batch, output, std::min(kLanes, last - output), lanes);
  }
}

}  // namespace lwq::qat
