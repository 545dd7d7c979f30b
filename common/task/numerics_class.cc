// SPDX-License-Identifier: Apache-2.0
#include "common/task/numerics_class.h"

#include <algorithm>
#include <charconv>

#include "common/status/status.h"

namespace lwq {

std::string NumericsClass(std::string_view base, Precision precision, int threads) {
  return absl::StrCat(base, "|", WordOf(precision), "|t", threads);
}

bool NumericsClassFits(std::string_view numerics_class, std::string_view base) {
  if (numerics_class.empty()) return true;
  if (numerics_class.substr(0, base.size()) != base) return false;
  // Exactly precision and threads must follow, so that no base fits classes of a longer one.
  const std::string_view rest = numerics_class.substr(base.size());
  return !rest.empty() && rest[0] == '|' && std::count(rest.begin(), rest.end(), '|') == 2;
}

std::string BaseOf(std::string_view numerics_class) {
  const size_t threads_bar = numerics_class.rfind('|');
  if (threads_bar == std::string_view::npos || threads_bar == 0) return "";
  const size_t precision_bar = numerics_class.rfind('|', threads_bar - 1);
  return precision_bar == std::string_view::npos ? "" : std::string(numerics_class.substr(0, precision_bar));
}

NumericsParts PartsOf(std::string_view numerics_class) {
  NumericsParts parts;
  const size_t threads_bar = numerics_class.rfind('|');
  if (threads_bar == std::string_view::npos || threads_bar == 0) return parts;
  const size_t precision_bar = numerics_class.rfind('|', threads_bar - 1);
  if (precision_bar == std::string_view::npos) return parts;
  parts.precision = ParseWord<Precision>(numerics_class.substr(precision_bar + 1, threads_bar - precision_bar - 1))
                        .value_or(parts.precision);
  const std::string_view threads_field = numerics_class.substr(threads_bar + 1);  // "t<number>"
  int threads = 0;
  if (threads_field.size() > 1 && threads_field[0] == 't') {
    const char* end = threads_field.data() + threads_field.size();
    const auto [rest, error] = std::from_chars(threads_field.data() + 1, end, threads);
    if (error == std::errc() && rest == end && threads > 0) parts.threads = threads;
  }
  return parts;
}

}  // namespace lwq
