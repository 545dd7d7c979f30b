// SPDX-License-Identifier: Apache-2.0
// How a block is trained: what the recipe, the parameters of a train_block task and the trainer have in common. The
// members are the rows of recipe_fields.inc that say so; constants are those rows' defaults.
//
// Pure values. Not here: what each setting does (worker/qat/api/train_block.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/recipe/recipe.h"

namespace lwq {
namespace recipe {

template <typename T, typename V>
constexpr T ConstantOr(const Value<V>& default_value, T) {
  return static_cast<T>(default_value.value);
}
template <typename T>
constexpr T ConstantOr(const Follows&, T none) {
  return none;
}

struct TrainSettings {
#define LWQ_RECIPE_FIELD(type, name, default_value, allowed, readers, help)
#define LWQ_RECIPE_TRAIN_FIELD(type, name, default_value, allowed, readers, help) \
  type name = ConstantOr<type>(default_value, type{});
#include "common/recipe/recipe_fields.inc"
  // Zero points' own rate; absent: quant_lr. A rate equal to quant_lr is the same training, so it is left absent.
  std::optional<double> zp_lr;
};

}  // namespace recipe

using recipe::TrainSettings;

// Calls visit(name, member) for every setting; of a young one visit.Young(name, member, default).
template <typename Settings, typename Visit>
void ForEachTrainSetting(Settings& settings, Visit&& visit) {
  using recipe::Value;
#define LWQ_RECIPE_FIELD(type, name, default_value, allowed, readers, help)
#define LWQ_RECIPE_TRAIN_FIELD(type, name, default_value, allowed, readers, help) visit(#name, settings.name);
#define LWQ_RECIPE_YOUNG_TRAIN_FIELD(type, name, default_value, allowed, readers, help) \
  visit.Young(#name, settings.name, recipe::ConstantOr<type>(default_value, type{}));
#include "common/recipe/recipe_fields.inc"
  visit("zp_lr", settings.zp_lr);
}

// Those of the recipe itself, which plans may change by block.
inline TrainSettings TrainSettingsOf(const Recipe& recipe) {
  TrainSettings settings;
#define LWQ_RECIPE_FIELD(type, name, default_value, allowed, readers, help)
#define LWQ_RECIPE_TRAIN_FIELD(type, name, default_value, allowed, readers, help) settings.name = recipe.name;
#include "common/recipe/recipe_fields.inc"
  if (recipe.zp_lr != recipe.quant_lr) settings.zp_lr = recipe.zp_lr;
  return settings;
}

}  // namespace lwq
