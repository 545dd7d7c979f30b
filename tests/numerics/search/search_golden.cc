// SPDX-License-Identifier: Apache-2.0
#include "tests/numerics/search/search_golden.h"

#include <fstream>
#include <map>

#include "common/status/status.h"

namespace lwq::search::testing {

const Json& SearchGolden(const std::string& name) {
  static auto* const files = new std::map<std::string, Json>();
  auto found = files->find(name);
  if (found == files->end()) {
    std::ifstream file(std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/search/" + name + ".json");
    LWQ_CHECK(file.good(), "golden/search/", name, ".json cannot be read; scripts/make_search_golden writes it");
    found = files->emplace(name, Json::parse(file)).first;
  }
  return found->second;
}

SearchParameter ParameterOf(const Json& json) {
  SearchParameter parameter;
  parameter.name = json.at("name");
  const std::string kind = json.at("kind");
  if (kind == "categorical") {
    parameter.kind = ParameterKind::kCategorical;
    parameter.choices = json.at("choices").get<std::vector<std::string>>();
    return parameter;
  }
  parameter.kind = kind == "int" ? ParameterKind::kInt : ParameterKind::kFloat;
  parameter.low = json.at("low");
  parameter.high = json.at("high");
  parameter.log = json.at("log");
  if (json.contains("step")) parameter.step = json.at("step").get<double>();
  return parameter;
}

SearchSpace SpaceOf(const Json& json) {
  SearchSpace space;
  for (const Json& parameter : json) space.push_back(ParameterOf(parameter));
  return space;
}

ParameterValue ValueOf(const SearchParameter& parameter, const Json& json) {
  switch (parameter.kind) {
    case ParameterKind::kCategorical:
      return json.get<std::string>();
    case ParameterKind::kInt:
      return json.get<int64_t>();
    case ParameterKind::kFloat:
      break;
  }
  return json.get<double>();
}

std::vector<double> CoordinatesOf(const SearchParameter& parameter, const Json& json) {
  std::vector<double> coordinates;
  for (const Json& value : json) coordinates.push_back(CoordinateOf(parameter, ValueOf(parameter, value)));
  return coordinates;
}

}  // namespace lwq::search::testing
