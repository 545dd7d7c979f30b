// SPDX-License-Identifier: Apache-2.0
// A run file: flat YAML whose keys are the names of run_fields.h. Relative paths are relative to the file's folder.
//
// Errors: INVALID_ARGUMENT (or NOT_FOUND for no such file), one line "file:line:column: what; what to do".
#pragma once

#include <string>
#include <string_view>

#include "client/run_file/run_request.h"
#include "common/status/status.h"

namespace lwq::client {

StatusOr<RunRequest> ReadRunFile(const std::string& path);

// The same from a text. `what` names it in messages; relative paths are joined to `directory` ("" leaves them).
StatusOr<RunRequest> ParseRunFile(std::string_view text, std::string_view what, const std::string& directory);

}  // namespace lwq::client
