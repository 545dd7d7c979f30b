// SPDX-License-Identifier: Apache-2.0
// What tokenizers ask of Unicode: normalization forms, numbers, punctuation, lower case. Data and algorithms are ICU's
// (Debian 12: ICU 72, Unicode 15.0), cut down to the older versions that the tokenizers library 0.23.3 has inside where
// that changes an answer: normalization as of Unicode 9.0, punctuation as of Unicode 8.0. Its numbers and lower case
// are of Unicode 16; characters that came between ICU's version and that one are not known here.
//
// Pure functions, safe from any number of threads.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

enum class NormalizationForm { kNfc, kNfd, kNfkc, kNfkd };

// Requires valid UTF-8. INVALID_ARGUMENT for a text of 2 GiB or more.
StatusOr<std::string> NormalizeUnicode(std::string_view text, NormalizationForm form);

// The general category N: decimal digits, letters that are numbers, other numbers ("²", "½", "Ⅷ").
bool IsNumeric(char32_t c);
// ASCII punctuation (symbols such as "$" and "+" with it) and the general category P.
bool IsPunctuation(char32_t c);
// What words are made of (Unicode's technical standard 18): letters, marks, decimal digits, connectors, joiners.
bool IsWordCharacter(char32_t c);
// Character by character, without regard to its neighbours; one character may become two.
std::string LowercaseUnicode(std::string_view text);

}  // namespace lwq
