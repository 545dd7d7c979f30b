// SPDX-License-Identifier: Apache-2.0
// A page of WikiText as lm-evaluation-harness 0.4.13 has it scored, and what its perplexities are divided by
// (lm_eval/tasks/wikitext/preprocess_wikitext.py).
//
// Both require valid UTF-8. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lwq {

// WikiText's tokens put together again: " @-@ " is a hyphen, blanks before punctuation and within brackets and quotes
// go, a lone " N " is " 1 ". Each rule once, in the harness's order, its slips included: "/' 5/" becomes the pattern
// that was meant to find it, "/'[0-9]/".
std::string DetokenizedWikitext(std::string_view page);

// len(re.split(r"\s+", page)): runs of white space and one. White space at an end counts, and an empty page is a word.
int64_t WikitextWords(std::string_view page);

}  // namespace lwq
