// SPDX-License-Identifier: Apache-2.0
// What a run asks for that is not the default anyway. Pure; thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// Keys and values as a run file has them, in the recipe's order. Of what was not asked for the value follows from these
// and the model.
std::vector<std::pair<std::string, std::string>> RecipeDifferences(const lwqat::v1::Run& run);

}  // namespace lwq::reporting
