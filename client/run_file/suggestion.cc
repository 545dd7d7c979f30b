// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/suggestion.h"

#include <algorithm>
#include <cctype>

#include "client/run_file/field_help.h"
#include "common/status/status.h"

namespace lwq::client {
namespace {

char Fold(char c) {
  return c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

}  // namespace

int EditDistance(std::string_view a, std::string_view b) {
  const size_t columns = b.size() + 1;
  std::vector<int> before(columns), previous(columns), current(columns);
  for (size_t j = 0; j < columns; ++j) previous[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = static_cast<int>(i);
    for (size_t j = 1; j < columns; ++j) {
      const bool same = Fold(a[i - 1]) == Fold(b[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && Fold(a[i - 1]) == Fold(b[j - 2]) && Fold(a[i - 2]) == Fold(b[j - 1]);
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::string NearestName(std::string_view name, const std::vector<std::string>& known) {
  constexpr size_t kLongestName = 64;  // of any real name; also bounds the work for hostile input
  if (name.empty() || name.size() > kLongestName) return "";
  int best = std::max(1, static_cast<int>(name.size()) / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : known) {
    const int distance = EditDistance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

UnknownName LookUpUnknownName(std::string_view name, const std::vector<std::string>& known) {
  const auto refused = RefusedFlags().find(name);
  return {refused != RefusedFlags().end() ? refused->second : "", NearestName(name, known)};
}

std::string UnknownNameMessage(std::string_view subject, const UnknownName& unknown, std::string_view prefix,
                               std::string_view otherwise) {
  if (!unknown.refused_reason.empty()) {
    return absl::StrCat(subject, " of EfficientQAT has no use here: ", unknown.refused_reason);
  }
  if (!unknown.nearest.empty())
    return absl::StrCat("unknown ", subject, "; did you mean ", prefix, unknown.nearest, "?");
  return absl::StrCat("unknown ", subject, "; ", otherwise);
}

}  // namespace lwq::client
