// How many bytes a quantized linear takes in each export format, exactly, padding included.
//
// gptq_v2, a linear of K inputs and N outputs at b bits in groups of g: codes int32 [ceil(K·b/32), N], zero points
// int32 [ceil(K/g), ceil(N·b/32)], scales fp16 [ceil(K/g), N], and g_idx int32 [K], which is in the file but not in the
// stored bits (docs/spec.md, "Stored bits"). fake_quant stores fp16 weights. "none" counts
// the dense packing that gptq_v2 has, for every width, so that recipes can be compared without exporting.
//
// Pure; thread-safe. Units are in the names.
#pragma once

#include <cstdint>
#include <string>

#include "common/model/llama_config.h"
#include "common/recipe/choices.h"

namespace lwq::coordinator {

// Whether a format has a layout for a width.
bool FormatHolds(ExportFormat format, int bits);
// "fake_quant or none": the formats that hold the width, for messages.
std::string FormatsThatHold(int bits);

struct LinearStorage {
  int64_t stored_bytes = 0;  // what stored bits per weight counts
  int64_t index_bytes = 0;   // in the file besides (g_idx)
};

// group_size −1 is a whole row. Requires a format that holds `bits`.
LinearStorage StorageOf(ExportFormat format, const LinearShape& shape, int bits, int64_t group_size);

// Tensor bytes of the export that no plan changes: embedding, norms and head in fp16.
int64_t UnquantizedBytes(const LlamaConfig& config);

}  // namespace lwq::coordinator
