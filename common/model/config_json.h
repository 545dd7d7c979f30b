// SPDX-License-Identifier: Apache-2.0
// What reading config.json and quantization_config have in common. Private to common/model.
//
// Errors name the file and the key: INVALID_ARGUMENT for values that cannot be, FAILED_PRECONDITION for what is not
// supported.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq::internal {

inline constexpr std::string_view kConfigFile = "config.json";
// Far above every real model, low enough that no product of them overflows int64.
inline constexpr int64_t kMaxSize = 1 << 20;
inline constexpr int64_t kMaxPositions = int64_t{1} << 40;

// For messages.
std::string Shown(const Json& value);

// Absent and null are the same in these files.
const Json* Find(const Json& object, std::string_view key);

Status NotSupported(std::string_view reason);
Status Impossible(std::string_view key, std::string_view reason);

// A whole number from 1 to `max`. The optional ones leave `value` as it is where the key is absent.
Status ReadSize(const Json& object, std::string_view key, int64_t max, int64_t& value);
Status ReadOptionalSize(const Json& object, std::string_view key, int64_t max, int64_t& value);
// A finite number above 0.
Status ReadPositive(const Json& object, std::string_view key, double& value);
Status ReadOptionalPositive(const Json& object, std::string_view key, double& value);
Status ReadOptionalBool(const Json& object, std::string_view key, bool& value);

}  // namespace lwq::internal
