// SPDX-License-Identifier: Apache-2.0
// Names by pattern, as a shell matches file names: "*" is any text, "?" one character, "[ab]" one of these, and a
// backslash takes the next character as it is.
#pragma once

#include <string>

namespace lwq {

// The whole name; an empty pattern matches every name. Pure; thread-safe.
bool MatchesPattern(const std::string& name, const std::string& pattern);

}  // namespace lwq
