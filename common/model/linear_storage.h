// SPDX-License-Identifier: Apache-2.0
// How a linear of a model is stored: at full precision, or as the tensors of an export format.
//
// Pure values; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "common/export_format/export_format.h"
#include "common/model/llama_config.h"

namespace lwq {

struct LinearStorage {
  bool quantized = true;
  // The rest is of quantized linears only.
  int bits = 0;
  int64_t group_size = 0;  // −1: a whole row
  ExportFormat format = ExportFormat::kGptqV2;
  bool symmetric = false;  // no zero points are stored: each is 2^(bits − 1)
  friend bool operator==(const LinearStorage&, const LinearStorage&) = default;
};

// The tensors of a quantized linear. Requires a group size that divides in_features.
std::vector<ExportTensor> StoredTensors(const LinearStorage& storage, const LinearShape& shape);

}  // namespace lwq
