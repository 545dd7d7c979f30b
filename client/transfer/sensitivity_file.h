// SPDX-License-Identifier: Apache-2.0
// Reads how sensitive the blocks of a model are from a file: what `lwq sensitivity` and the author's
// program (docs/policies.md) write.
//
// A JSON object {"model", "dataset", "method", "sensitivity_scores", "ranked_layers", "statistics", …} of which only
// "sensitivity_scores" must be there: a finite number of at least 0 for each block in order of depth. A score per block
// is also all that is taken over; a table is measured again, and found where its tasks are known.
//
// Errors: one line "sensitivity_file: PATH: …" with NOT_FOUND, INVALID_ARGUMENT.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status/status.h"

namespace lwq::client {

// Refused when it has not as many scores as the model, `model_name`, has `blocks` (0: no model, nothing to compare).
StatusOr<std::vector<double>> ReadSensitivityFile(const std::string& path, const std::string& model_name,
                                                  int64_t blocks);

}  // namespace lwq::client
