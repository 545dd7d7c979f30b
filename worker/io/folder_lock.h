// SPDX-License-Identifier: Apache-2.0
// One process per folder: an exclusive lock on the file "lock" in it, held until the descriptor is closed, by whatever
// end of the process.
#pragma once

#include <string>
#include <string_view>

#include "common/file/posix_file.h"
#include "common/status/status.h"

namespace lwq {

// Requires the folder. FAILED_PRECONDITION when another holder has it: "<what> <directory> is in use by another
// worker".
StatusOr<UniqueFd> LockFolder(const std::string& directory, std::string_view what);

}  // namespace lwq
