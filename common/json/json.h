// SPDX-License-Identifier: Apache-2.0
// JSON as every layer uses it: nlohmann's type, parsed without exceptions, written in one canonical form.
//
// Canonical form (what digests are taken of): no white space, keys sorted bytewise, numbers as nlohmann prints them
// (integers exactly, doubles with the shortest text that reads back the same bits). Depth is limited, so that hostile
// input cannot exhaust the stack.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace lwq {

using Json = nlohmann::json;

// What to do with {"a":1,"a":2}: JSON leaves it open. Files whose meaning must not depend on the reader refuse it.
enum class DuplicateKeys { kKeepLast, kRefuse };

// INVALID_ARGUMENT with `what` (a file or field name) and the position when the text is not JSON.
StatusOr<Json> ParseJson(std::string_view text, std::string_view what,
                         DuplicateKeys duplicates = DuplicateKeys::kKeepLast);
std::string CanonicalJson(const Json& value);

// Typed access with one-line errors: INVALID_ARGUMENT naming `what`.`key` when absent or of another type.
StatusOr<int64_t> JsonInt(const Json& object, std::string_view key, std::string_view what);
StatusOr<double> JsonDouble(const Json& object, std::string_view key, std::string_view what);
StatusOr<std::string> JsonString(const Json& object, std::string_view key, std::string_view what);
StatusOr<bool> JsonBool(const Json& object, std::string_view key, std::string_view what);

}  // namespace lwq
