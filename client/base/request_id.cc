// SPDX-License-Identifier: Apache-2.0
#include "client/base/request_id.h"

#include "absl/strings/str_cat.h"

namespace lwq::client {

std::string RequestIdFrom(const Digest& digest) {
  std::string hex = digest.hex();
  hex[12] = '8';                    // the version
  hex[16] = "89ab"[(hex[16] & 3)];  // the variant
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20, 12));
}

}  // namespace lwq::client
