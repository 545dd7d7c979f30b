// SPDX-License-Identifier: Apache-2.0
#include "common/recipe/choices.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "common/status/status.h"

namespace lwq {

std::string UnknownWordMessage(std::string_view text, std::span<const std::string_view> words) {
  const std::string shown(text.substr(0, 40));
  return absl::StrCat("'", absl::CHexEscape(shown), "' is unknown, must be one of ",
                      absl::StrJoin(std::vector<std::string>(words.begin(), words.end()), ", "));
}

}  // namespace lwq
