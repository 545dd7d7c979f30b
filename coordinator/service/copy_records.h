// SPDX-License-Identifier: Apache-2.0
// lwq-coordinator --copy-from: how a coordinator's records move from one store to another.
#pragma once

#include <string>

#include "common/status/status.h"

namespace lwq::coordinator {

// Copies all records of the store at `from` into the one at `to`, all or none, and prints what there was. Neither may
// be in use: FAILED_PRECONDITION says by whom. Errors of OpenStore and CopyStore otherwise.
Status CopyRecords(const std::string& from, const std::string& to);

}  // namespace lwq::coordinator
