// UTF-8 as the tokenizers need it: common/text/utf8.h, and what to do with bytes that are none.
//
// Functions are pure and total.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/text/utf8.h"

namespace lwq {

// The offset of the first invalid byte, or npos.
size_t FindInvalidUtf8(std::string_view text);
// Each invalid sequence becomes one U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);
// `text` with every `pattern` (not empty), from the left and not overlapping, replaced by `content`.
std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content);
void AppendUtf8(char32_t code_point, std::string* out);
// The Unicode property White_Space.
bool IsWhiteSpace(char32_t code_point);

}  // namespace lwq
