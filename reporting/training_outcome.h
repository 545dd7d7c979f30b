// SPDX-License-Identifier: Apache-2.0
// Whether a training was of use: did any of its steps lower the validation loss it began with?
//
// keep_best keeps the state with the least loss, the initial one included: where nothing was lowered, what a run
// reports as a training of so many steps left the block as it was. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// By the metrics of a training: nothing where no step was taken (epochs 0, rates 0) or nothing was validated.
std::optional<bool> LoweredLoss(const Json& metrics);

// "training undone: no step lowered the loss" where the initial state was kept, "training lowered no loss" where later
// weights are used nevertheless (keep_best false); "" for anything else, and for a task that trains nothing.
std::string UselessTrainingText(const lwqat::v1::Task& task);

// One line for all trainings of the run that were undone, and one for those that lowered nothing and are used, each
// naming its blocks; those of relay's second pass apart. Pilots, which are no part of the model, are left out.
std::vector<std::string> UselessTrainingRemarks(const lwqat::v1::Run& run);

}  // namespace lwq::reporting
