// SPDX-License-Identifier: Apache-2.0
// The words of a recipe on the wire, as the program compares them. Pure; thread-safe.
#pragma once

#include <optional>

#include "common/recipe/choices.h"
#include "common/recipe/method.h"
#include "lwqat/v1/spec.pb.h"

namespace lwq::reporting {

// The default where the recipe names no method; nothing where its word is none (the coordinator refuses it).
inline std::optional<Method> MethodOf(const lwqat::v1::Recipe& recipe) {
  return recipe.has_method() ? ParseWord<Method>(recipe.method()) : Method::kBlockAp;
}

// What a run of the method has and needs. Of a word that is none: a model, and its small files; the coordinator refuses
// the run.
inline MethodTraits TraitsOfMethod(const lwqat::v1::Recipe& recipe) {
  const std::optional<Method> method = MethodOf(recipe);
  return method.has_value() ? TraitsOf(*method) : MethodTraits{.needs_model = true, .quantizes = true};
}

// Whether the blocks that are quantized are not those that the model has (prepare).
inline bool Prepares(const lwqat::v1::Recipe& recipe) {
  return recipe.has_prepare() && recipe.prepare() != WordOf(Preparation::kNone);
}

}  // namespace lwq::reporting
