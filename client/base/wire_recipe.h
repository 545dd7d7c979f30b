// The words of a recipe on the wire, as the program compares them. Pure; thread-safe.
#pragma once

#include <optional>

#include "common/recipe/choices.h"
#include "lwqat/v1/spec.pb.h"

namespace lwq {

// The default where the recipe names no method; nothing where its word is none (the coordinator refuses it).
inline std::optional<Method> MethodOf(const lwqat::v1::Recipe& recipe) {
  return recipe.has_method() ? ParseWord<Method>(recipe.method()) : Method::kBlockAp;
}

}  // namespace lwq
