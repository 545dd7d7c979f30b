// SPDX-License-Identifier: Apache-2.0
// Pages of lists. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "common/status/status.h"

namespace lwq::coordinator {

inline constexpr int kDefaultPage = 50;
inline constexpr int kMaxPage = 200;

// What was asked for, or `by_default`, at most `max`.
int PageSize(int asked, int by_default, int max);

// A page token is "before-<sequence>": what has a smaller sequence follows. ParseToken: INVALID_ARGUMENT.
std::string TokenBefore(int64_t sequence);
StatusOr<int64_t> ParseToken(const std::string& token);

// At how many runs or sweeps is looked for one page: a filter that nothing meets must not hold the loop.
inline constexpr int kLookedAt = 10'000;

// Fills a page, newest first, of what `by_sequence` (sequence -> id) has, with `add`, which is told each id and says
// whether it is on the page; the token of the next page, "" on the last. INVALID_ARGUMENT: the token of no page.
template <typename BySequence, typename Add>
StatusOr<std::string> FillPage(const BySequence& by_sequence, int page_size, const std::string& page_token, Add add) {
  auto next = by_sequence.rbegin();
  if (!page_token.empty()) {
    LWQ_ASSIGN_OR_RETURN(const int64_t before, ParseToken(page_token));
    next = std::make_reverse_iterator(by_sequence.lower_bound(before));
  }
  const int size = PageSize(page_size, kDefaultPage, kMaxPage);
  int added = 0;
  for (int looked = 0; added < size && looked < kLookedAt && next != by_sequence.rend(); ++looked, ++next) {
    if (add(next->second)) ++added;
  }
  return next == by_sequence.rend() ? "" : TokenBefore(next->first + 1);
}

}  // namespace lwq::coordinator
