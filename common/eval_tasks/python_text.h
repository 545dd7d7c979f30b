// SPDX-License-Identifier: Apache-2.0
// The few operations on texts that lm-evaluation-harness leaves to Python, as Python 3 does them.
//
// All require valid UTF-8. Case mapping is ICU's with no locale, full mappings included ("ß" begins a text as "Ss").
// Pure; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lwq {

// Python's white space: Unicode's and the four separators U+001C–U+001F.
bool IsPythonSpace(char32_t c);
// len(text): code points.
int64_t PythonLength(std::string_view text);
// text.strip(), and where text.rstrip() ends.
std::string_view PythonStrip(std::string_view text);
size_t PythonTrimmedEnd(std::string_view text);
// text.capitalize(): the first character in title case, all others in lower case.
std::string PythonCapitalize(std::string_view text);
// re.sub("\\[.*?\\]", "", text): what stands in brackets on one line goes.
std::string WithoutBracketed(std::string_view text);

}  // namespace lwq
