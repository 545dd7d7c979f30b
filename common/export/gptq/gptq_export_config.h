// SPDX-License-Identifier: Apache-2.0
// The quantization_config of a model we export (common/model/gptq_config.h says how one is read).
#pragma once

#include <vector>

#include "common/export/block_format.h"
#include "common/json/json.h"
#include "common/recipe/choices.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"

namespace lwq::qat {

// The config of a model whose blocks are stored as `blocks` says (quantized linears of 2, 3, 4 or 8 bits; others
// unquantized). The bits and group size that cover most weights stand at the top; the rest are overrides, by whole
// blocks where possible. With nothing quantized at all, INVALID_ARGUMENT.
// At most one rule matches a module, so that the order of a JSON object's members does not matter. `format` is kGptqV2
// or kGptq, which has no `meta`: AutoRound 0.16.1 refuses version 1 with it, and takes version 2 for 1 without. Pure.
StatusOr<Json> MakeGptqConfig(const std::vector<BlockFormat>& blocks, ZeroPoints zero_points = ZeroPoints::kAny,
                              ExportFormat format = ExportFormat::kGptqV2);

}  // namespace lwq::qat
