// SPDX-License-Identifier: Apache-2.0
// Where in a text an encoding failed, as part of its error. The message has it in words; callers that joined several
// texts ask for the number. Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

// `status` with "at byte N of the text (line L)" behind its message.
Status AtTextOffset(const Status& status, std::string_view text, size_t offset);
// The offset of an error made by AtTextOffset, however annotated since.
std::optional<size_t> TextOffsetOf(const Status& status);

}  // namespace lwq
