// SPDX-License-Identifier: Apache-2.0
// Cutting text into words before byte-pair merging, where that cannot change the result: if no vocabulary entry that
// merging can make has a space symbol behind another character, no merge ever crosses the place before a space, and the
// words between such places merge independently. Pure functions.
#pragma once

#include <string_view>

namespace lwq {

// Whether `piece` has `space` behind something else than `space`.
inline bool CrossesWords(std::string_view piece, std::string_view space) {
  while (piece.starts_with(space)) piece.remove_prefix(space.size());
  return piece.find(space) != std::string_view::npos;
}

// The first word of a non-empty text: its leading spaces and what follows them up to the next space.
inline std::string_view NextWord(std::string_view text, std::string_view space) {
  size_t begin = 0;
  while (text.substr(begin).starts_with(space)) begin += space.size();
  return text.substr(0, text.find(space, begin));
}

}  // namespace lwq
