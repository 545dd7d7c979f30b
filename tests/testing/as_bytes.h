// SPDX-License-Identifier: Apache-2.0
// Text as the bytes that object stores take. The view is valid as long as the text.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace lwq::test {

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace lwq::test
