// SPDX-License-Identifier: Apache-2.0
// The numbers of golden/search, which scripts/make_search_golden took from Optuna, SciPy and NumPy, as values of
// common/search.
#pragma once

#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/search/search_space.h"

namespace lwq::search::testing {

// The file golden/search/NAME.json.
const Json& SearchGolden(const std::string& name);

SearchParameter ParameterOf(const Json& json);
SearchSpace SpaceOf(const Json& json);
ParameterValue ValueOf(const SearchParameter& parameter, const Json& json);

// Coordinates of a list of values.
std::vector<double> CoordinatesOf(const SearchParameter& parameter, const Json& json);

}  // namespace lwq::search::testing
