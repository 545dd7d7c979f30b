// SPDX-License-Identifier: Apache-2.0
// Looks at a text before it is uploaded: there, not empty, and what common/documents can read. Files of up to 32 MiB
// are read as the worker will read them, so that a broken line is named here; of larger ones the start is looked at.
//
// Errors: one line "what: …" with NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION or DATA_LOSS.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq::client {

// The tree of one file a text is uploaded as: "text.txt", "text.json" or "text.jsonl", with ".gz" where it is packed, →
// `path`. The user's file name is left out, so that equal texts have equal digests. `what` is the key the user wrote:
// "calib_dataset".
StatusOr<std::map<std::string, std::string>> InspectText(std::string_view what, const std::string& path);

}  // namespace lwq::client
