// SPDX-License-Identifier: Apache-2.0
#include "reporting/recipe_differences.h"

#include <cstdlib>

#include "common/json/json.h"
#include "common/recipe/recipe_table.h"
#include "reporting/json_text.h"

namespace lwq::reporting {
namespace {

std::string ValueAsGiven(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// "1e-4" and "0.0001" are one number.
bool IsDefault(const std::string& value, const std::string& default_text) {
  if (value == default_text) return true;
  char* value_end = nullptr;
  char* default_end = nullptr;
  const double number = std::strtod(value.c_str(), &value_end);
  const double usual = std::strtod(default_text.c_str(), &default_end);
  const bool are_numbers = !value.empty() && *value_end == '\0' && !default_text.empty() && *default_end == '\0';
  return are_numbers && number == usual;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> RecipeDifferences(const lwqat::v1::Run& run) {
  std::vector<std::pair<std::string, std::string>> differences;
  const lwqat::v1::Recipe& given = run.spec().recipe();
  const Json values = ToJson(given);
  for (const RecipeFieldText& field : RecipeFieldTexts()) {
    const auto* described = lwqat::v1::Recipe::descriptor()->FindFieldByName(field.name);
    if (described == nullptr || !lwqat::v1::Recipe::GetReflection()->HasField(given, described)) continue;
    const auto value = values.find(field.name);
    if (value == values.end() || IsDefault(ValueAsGiven(*value), field.default_text)) continue;
    differences.emplace_back(field.name, ValueAsGiven(*value));
  }
  return differences;
}

}  // namespace lwq::reporting
