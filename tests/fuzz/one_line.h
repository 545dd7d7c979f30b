// SPDX-License-Identifier: Apache-2.0
// What every reader promises of its errors, for fuzz targets: one line that is not empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

inline void CheckOneLine(const Status& status) {
  if (status.ok()) return;
  LWQ_CHECK(!MessageOf(status).empty(), "an error without a message");
  LWQ_CHECK(MessageOf(status).find('\n') == std::string_view::npos, "an error of several lines: ", MessageOf(status));
}

// Of libFuzzer's bytes.
inline std::string_view InputText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace lwq
