// SPDX-License-Identifier: Apache-2.0
// A table metric: for every block, what it loses at every (bits, group_size) that was measured.
//
// loss_delta, output_fisher and pilot measure tables; a scalar metric becomes one by TableFromScores. Losses add up
// over blocks, which is the assumption under which `optimal` is optimal. They need not be positive: a measured rise of
// the loss can come out below 0.
//
// Pure; thread-safety: values. Determinism: entries are kept in the order given.
#pragma once

#include <cstdint>
#include <vector>

#include "common/status/status.h"
#include "common/task/quant_choice.h"

namespace lwq::coordinator {

struct ScoreTable {
  std::vector<QuantChoice> choices;
  std::vector<std::vector<double>> loss;  // [block][choice]
};

// INVALID_ARGUMENT where a table has no block or no choice, holds a choice twice, has a row of another length, or an
// entry that is not finite: one line that names the block and the choice.
Status CheckTable(const ScoreTable& table);

// The column at (bits, group_size): the one number a block has for a policy that needs one (docs/spec.md,
// "Sensitivity"). NOT_FOUND, with the choices there are, where it was not measured. Requires a checked table.
StatusOr<std::vector<double>> ScoresAt(const ScoreTable& table, QuantChoice choice);

// What a scalar metric says about every choice: ½ · score / parameters · ‖W − Q(W)‖² (HAWQ-V2's form).
// `squared_error.loss` holds ‖W − Q(W)‖² of a block's quantized linears. INVALID_ARGUMENT where sizes differ or an
// error is negative. Requires checked scores, a checked table, and positive parameter counts.
StatusOr<ScoreTable> TableFromScores(const std::vector<double>& scores, const std::vector<int64_t>& parameters,
                                     const ScoreTable& squared_error);

}  // namespace lwq::coordinator
