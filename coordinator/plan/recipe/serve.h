// SPDX-License-Identifier: Apache-2.0
// The recipe's key serve: the programs that must load the export, and what a plan may hold for them.
//
// The plan then takes formats, widths and mixtures alone that every one of them loads, exactly or rounded
// (common/export_format/consumers.h); what was not tried is not loaded. Kernels that fuse q, k and v, or gate and up,
// want one width and one group size in each: a plan gives both to a block, so that this always holds. Pure;
// thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/export_format/consumers.h"
#include "common/recipe/recipe.h"
#include "common/status/status.h"

namespace lwq::coordinator {

// What serve is where nobody is served.
inline constexpr std::string_view kNobody = "none";

// "none" is an empty list. INVALID_ARGUMENT for an unknown program, one that is there twice, none beside others, and an
// empty text.
StatusOr<std::vector<Consumer>> ParseServe(std::string_view text);

// The first of gptq_v2, gptq, compressed_tensors and gguf that all load; gptq_v2 where there is none, or nothing is
// served. Words that cannot be parsed count as none.
ExportFormat FormatServed(std::string_view serve, const ServedModel& model);

// FAILED_PRECONDITION, saying which program, why, and what to do, unless all programs of `serve` load such a model.
Status CheckServed(std::string_view serve, ExportFormat format, const ServedModel& model);

}  // namespace lwq::coordinator
