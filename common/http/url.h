// SPDX-License-Identifier: Apache-2.0
// URLs as the HTTP client itself takes them apart, so that what is judged here is what is connected to.
//
// Pure; thread-safe. Errors: INVALID_ARGUMENT in one line, without the query, which may be secret.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

// Where a redirect leads: `reference`, absolute or relative, seen from `base`. Refused: what is no http:// or https://
// URL afterwards, and one with a name or a password in it.
StatusOr<std::string> ResolveReference(std::string_view base, std::string_view reference);

// Scheme, host and port, in lower case and with the port that the scheme implies: "https://host:443". Two URLs with
// equal ones have the same owner; a token for one must not be sent to another.
StatusOr<std::string> ExactOrigin(std::string_view url);

}  // namespace lwq
