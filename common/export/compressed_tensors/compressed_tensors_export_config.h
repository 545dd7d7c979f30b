// SPDX-License-Identifier: Apache-2.0
// The quantization_config of a model we export in compressed_tensors (common/model/compressed_tensors_config.h says how
// one is read).
#pragma once

#include <vector>

#include "common/export/block_format.h"
#include "common/json/json.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"

namespace lwq::qat {

// The config of a model whose blocks are stored as `blocks` says: a group for each width and group size, whose targets
// are whole blocks where all linears of a block are of the group; "Linear" where there is one group in all. Expressions
// match the fused modules of serving stacks (qkv_proj, gate_up_proj) too. Linears at full precision are ignored by
// name. INVALID_ARGUMENT where nothing is quantized. Pure.
StatusOr<Json> MakeCompressedTensorsConfig(const std::vector<BlockFormat>& blocks,
                                           ZeroPoints zero_points = ZeroPoints::kAny);

}  // namespace lwq::qat
