// SPDX-License-Identifier: Apache-2.0
// What one block gets: the row of a plan.
//
// PlanBlocks fills in what policies decide, MakePlan the steps and the stored bits. Pure values.
#pragma once

#include <cstdint>

namespace lwq::coordinator {

struct BlockPlan {
  int64_t layer_idx = 0;
  int bit_width = 0;
  int64_t group_size = 0;
  double epochs = 0;
  double quant_lr = 0;
  double zp_lr = 0;
  double weight_lr = 0;
  double patience = 0;
  int64_t position = 0;  // in the training order
  double stored_bits_per_weight = 0;
  int64_t steps = 0;  // of the optimizer, all passes

  // A policy took all its learning rates to 0: it is rounded to nearest, which is what training would leave it at.
  bool is_frozen() const { return quant_lr == 0 && zp_lr == 0 && weight_lr == 0; }
};

}  // namespace lwq::coordinator
