// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/recipe.h"

#include <cmath>
#include <string>
#include <string_view>

#include "coordinator/plan/recipe/recipe_check.h"
#include "coordinator/plan/recipe/recipe_defaults.h"

namespace lwq::coordinator {
namespace {

// Reads the fields there are back from JSON.
class FieldReader {
 public:
  explicit FieldReader(const Json& json) : json_(json) {}

  template <typename T>
  void operator()(std::string_view name, std::optional<T>& field) {
    ++known_;
    const auto it = json_.find(name);
    if (it == json_.end()) {
      --known_;
      return;
    }
    T value{};
    Read(name, *it, value);
    field = std::move(value);
  }
  Status Finish() const {
    if (!problem_.empty()) return absl::DataLossError(absl::StrCat("stored recipe: ", problem_));
    if (known_ != json_.size()) return absl::DataLossError("stored recipe: it has a field this version does not know");
    return absl::OkStatus();
  }

 private:
  template <RecipeChoice E>
  void Read(std::string_view name, const Json& value, GivenWord<E>& field) {
    std::string text;
    Read(name, value, text);
    field = text;
  }
  template <typename T>
  void Read(std::string_view name, const Json& value, T& field) {
    const bool fits = std::is_same_v<T, bool>          ? value.is_boolean()
                      : std::is_same_v<T, std::string> ? value.is_string()
                      : std::is_integral_v<T>          ? value.is_number_integer()
                                                       : value.is_number();
    if (!fits) {
      Fail(absl::StrCat("'", name, "' has the wrong type"));
      return;
    }
    field = value.get<T>();
  }
  void Fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }

  const Json& json_;
  size_t known_ = 0;
  std::string problem_;
};

template <typename T>
Json ToJson(const T& value) {
  return value;
}
template <RecipeChoice E>
Json ToJson(const E& choice) {
  return std::string(WordOf(choice));
}
template <RecipeChoice E>
Json ToJson(const GivenWord<E>& word) {
  return word.text();
}

// Whether a stored record holds a value of this version.
template <typename T>
bool IsKnown(const std::optional<T>&) {
  return true;
}
template <RecipeChoice E>
bool IsKnown(const std::optional<GivenWord<E>>& word) {
  return !word.has_value() || word->choice().has_value();
}

}  // namespace

Method MethodOf(const PartialRecipe& partial) {
  const std::optional<Method> given = partial.method.has_value() ? partial.method->choice() : std::nullopt;
  return given.value_or(*ConstantDefaults().method);
}

StatusOr<Recipe> ResolveRecipe(const PartialRecipe& partial, const LlamaConfig* model) {
  const Method method = MethodOf(partial);
  LWQ_CHECK(model != nullptr || !TraitsOf(method).needs_model, "method ", WordOf(method), " resolved without a model");
  const Recipe recipe = Completed(partial, Presets::kApply, model);
  LWQ_RETURN_IF_ERROR(CheckRecipe(recipe, partial, model));
  return recipe;
}

Recipe PinRecipe(Recipe recipe, bool hardware_bf16) {
  if (recipe.precision == Precision::kAuto) recipe.precision = hardware_bf16 ? Precision::kBf16 : Precision::kFp32;
  if (recipe.activation_dtype == Precision::kAuto) recipe.activation_dtype = recipe.precision;
  return recipe;
}

int64_t PlannedSteps(const Recipe& recipe, double epochs) {
  const int64_t batches = (recipe.train_size + recipe.batch_size - 1) / recipe.batch_size;
  return std::llround(epochs * static_cast<double>(batches));
}

Json RecipeToJson(const PartialRecipe& recipe) {
  Json json = Json::object();
  ForEachRecipeField(
      [&](std::string_view name, const auto& field) {
        if (field.has_value()) json[std::string(name)] = ToJson(*field);
      },
      recipe);
  return json;
}

Json RecipeToJson(const Recipe& recipe) {
  Json json = Json::object();
  ForEachRecipeField([&](std::string_view name, const auto& field) { json[std::string(name)] = ToJson(field); },
                     recipe);
  return json;
}

StatusOr<PartialRecipe> PartialRecipeFromJson(const Json& json) {
  if (!json.is_object()) return absl::DataLossError("stored recipe: it is not an object");
  PartialRecipe recipe;
  FieldReader reader(json);
  ForEachRecipeField(reader, recipe);
  LWQ_RETURN_IF_ERROR(reader.Finish());
  return recipe;
}

StatusOr<Recipe> RecipeFromJson(const Json& json) {
  LWQ_ASSIGN_OR_RETURN(const PartialRecipe stored, PartialRecipeFromJson(json));
  std::string unknown;
  ForEachRecipeField(
      [&](std::string_view name, const auto& given) {
        if (unknown.empty() && !IsKnown(given)) unknown = name;
      },
      stored);
  if (!unknown.empty()) {
    return absl::DataLossError(absl::StrCat("stored recipe: '", unknown, "' has a word this version does not know"));
  }
  // A field younger than the record has the value under which the run behaves as it did.
  return Completed(stored, Presets::kIgnore, nullptr);
}

}  // namespace lwq::coordinator
