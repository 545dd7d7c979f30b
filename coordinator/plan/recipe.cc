#include "coordinator/plan/recipe.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "coordinator/plan/eval_shards.h"
#include "coordinator/plan/group_size.h"
#include "coordinator/plan/mixed_precision.h"
#include "coordinator/plan/recipe_check.h"
#include "coordinator/plan/storage.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kDefaultSeqlen = 2048;
constexpr int64_t kSensitivitySamples = 64;
constexpr int64_t kPilotSamples = 32;

PartialRecipe Preset(std::string_view name, int wbits) {
  PartialRecipe preset;
  if (name == "efficientqat") {
    preset.train_size = 4096;
    preset.val_size = 64;
    preset.disjoint_windows = false;
    preset.early_stop_resets = false;
    preset.keep_best = false;
    preset.lr_schedule = "chained_cosine";
    preset.fp16_scales = false;
    preset.range_contains_zero = false;
    preset.precision = "fp32";
    preset.activation_dtype = "fp32";
  } else if (name == "strong") {
    preset.train_size = 128;
    preset.epochs = 4;
    if (wbits <= 3) {
      preset.quant_lr = 1e-3;
      preset.weight_lr = 1e-3;
    }
  }
  return preset;
}

// docs/spec.md, "Defaults". Not here: what follows from other fields (FillFollowing).
PartialRecipe Defaults(std::string_view method, int wbits, const LlamaConfig* model) {
  const int64_t seqlen = model == nullptr ? kDefaultSeqlen : std::min(kDefaultSeqlen, model->max_position_embeddings);
  PartialRecipe defaults;
  defaults.preset = "default";
  defaults.method = "block_ap";
  defaults.wbits = 4;
  defaults.group_size = model == nullptr ? kUsualGroupSize : DefaultGroupSize(*model);
  defaults.train_size = 128;
  defaults.val_size = 16;
  defaults.training_seqlen = seqlen;
  defaults.seed = 2;
  defaults.disjoint_windows = true;
  defaults.epochs = 2;
  defaults.batch_size = 2;
  defaults.gradient_accumulation_steps = 1;
  defaults.quant_lr = 1e-4;
  defaults.weight_lr = wbits == 2 ? 2e-5 : 1e-5;
  defaults.min_lr_factor = 20;
  defaults.wd = 0;
  defaults.early_stop = 0;
  defaults.early_stop_resets = true;
  defaults.keep_best = true;
  defaults.lr_schedule = "cosine";
  defaults.fp16_scales = true;
  defaults.range_contains_zero = true;
  defaults.divergence_retries = 2;
  defaults.sensitivity_metric = "fisher";
  defaults.sensitivity_shard_samples = 16;
  defaults.hessian_probes = 16;
  defaults.hessian_scope = "block";
  defaults.pilot_epochs = 1;
  defaults.handoff = "sequential";
  defaults.relay_epochs = 0.5;
  defaults.layer_ordering = "original";
  defaults.reorder_every = 0;
  defaults.block_grouping = "1";
  defaults.block_grouping_factor = 1.5;
  defaults.block_grouping_most = 4;
  defaults.adaptive_epochs = false;
  defaults.adaptive_lr_scaling = false;
  defaults.adaptive_lr_normalization = "mean";
  defaults.use_adaptive_training = false;
  defaults.use_mixed_precision = false;
  defaults.target_avg_bits = wbits;
  defaults.mpq_strategy = "adaptive";
  defaults.mpq_group_size = "fixed";
  defaults.target_size_mb = 0;
  defaults.ablation = "none";
  defaults.policy_semantics = "default";
  defaults.precision = "auto";
  defaults.threads = 1;
  defaults.activation_dtype = "auto";
  defaults.export_format = method == "block_ap" || method == "rtn" ? "gptq_v2" : "none";
  defaults.eval_ppl = true;
  defaults.ppl_seqlen = seqlen;
  defaults.eval_fp = true;
  return defaults;
}

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

// Fields whose default is another field's value.
void FillFollowing(const PartialRecipe& partial, Recipe& recipe) {
  if (!partial.zp_lr.has_value()) recipe.zp_lr = recipe.quant_lr;
  // The author's program ignored the target where the strategy is not "adaptive".
  if (!partial.keep_budget.has_value()) recipe.keep_budget = recipe.policy_semantics != "author";
  if (!partial.sensitivity_samples.has_value()) {
    recipe.sensitivity_samples = std::min(kSensitivitySamples, recipe.train_size);
  }
  if (!partial.pilot_samples.has_value()) recipe.pilot_samples = std::min(kPilotSamples, recipe.train_size);
  if (!partial.eval_shard_windows.has_value()) recipe.eval_shard_windows = DefaultEvalShardWindows(recipe.ppl_seqlen);
  if (!partial.sensitivity_group_sizes.has_value()) {
    recipe.sensitivity_group_sizes = absl::StrCat(recipe.group_size);
  }
  if (!partial.sensitivity_bits.has_value()) {
    std::vector<int> widths;
    for (const int bits : kWidths) {
      if (FormatHolds(recipe.export_format, bits)) widths.push_back(bits);
    }
    recipe.sensitivity_bits = absl::StrJoin(widths, ",");
  }
}

}  // namespace

bool MethodNeedsModel(std::string_view method) {
  return method != "noop";
}

StatusOr<Recipe> ResolveRecipe(const PartialRecipe& partial, const LlamaConfig* model) {
  const std::string method = partial.method.value_or("block_ap");
  LWQ_CHECK(model != nullptr || !MethodNeedsModel(method), "method ", method, " resolved without a model");
  const int wbits = partial.wbits.value_or(4);
  const PartialRecipe preset = Preset(partial.preset.value_or("default"), wbits);
  const PartialRecipe defaults = Defaults(method, wbits, model);
  Recipe recipe;
  ForEachRecipeField(
      [](std::string_view, auto& out, const auto& given, const auto& from_preset, const auto& otherwise) {
        if (given.has_value()) {
          out = *given;
        } else if (from_preset.has_value()) {
          out = *from_preset;
        } else if (otherwise.has_value()) {
          out = *otherwise;
        }
      },
      recipe, partial, preset, defaults);
  FillFollowing(partial, recipe);
  LWQ_RETURN_IF_ERROR(CheckRecipe(recipe, model));
  return recipe;
}

Recipe PinRecipe(Recipe recipe, bool hardware_bf16) {
  if (recipe.precision == "auto") recipe.precision = hardware_bf16 ? "bf16" : "fp32";
  if (recipe.activation_dtype == "auto") recipe.activation_dtype = recipe.precision;
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
        if (field.has_value()) json[std::string(name)] = *field;
      },
      recipe);
  return json;
}

Json RecipeToJson(const Recipe& recipe) {
  Json json = Json::object();
  ForEachRecipeField([&](std::string_view name, const auto& field) { json[std::string(name)] = field; }, recipe);
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
  // A field younger than the record has the value under which the run behaves as it did.
  const PartialRecipe defaults = Defaults(stored.method.value_or("block_ap"), stored.wbits.value_or(4), nullptr);
  Recipe recipe;
  ForEachRecipeField(
      [](std::string_view, auto& out, const auto& given, const auto& otherwise) {
        if (given.has_value()) {
          out = *given;
        } else if (otherwise.has_value()) {
          out = *otherwise;
        }
      },
      recipe, stored, defaults);
  FillFollowing(stored, recipe);
  return recipe;
}

}  // namespace lwq::coordinator
