// SPDX-License-Identifier: Apache-2.0
// Names that a user wrote and nobody knows: what was meant, and how to say so. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lwq::client {

// Insertions, deletions, substitutions and swaps of neighbours, case and '-' against '_' ignored.
int EditDistance(std::string_view a, std::string_view b);

// The nearest of `known` (the first of equals), or "" when none is near enough to be meant.
std::string NearestName(std::string_view name, const std::vector<std::string>& known);

// What there is to say of a name that is none.
struct UnknownName {
  std::string refused_reason;  // why a flag of EfficientQAT has no use here; "" for any other name
  std::string nearest;         // the known name that was meant; "" when none is near enough
};

// For a key of a run, or a flag of a verb that takes such keys. `known` are the names to suggest from.
UnknownName LookUpUnknownName(std::string_view name, const std::vector<std::string>& known);

// How it is said, in one line: the reason, or the nearest name written with `prefix` before it, or else `otherwise`,
// which says where the names are listed. `subject` is how the user wrote it ("key \"wbit\"", "flag --wbit").
std::string UnknownNameMessage(std::string_view subject, const UnknownName& unknown, std::string_view prefix,
                               std::string_view otherwise);

}  // namespace lwq::client
