// SPDX-License-Identifier: Apache-2.0
// A to Z as a to z, every other byte as it is: for names of headers, hosts and schemes. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/ascii.h"

namespace lwq {

inline std::string LowerCase(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

}  // namespace lwq
