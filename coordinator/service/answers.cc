// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/answers.h"

#include <algorithm>
#include <charconv>

namespace lwq::coordinator {

int PageSize(int asked, int by_default, int max) {
  return asked <= 0 ? by_default : std::min(asked, max);
}

std::string TokenBefore(int64_t sequence) {
  return absl::StrCat("before-", sequence);
}
StatusOr<int64_t> ParseToken(const std::string& token) {
  constexpr std::string_view kPrefix = "before-";
  int64_t sequence = 0;
  if (token.size() > kPrefix.size() && token.compare(0, kPrefix.size(), kPrefix) == 0) {
    const char* end = token.data() + token.size();
    const auto [rest, error] = std::from_chars(token.data() + kPrefix.size(), end, sequence);
    if (error == std::errc() && rest == end && sequence > 0) return sequence;
  }
  return absl::InvalidArgumentError("page_token was not issued by this server: start without one");
}

}  // namespace lwq::coordinator
