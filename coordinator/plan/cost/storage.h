// SPDX-License-Identifier: Apache-2.0
// How many bytes a quantized linear takes in each export format, exactly, padding included: those of the tensors that
// common/export_format says the format makes.
//
// Pure; thread-safe. Units are in the names.
#pragma once

#include <cstdint>

#include "common/export_format/export_format.h"
#include "common/model/llama_config.h"

namespace lwq::coordinator {

struct LinearStorage {
  int64_t stored_bytes = 0;  // what stored bits per weight counts
  int64_t index_bytes = 0;   // in the file besides (g_idx)
};

// group_size −1 is a whole row; Requires a format that holds `bits` with such zero points.
LinearStorage StorageOf(ExportFormat format, const LinearShape& shape, int bits, int64_t group_size,
                        ZeroPoints zero_points = ZeroPoints::kAny);

// Tensor bytes of the export that no plan changes: embedding, norms and head in fp16.
int64_t UnquantizedBytes(const LlamaConfig& config);

}  // namespace lwq::coordinator
