// SPDX-License-Identifier: Apache-2.0
// What a table metric measures: the widths and group sizes that a recipe asks for.
//
// Pure; thread-safe.
#pragma once

#include <vector>

#include "common/status/status.h"
#include "common/task/quant_choice.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

// "loss_delta", "output_fisher" and "pilot" measure a table, the other metrics a number per block.
bool IsTableMetric(SensitivityMetric metric);

// Whether anything is rounded in groups: the blocks, or the candidates that a table is measured with. Of a model that
// is only evaluated, or whose gradients are measured, nothing is, and no group size matters.
bool CutsIntoGroups(const Recipe& recipe);

// Every width of sensitivity_bits with every group size of sensitivity_group_sizes, by width; besides them
// (wbits, group_size), the entry that policies read which need one number. INVALID_ARGUMENT naming the field and the
// entry that is not one, or is there twice; or where there are too many.
StatusOr<std::vector<QuantChoice>> SensitivityChoices(const Recipe& recipe);

}  // namespace lwq::coordinator
