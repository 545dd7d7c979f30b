// SPDX-License-Identifier: Apache-2.0
// Percent-encoding as RFC 3986 has it: all but A-Z a-z 0-9 - . _ ~ becomes %XX with upper-case digits.
//
// Pure; thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

std::string PercentEncode(std::string_view text);
// The same, with '/' left as it is.
std::string PercentEncodePath(std::string_view path);

// INVALID_ARGUMENT for a '%' that two hexadecimal digits do not follow. '+' is a plus sign.
StatusOr<std::string> PercentDecode(std::string_view text);

// "a=1&b=x%20y": names in ascending order of their encoded bytes, each with a '=', as signatures want it.
std::string EncodeQuery(const std::map<std::string, std::string>& query);

// The inverse, for options behind a URI. INVALID_ARGUMENT for a part without '=', and for a name given twice.
StatusOr<std::map<std::string, std::string>> ParseQuery(std::string_view text);

}  // namespace lwq
