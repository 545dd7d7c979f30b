// SPDX-License-Identifier: Apache-2.0
#include "common/text/name_pattern.h"

#include <fnmatch.h>

namespace lwq {

bool MatchesPattern(const std::string& name, const std::string& pattern) {
  return pattern.empty() || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace lwq
