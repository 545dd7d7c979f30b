// Reads how sensitive the blocks of a model are from a file: a JSON object with "sensitivity_scores", a list with one
// number for each block in order of depth (the other members, as "method" and "ranked_layers", are not read).
//
// Errors: one line "sensitivity_file: PATH: …" with NOT_FOUND, INVALID_ARGUMENT.
#pragma once

#include <string>
#include <vector>

#include "common/status/status.h"

namespace lwq {

StatusOr<std::vector<double>> ReadSensitivityFile(const std::string& path);

}  // namespace lwq
