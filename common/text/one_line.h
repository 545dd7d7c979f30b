// SPDX-License-Identifier: Apache-2.0
// Any bytes as a line that may go into a message, a log or a report: one line, valid UTF-8, of bounded length.
//
// Pure. Names, file contents and other programs' errors are quoted through this where they may hold anything: a
// protobuf string that is not UTF-8 is refused by its receiver as a whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lwq {

// `text` in at most max_bytes: each control character and line separator a space, each invalid sequence U+FFFD. What is
// too long is cut between characters and ends in "…" where that fits. A line of this kind is returned as it is.
std::string OneLine(std::string_view text, size_t max_bytes);

}  // namespace lwq
