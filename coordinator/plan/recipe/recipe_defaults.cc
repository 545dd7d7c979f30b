// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/recipe_defaults.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/export_format/export_format.h"
#include "common/status/status.h"
#include "coordinator/plan/recipe/eval_shards.h"
#include "coordinator/plan/recipe/group_size.h"
#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/serve.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kUsualSeqlen = 2048;
constexpr int64_t kUsualSensitivitySamples = 64;
constexpr int64_t kUsualPilotSamples = 32;

SettledRecipe ValuesOf(Preset preset, int wbits) {
  SettledRecipe values;
  if (preset == Preset::kEfficientQat) {
    values.train_size = 4096;
    values.val_size = 64;
    values.disjoint_windows = false;
    values.early_stop_resets = false;
    values.keep_best = false;
    values.lr_schedule = LrSchedule::kChainedCosine;
    values.fp16_scales = false;
    values.range_contains_zero = false;
    values.precision = Precision::kFp32;
    values.activation_dtype = Precision::kFp32;
  } else if (preset == Preset::kStrong) {
    values.train_size = 128;
    values.epochs = 4;
    if (wbits <= 3) {
      values.quant_lr = 1e-3;
      values.weight_lr = 1e-3;
    }
  }
  return values;
}

template <typename T>
void Take(const std::optional<T>& source, std::optional<T>& field) {
  if (!field.has_value()) field = source;
}
template <RecipeChoice E>
void Take(const std::optional<GivenWord<E>>& source, std::optional<E>& field) {
  if (!field.has_value() && source.has_value()) field = source->choice();
}

template <typename T, typename V>
void Fill(std::optional<T>& field, const V& value) {
  if (!field.has_value()) field = static_cast<T>(value);
}

std::string WidthsHeldBy(ExportFormat format, ZeroPoints zero_points) {
  std::vector<int> widths;
  for (const int bits : recipe::kWeightBits) {
    if (FormatHolds(format, bits, zero_points)) widths.push_back(bits);
  }
  return absl::StrJoin(widths, ",");
}

// The format where none is given: for blocks that are all alike, which what is planned may not be (plan_blocks.cc).
ExportFormat ServedFormat(const SettledRecipe& recipe) {
  ServedModel model;
  model.widths = {*recipe.wbits};
  model.group_sizes = {*recipe.group_size};
  if (*recipe.use_mixed_precision) model.group_sizes.insert(0);  // not alike, in whatever they differ
  model.zero_points = ZeroPointsOf(ZeroPointKeys{*recipe.middle_zero_points, *recipe.sym});
  return FormatServed(*recipe.serve, model);
}

// The rows of the table that say Follows.
void FillFollowing(const LlamaConfig* model, SettledRecipe& recipe) {
  const int64_t seqlen = model == nullptr ? kUsualSeqlen : std::min(kUsualSeqlen, model->max_position_embeddings);
  Fill(recipe.training_seqlen, seqlen);
  Fill(recipe.ppl_seqlen, seqlen);
  Fill(recipe.eval_shard_windows, DefaultEvalShardWindows(*recipe.ppl_seqlen));
  Fill(recipe.group_size, model == nullptr ? kUsualGroupSize : DefaultGroupSize(*model));
  Fill(recipe.zp_lr, *recipe.quant_lr);
  Fill(recipe.weight_lr, *recipe.wbits == 2 ? 2e-5 : 1e-5);
  Fill(recipe.signround_lr, 1.0 / static_cast<double>(std::max<int64_t>(1, *recipe.signround_iters)));
  Fill(recipe.signround_minmax_lr, *recipe.signround_lr);
  Fill(recipe.omniquant_epochs, *recipe.wbits == 2 ? 40 : 20);
  Fill(recipe.e2e_train_size, *recipe.train_size);
  Fill(recipe.e2e_seqlen, *recipe.training_seqlen);
  Fill(recipe.e2e_seed, *recipe.seed);
  Fill(recipe.e2e_batch_size, *recipe.batch_size);
  Fill(recipe.e2e_lr, *recipe.wbits == 2 ? 2e-5 : 1e-5);
  Fill(recipe.target_avg_bits, *recipe.wbits);
  // The author's program ignored the target where the strategy is not "adaptive".
  Fill(recipe.keep_budget, *recipe.policy_semantics != PolicySemantics::kAuthor);
  const ZeroPoints zero_points = ZeroPointsOf(ZeroPointKeys{*recipe.middle_zero_points, *recipe.sym});
  Fill(recipe.export_format, TraitsOf(*recipe.method).quantizes ? ServedFormat(recipe) : ExportFormat::kNone);
  Fill(recipe.sensitivity_samples, std::min(kUsualSensitivitySamples, *recipe.train_size));
  Fill(recipe.sensitivity_bits, WidthsHeldBy(*recipe.export_format, zero_points));
  Fill(recipe.sensitivity_group_sizes, absl::StrCat(*recipe.group_size));
  Fill(recipe.pilot_samples, std::min(kUsualPilotSamples, *recipe.train_size));
}

}  // namespace

const SettledRecipe& ConstantDefaults() {
  static const auto* const kConstants = [] {
    auto* constants = new SettledRecipe();
    ForEachRecipeRow(
        [](const auto& row, auto& field) {
          if constexpr (requires { row.default_value.value; }) Fill(field, row.default_value.value);
        },
        *constants);
    return constants;
  }();
  return *kConstants;
}

Recipe Completed(const PartialRecipe& given, Presets presets, const LlamaConfig* model) {
  const auto take = [](std::string_view, auto& field, const auto& source) { Take(source, field); };
  const SettledRecipe& constants = ConstantDefaults();
  SettledRecipe settled;
  ForEachRecipeField(take, settled, given);
  if (presets == Presets::kApply) {
    const SettledRecipe preset =
        ValuesOf(settled.preset.value_or(*constants.preset), settled.wbits.value_or(*constants.wbits));
    ForEachRecipeField(take, settled, preset);
  }
  ForEachRecipeField(take, settled, constants);
  FillFollowing(model, settled);
  Recipe recipe;
  ForEachRecipeField(
      [](std::string_view name, auto& field, const auto& value) {
        LWQ_CHECK(value.has_value(), "the default of recipe field ", name, " follows from nothing");
        field = *value;
      },
      recipe, settled);
  return recipe;
}

}  // namespace lwq::coordinator
