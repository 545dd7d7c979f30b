// Looks at a text before it is uploaded: there, not empty, and of the kind its name says.
//
// Errors: one line "what: …" with NOT_FOUND, INVALID_ARGUMENT or FAILED_PRECONDITION.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

// The tree of one file a text is uploaded as: "text.txt", "text.jsonl" or "text.json.gz" → `path`. The user's file name
// is left out, so that equal texts have equal digests. `what` is the key the user wrote: "calib_dataset".
StatusOr<std::map<std::string, std::string>> InspectText(std::string_view what, const std::string& path);

}  // namespace lwq
