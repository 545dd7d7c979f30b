// SPDX-License-Identifier: Apache-2.0
// SHA-256 as S3 keeps it beside an object: base64 in the header x-amz-checksum-sha256. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/digest/digest.h"

namespace lwq {

inline constexpr std::string_view kSha256ChecksumHeader = "x-amz-checksum-sha256";

std::string Sha256Checksum(const Digest& digest);
// None for what is not one: absent, of parts ("…-3"), or of another length.
std::optional<Digest> ParseSha256Checksum(std::string_view text);

}  // namespace lwq
