// The known name nearest to what a user wrote. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lwq {

// Insertions, deletions, substitutions and swaps of neighbours, case and '-' against '_' ignored.
int EditDistance(std::string_view a, std::string_view b);

// The nearest of `known` (the first of equals), or "" when none is near enough to be meant.
std::string NearestName(std::string_view name, const std::vector<std::string>& known);

}  // namespace lwq
